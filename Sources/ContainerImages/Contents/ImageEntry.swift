/// A file, folder or link of an image.
package struct ImageEntry: Sendable {
  package enum Kind: Sendable {
    case folder
    case link(String)
    case file([UInt8])
  }

  /// Path from the root, without a slash in front.
  package var path: String
  package var kind: Kind
  package var mode: Int
  package var owner = 0
  /// Name of the package that it is from; nil where it is of none.
  package var package: String?
  /// Whether it differs from the package's own file.
  package var isChanged = false

  package static func folder(_ path: String, mode: Int = 0o755, owner: Int = 0) -> ImageEntry {
    ImageEntry(path: path, kind: .folder, mode: mode, owner: owner)
  }

  package static func link(_ path: String, to target: String, package: String? = nil) -> ImageEntry {
    ImageEntry(path: path, kind: .link(target), mode: 0o777, package: package)
  }

  package static func file(_ path: String, _ bytes: [UInt8], mode: Int = 0o644, package: String? = nil) -> ImageEntry {
    ImageEntry(path: path, kind: .file(bytes), mode: mode, package: package)
  }

  package static func text(_ path: String, _ text: String) -> ImageEntry { .file(path, Array(text.utf8)) }

  package var bytes: [UInt8]? { if case .file(let bytes) = kind { bytes } else { nil } }

  package var header: TarWriter.Header {
    switch kind {
    case .folder: TarWriter.Header(path: path, kind: .folder, mode: mode, owner: owner, group: owner)
    case .link(let target):
      TarWriter.Header(path: path, kind: .link, mode: mode, owner: owner, group: owner, target: target)
    case .file(let bytes):
      TarWriter.Header(path: path, mode: mode, owner: owner, group: owner, size: bytes.count)
    }
  }
}

/// Entries that are sent and kept together.
package struct LayerContents: Sendable {
  /// What the layer is, for people.
  package var title: String
  package var entries: [ImageEntry]

  /// Entries in order of their paths, each with the folders above it in front, unless they are given.
  package var complete: [ImageEntry] {
    var all: [String: ImageEntry] = [:]
    for entry in entries {
      all[entry.path] = entry
      var parts = entry.path.split(separator: "/").dropLast()
      while !parts.isEmpty {
        let folder = parts.joined(separator: "/")
        if all[folder] == nil, !entries.contains(where: { $0.path == folder }) { all[folder] = .folder(folder) }
        parts = parts.dropLast()
      }
    }
    return all.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.compactMap { all[$0] }
  }
}
