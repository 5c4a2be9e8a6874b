import CZlib
import NIOCore

/// Unpacks compressed bodies: gzip and zlib's own format, which HTTP calls deflate.
enum Inflater {
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
      // zlib reads its input and never writes it.
      stream.next_in = UnsafeMutablePointer(
        mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
      stream.avail_in = UInt32(clamping: input.count)
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
