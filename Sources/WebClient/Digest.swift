import Crypto
import Foundation

/// A checksum of a whole file, in lower-case hexadecimal.
package enum Digest: Codable, Hashable, Sendable {
  case sha256(String)
  case md5(String)
  case crc64(String)

  package var name: String {
    switch self {
    case .sha256: "SHA-256"
    case .md5: "MD5"
    case .crc64: "CRC-64/NVME"
    }
  }

  /// Whether the file's bytes have this checksum.
  ///
  /// - Throws: `RemoteError` where it cannot be read.
  package func matches(_ path: String) throws(RemoteError) -> Bool {
    switch self {
    case .sha256(let wanted): try FileDigest.sha256(path) == wanted
    case .md5(let wanted):
      try FileDigest.of(path, Insecure.MD5()) { $0.update(bufferPointer: $1) }.finalize().hexadecimal == wanted
    case .crc64(let wanted):
      try FileDigest.of(path, CRC64()) { $0.update($1) }.value.bigEndianHexadecimal == wanted
    }
  }
}

/// Checksums of files.
package enum FileDigest {
  /// - Returns: 64 lower-case hexadecimal digits.
  /// - Throws: `RemoteError` (`unavailable`) where the file cannot be read.
  package static func sha256(_ path: String) throws(RemoteError) -> String {
    try of(path, SHA256()) { $0.update(bufferPointer: $1) }.finalize().hexadecimal
  }

  fileprivate static func of<State>(
    _ path: String, _ initial: State, _ update: (inout State, UnsafeRawBufferPointer) -> Void
  ) throws(RemoteError) -> State {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw RemoteError(.unavailable, path, String(cString: strerror(errno))) }
    defer { close(descriptor) }
    var state = initial
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
    defer { buffer.deallocate() }
    while true {
      let count = read(descriptor, buffer.baseAddress, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw RemoteError(.unavailable, path, String(cString: strerror(errno))) }
      if count == 0 { return state }
      update(&state, UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
  }
}

/// CRC-64/NVME (polynomial 0xad93d23594c93659, reflected): what S3 computes where an uploader names no checksum.
package struct CRC64 {
  private static let table: [UInt64] = (0..<256).map { index in
    (0..<8).reduce(UInt64(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0x9a6c_9329_ac4b_c9b5 : value >> 1 }
  }
  private var state = UInt64.max

  package init() {}

  package var value: UInt64 { ~state }

  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    Self.table.withUnsafeBufferPointer { table in
      for byte in bytes { state = state >> 8 ^ table[Int(UInt8(truncatingIfNeeded: state) ^ byte)] }
    }
  }
}

extension UInt64 {
  var bigEndianHexadecimal: String { withUnsafeBytes(of: bigEndian) { Array($0) }.hexadecimal }
}

extension Sequence<UInt8> {
  package var hexadecimal: String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}

package enum SHA256Text {
  package static func hexadecimal(_ text: String) -> String { SHA256.hash(data: Data(text.utf8)).hexadecimal }
}
