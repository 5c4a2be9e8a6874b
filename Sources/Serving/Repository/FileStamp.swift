import Foundation

/// Tells a file or folder from what was at its path before: another one, or the same after a change.
struct FileStamp: Hashable, Sendable, CustomStringConvertible {
  private var inode: UInt64
  private(set) var size: Int64
  private var changedSeconds: Int64
  private var changedNanoseconds: Int64

  /// - Returns: nil where nothing is there that can be looked at.
  init?(path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    inode = UInt64(status.st_ino)
    size = Int64(status.st_size)
    changedSeconds = Int64(status.st_mtim.tv_sec)
    changedNanoseconds = Int64(status.st_mtim.tv_nsec)
  }

  /// When it was changed last.
  var changed: Date { Date(timeIntervalSince1970: Double(changedSeconds) + Double(changedNanoseconds) * 1e-9) }

  var description: String { "\(inode)-\(size)-\(changedSeconds).\(changedNanoseconds)" }
}
