import CZlib
import NIOCore
import Tokenizer

/// How a body is compressed; the raw value is HTTP's name. `deflate` is zlib's own format (RFC 9110, 8.4.1.2).
enum ContentCoding: String {
  case gzip
  case deflate

  /// - Parameter name: in any case; gzip has an older name too (RFC 9110, 8.4.1.3).
  init?(named name: some StringProtocol) {
    let name = name.lowercased()
    self.init(rawValue: name == "x-gzip" ? "gzip" : name)
  }

  /// The one to answer with; nil where the client takes neither.
  ///
  /// - Parameter header: value of `Accept-Encoding` (RFC 9110, 12.5.3), such as `gzip, deflate;q=0.5, *;q=0`.
  init?(acceptedBy header: String?) {
    guard let header else { return nil }
    var best: (coding: Self, weight: Double)?
    for element in header.lowercased().filter({ $0 != " " && $0 != "\t" }).split(separator: ",") {
      let parts = element.split(separator: ";")
      let weight = parts.dropFirst().first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
      guard let coding = parts.first.flatMap({ Self(named: $0) }), weight > best?.weight ?? 0 else {
        continue
      }
      best = (coding, weight)
    }
    guard let best else { return nil }
    self = best.coding
  }

  /// The fastest level: numbers as text shrink little more with the others.
  private static let level: Int32 = 1

  /// - Returns: nil where zlib has no memory.
  func deflate(_ body: ByteBuffer) -> ByteBuffer? {
    var stream = z_stream()
    // 16 more than the largest window writes gzip's header and not zlib's.
    let window: Int32 = self == .gzip ? 15 + 16 : 15
    guard
      deflateInit2_(
        &stream, Self.level, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
        Int32(MemoryLayout<z_stream>.size)) == Z_OK
    else { return nil }
    defer { deflateEnd(&stream) }
    let bound = Int(deflateBound(&stream, UInt(body.readableBytes)))
    var output = ByteBufferAllocator().buffer(capacity: bound)
    let isWhole = body.withUnsafeReadableBytes { input in
      stream.setInput(input)
      var status = Z_OK
      output.writeWithUnsafeMutableBytes(minimumWritableBytes: bound) { memory in
        stream.next_out = memory.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.avail_out = UInt32(clamping: memory.count)
        status = CZlib.deflate(&stream, Z_FINISH)
        return Int(stream.total_out)
      }
      return status == Z_STREAM_END
    }
    return isWhole ? output : nil
  }

  /// Unpacks a body of either coding: its first bytes tell which it is.
  ///
  /// - Parameter limit: bytes that may come of it; a few bytes can be made to inflate to gigabytes.
  /// - Throws: `HTTPProblem`: 413 above the limit, 400 for what is not of either format or ends early.
  static func inflate(_ body: ByteBuffer, limit: Int) throws(HTTPProblem) -> ByteBuffer {
    var stream = z_stream()
    // 32 more than the largest window lets the header tell which format it is.
    guard inflateInit2_(&stream, 15 + 32, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw HTTPProblem(.internalServerError, "the body could not be unpacked")
    }
    defer { inflateEnd(&stream) }
    var output = ByteBufferAllocator().buffer(capacity: min(limit, 4 * body.readableBytes) + 1)
    let outcome = body.withUnsafeReadableBytes { input -> Outcome in
      stream.setInput(input)
      while true {
        guard output.readableBytes <= limit else { return .tooLarge }
        let status = step(&stream, into: &output)
        if status == Z_STREAM_END { return stream.avail_in == 0 ? .whole : .damaged }
        // Z_BUF_ERROR: nothing could be done, so the input ended early.
        if status != Z_OK { return .damaged }
      }
    }
    switch outcome {
    case .tooLarge: throw HTTPProblem(.contentTooLarge, "the body inflates to more than \(limit) bytes")
    case .damaged: throw HTTPProblem(.badRequest, "the body is not what its Content-Encoding says, or ends early")
    case .whole where output.readableBytes > limit:
      throw HTTPProblem(.contentTooLarge, "the body inflates to more than \(limit) bytes")
    case .whole: return output
    }
  }

  private enum Outcome { case whole, damaged, tooLarge }

  private static func step(_ stream: inout z_stream, into output: inout ByteBuffer) -> Int32 {
    var status = Z_OK
    output.writeWithUnsafeMutableBytes(minimumWritableBytes: 64 << 10) { memory in
      stream.next_out = memory.baseAddress?.assumingMemoryBound(to: UInt8.self)
      let room = UInt32(clamping: min(memory.count, 1 << 20))
      stream.avail_out = room
      status = CZlib.inflate(&stream, Z_NO_FLUSH)
      return Int(room - stream.avail_out)
    }
    return status
  }
}

extension z_stream {
  /// zlib reads its input and never writes it.
  fileprivate mutating func setInput(_ input: UnsafeRawBufferPointer) {
    next_in = UnsafeMutablePointer(mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
    avail_in = UInt32(clamping: input.count)
  }
}
