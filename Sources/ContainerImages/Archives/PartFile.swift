import Foundation

/// A file that grows while something is fetched, and is gone on with after a break.
final class PartFile: Sendable {
  private let path: String
  private let descriptor: Int32

  init(_ path: String) throws(ImageError) {
    self.path = path
    descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o644)
    guard descriptor >= 0 else { throw InputFile.failure(path, errno) }
  }

  deinit { close(descriptor) }

  func size() throws(ImageError) -> Int {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw InputFile.failure(path, errno) }
    return Int(status.st_size)
  }

  func cut(to size: Int) throws(ImageError) {
    guard ftruncate(descriptor, off_t(size)) == 0 else { throw InputFile.failure(path, errno) }
  }

  func write(_ bytes: some ContiguousBytes) throws {
    try bytes.withUnsafeBytes { buffer in
      var offset = 0
      while offset < buffer.count {
        let written = Foundation.write(descriptor, buffer.baseAddress! + offset, buffer.count - offset)
        if written < 0, errno == EINTR { continue }
        guard written > 0 else { throw InputFile.failure(path, errno) }
        offset += written
      }
    }
  }
}

/// Makes sure that nobody else works in a folder; ends with the process, however that ends.
struct FolderLock {
  private let descriptor: Int32

  /// - Throws: `ImageError` (`unavailable`) where another process holds it.
  init(_ folder: String) throws(ImageError) {
    descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw InputFile.failure(folder, errno) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      close(descriptor)
      throw .unavailable("another process is fetching into \(folder); wait for it, or choose another file with --out")
    }
  }

  func release() { close(descriptor) }
}
