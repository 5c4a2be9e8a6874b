import Foundation
import Synchronization

/// A file that grows by whole lines while something long is measured, so that what was measured outlives the process.
///
/// A line is flushed to disk before `append` returns. A line that was cut off, by a kill or a full disk, is not read.
public final class CheckpointFile: Sendable {
  public let path: String
  private let descriptor = Mutex<Int32?>(nil)

  public init(path: String) { self.path = path }

  deinit { close() }

  /// The whole lines of the file, without their line breaks; none where there is no file.
  ///
  /// - Throws: `FileError` where the file may not be read.
  public func lines() throws(FileError) -> [String] {
    guard FileManager.default.fileExists(atPath: path) else { return [] }
    guard let data = FileManager.default.contents(atPath: path) else {
      throw FileError(
        .unavailable, [FileProblem(file: path, message: "cannot be read", remedy: "check its permissions")])
    }
    guard let end = data.lastIndex(of: UInt8(ascii: "\n")) else { return [] }
    return String(decoding: data[..<end], as: UTF8.self).split(separator: "\n").map(String.init)
  }

  /// Begins the file anew with these lines; later ones are appended.
  ///
  /// - Throws: `FileError`.
  public func begin(with lines: [String]) throws(FileError) {
    close()
    try AtomicFile.write(lines.map { $0 + "\n" }.joined(), to: path)
    let opened = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
    guard opened >= 0 else { throw failure(errno) }
    descriptor.withLock { $0 = opened }
  }

  /// - Throws: `FileError`; the lines before are then still there.
  public func append(_ line: String) throws(FileError) {
    let number = descriptor.withLock { descriptor -> Int32 in
      guard let descriptor else { return EBADF }
      let bytes = Array((line + "\n").utf8)
      var offset = 0
      while offset < bytes.count {
        let written = bytes.withUnsafeBytes {
          Foundation.write(descriptor, $0.baseAddress! + offset, bytes.count - offset)
        }
        if written < 0, errno == EINTR { continue }
        if written <= 0 { return errno }
        offset += written
      }
      return fsync(descriptor) == 0 ? 0 : errno
    }
    if number != 0 { throw failure(number) }
  }

  /// Removes the file: what it kept is somewhere else now.
  public func remove() {
    close()
    unlink(path)
  }

  private func close() {
    descriptor.withLock { descriptor in
      if let open = descriptor { _ = Foundation.close(open) }
      descriptor = nil
    }
  }

  private func failure(_ number: Int32) -> FileError {
    FileError(
      .unavailable,
      [
        FileProblem(
          file: path, message: "cannot be written: \(String(cString: strerror(number)))",
          remedy: "make room on the disk, or choose another place with --out")
      ])
  }
}
