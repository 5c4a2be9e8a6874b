import ContainerImages

/// A tar archive of one file, as containers are given files.
package enum TarFile {
  /// - Throws: `ImageError` where the name or the size does not fit into such an archive.
  package static func archive(_ name: String, _ content: [UInt8]) throws -> [UInt8] {
    var bytes: [UInt8] = []
    let tar = TarWriter(time: 0) { bytes += $0 }
    try tar.entry(.init(path: name), content)
    try tar.finish()
    return bytes
  }
}
