import Foundation

/// A folder for the contents of an image while it is made or fetched; goes with the object unless it is kept.
final class BlobFolder: @unchecked Sendable {
  let path: String
  /// Set before the object goes, by the one task that made it.
  var isKept = false

  /// Makes a new folder beside the file that the image shall become.
  init(beside file: String) throws(ImageError) {
    path = Self.name(beside: file) + ".\(ProcessInfo.processInfo.processIdentifier).layers.tmp"
    try Self.make(path)
  }

  /// Takes a folder up again that an earlier attempt may have left.
  init(keptAt path: String) throws(ImageError) {
    self.path = path
    try Self.make(path)
  }

  deinit { if !isKept { try? FileManager.default.removeItem(atPath: path) } }

  /// Hidden, in the folder of the file.
  static func name(beside file: String) -> String {
    let url = URL(fileURLWithPath: file)
    return url.deletingLastPathComponent().path + "/." + url.lastPathComponent
  }

  private static func make(_ path: String) throws(ImageError) {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw .unavailable("\(path) cannot be made: \(error.localizedDescription); choose another place with --out")
    }
  }

  func file(_ digest: ContentDigest) -> String { path + "/" + digest.hex }
}
