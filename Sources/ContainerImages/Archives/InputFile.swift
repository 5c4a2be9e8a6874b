import Crypto
import Foundation

/// A plain file that is read at places.
package final class InputFile: Sendable {
  package let path: String
  package let size: Int
  private let descriptor: Int32

  /// - Throws: `ImageError` (`unavailable`) where it cannot be read.
  package init(_ path: String) throws(ImageError) {
    self.path = path
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw Self.failure(path, errno) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw .unavailable("\(path) is no plain file; name one")
    }
    size = Int(status.st_size)
  }

  deinit { close(descriptor) }

  /// - Throws: `ImageError` (`badData`) where the file is shorter than that.
  package func read(at offset: Int, count: Int) throws(ImageError) -> [UInt8] {
    guard offset >= 0, count >= 0, count <= size - offset else { throw .badData("\(path) is cut off; make it again") }
    var failed: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      while filled < count {
        let got = pread(descriptor, buffer.baseAddress! + filled, count - filled, off_t(offset + filled))
        if got < 0, errno == EINTR { continue }
        if got <= 0 {
          failed = got < 0 ? errno : EIO
          return
        }
        filled += got
      }
    }
    guard failed == 0 else { throw Self.failure(path, failed) }
    return bytes
  }

  package static let pieceBytes = 1 << 20

  /// Hands out a part of the file piece by piece.
  package func forEachPiece(_ range: Range<Int>, _ body: ([UInt8]) throws -> Void) throws {
    var offset = range.lowerBound
    while offset < range.upperBound {
      let piece = try read(at: offset, count: min(Self.pieceBytes, range.upperBound - offset))
      try body(piece)
      offset += piece.count
    }
  }

  package func digest(_ range: Range<Int>) throws -> ContentDigest {
    var hash = SHA256()
    try forEachPiece(range) { hash.update(data: $0) }
    return ContentDigest(hash.finalize())
  }

  /// All of a file that is no larger than `limit` bytes.
  package static func contents(_ path: String, limit: Int) throws(ImageError) -> [UInt8] {
    let file = try InputFile(path)
    guard file.size <= limit else { throw .badData("\(path) is larger than \(limit >> 20) MiB; is it the right file?") }
    return try file.read(at: 0, count: file.size)
  }

  package static func failure(_ path: String, _ number: Int32) -> ImageError {
    number == ENOENT
      ? .unavailable("\(path): there is no such file; check the path")
      : .unavailable("\(path): \(String(cString: strerror(number)))")
  }
}
