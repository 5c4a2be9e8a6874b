/// Paths that a manifest or a listing names and that become files of the cache.
package enum RelativePath {
  /// Whether the path stays in its folder, is no hidden file (`.pull` is the cache's own), and fits a file system.
  package static func isSafe(_ path: String) -> Bool {
    guard !path.isEmpty, path.utf8.count <= 1000, !path.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) else {
      return false
    }
    return path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { part in
      !part.isEmpty && part.utf8.first != UInt8(ascii: ".") && part.utf8.count <= 255
    }
  }
}
