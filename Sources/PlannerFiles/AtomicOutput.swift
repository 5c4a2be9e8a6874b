import Foundation

/// A file that is written piece by piece and put in place whole or not at all: beside its place, flushed to disk, then
/// renamed. Given up, it leaves nothing.
public final class AtomicOutput {
  public let path: String
  private let place: String
  private let temporary: String
  private var descriptor: Int32
  /// Bytes that were written.
  public private(set) var count = 0

  /// Begins to write what becomes the file at `path`; its folder is made if it is missing, and a link stays one.
  ///
  /// - Throws: `FileError` (`unavailable`) where nothing can be written there, or what is there is no plain file.
  public init(_ path: String) throws(FileError) {
    self.path = path
    var status = stat()
    if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
      let what = status.st_mode & S_IFMT == S_IFDIR ? "a folder" : "no plain file"
      throw AtomicFile.unavailable(path, "is \(what), and cannot be replaced", "name a file")
    }
    let isLink = lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    let url = URL(fileURLWithPath: path)
    place = isLink ? url.resolvingSymlinksInPath().path : url.path
    let folder = URL(fileURLWithPath: place).deletingLastPathComponent().path
    try AtomicFile.makeFolder(folder, of: path)
    temporary =
      folder + "/.\(URL(fileURLWithPath: place).lastPathComponent)."
      + "\(ProcessInfo.processInfo.processIdentifier).tmp"
    descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o644)
    guard descriptor >= 0 else { throw AtomicFile.failure(path, errno) }
  }

  deinit {
    guard descriptor >= 0 else { return }
    close(descriptor)
    unlink(temporary)
  }

  /// - Throws: `FileError` (`unavailable`), such as for a full disk.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    var offset = 0
    while offset < bytes.count {
      let written = Foundation.write(descriptor, bytes.baseAddress! + offset, bytes.count - offset)
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { throw AtomicFile.failure(path, errno) }
      offset += written
    }
    count += bytes.count
  }

  /// Puts the file in place.
  public func finish() throws(FileError) {
    guard fsync(descriptor) == 0, rename(temporary, place) == 0 else { throw AtomicFile.failure(path, errno) }
    close(descriptor)
    descriptor = -1
  }
}
