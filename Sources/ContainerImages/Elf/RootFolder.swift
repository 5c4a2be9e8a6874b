import Foundation

/// Files of a root file system that lies in some folder, of this machine's own in `/`. Links are followed as they would
/// be if the folder were the root: none leads out of it.
package struct RootFolder: Sendable {
  /// Folder, without a slash at its end; empty for this machine's own.
  package let folder: String
  package static let mostLinks = 40

  package init(_ folder: String) {
    var folder = folder
    while folder.hasSuffix("/") { folder.removeLast() }
    self.folder = folder
  }

  /// The path by which this process reads what lies at a path in there.
  package func outside(_ path: String) -> String { folder + path }

  /// The place that a path leads to when all links are followed, as a path in there.
  ///
  /// - Returns: nil where nothing is there, or links go in a circle.
  package func resolve(_ path: String) -> String? {
    var done: [Substring] = []
    var rest = Array(path.split(separator: "/").reversed())
    var links = 0
    while let name = rest.popLast() {
      if name == "." { continue }
      if name == ".." {
        _ = done.popLast()
        continue
      }
      let here = "/" + (done + [name]).joined(separator: "/")
      var status = stat()
      guard lstat(outside(here), &status) == 0 else { return nil }
      guard status.st_mode & S_IFMT == S_IFLNK else {
        done.append(name)
        continue
      }
      links += 1
      guard links <= Self.mostLinks,
        let target = try? FileManager.default.destinationOfSymbolicLink(atPath: outside(here))
      else { return nil }
      if target.hasPrefix("/") { done = [] }
      rest += target.split(separator: "/").reversed()
    }
    return "/" + done.joined(separator: "/")
  }

  /// Where the plain file lies that a path leads to; nil where there is none.
  package func file(_ path: String) -> String? {
    guard let found = resolve(path) else { return nil }
    var status = stat()
    guard lstat(outside(found), &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    return found
  }

  /// All of a plain file; nil where there is none.
  package func contents(_ path: String, limit: Int) throws(ImageError) -> [UInt8]? {
    guard let found = file(path) else { return nil }
    return try InputFile.contents(outside(found), limit: limit)
  }

  package func text(_ path: String, limit: Int = 16 << 20) throws(ImageError) -> String? {
    try contents(path, limit: limit).map { String(decoding: $0, as: UTF8.self) }
  }

  /// Names in a folder, ascending; none where it is not there.
  package func names(in path: String) -> [String] {
    guard let found = resolve(path) else { return [] }
    return ((try? FileManager.default.contentsOfDirectory(atPath: outside(found))) ?? []).sorted()
  }
}
