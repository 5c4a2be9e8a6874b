import CZlib

/// Compresses a stream to gzip, byte for byte the same for the same input: the header has neither a time nor a name.
final class Gzip {
  /// What zlib calls 6: one level more costs twice the time for a hundredth of the size.
  static let level: Int32 = 6
  private static let bufferBytes = 1 << 18

  private let stream: UnsafeMutablePointer<z_stream>
  private let sink: (UnsafeRawBufferPointer) throws -> Void
  private var buffer = [UInt8](repeating: 0, count: Gzip.bufferBytes)

  init(_ sink: @escaping (UnsafeRawBufferPointer) throws -> Void) {
    self.sink = sink
    // Allocated, since zlib keeps the address of its stream.
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    // 15 bits of window, and 16 for gzip's header instead of zlib's.
    let status = deflateInit2_(
      stream, Self.level, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
      Int32(MemoryLayout<z_stream>.size))
    precondition(status == Z_OK, "zlib refuses its own settings")
  }

  deinit {
    deflateEnd(stream)
    stream.deallocate()
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws { try run(bytes, Z_NO_FLUSH) }

  func finish() throws { try run(UnsafeRawBufferPointer(start: nil, count: 0), Z_FINISH) }

  private func run(_ bytes: UnsafeRawBufferPointer, _ flush: Int32) throws {
    var rest = bytes
    repeat {
      // Counts of the interface are 32 bits wide.
      let part = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(part.count))
      stream.pointee.next_in = UnsafeMutablePointer(
        mutating: part.baseAddress?.assumingMemoryBound(to: UInt8.self))
      stream.pointee.avail_in = UInt32(part.count)
      var isFull = true
      while isFull {
        let produced = buffer.withUnsafeMutableBufferPointer { out in
          stream.pointee.next_out = out.baseAddress
          stream.pointee.avail_out = UInt32(out.count)
          _ = deflate(stream, flush)
          return out.count - Int(stream.pointee.avail_out)
        }
        try buffer.withUnsafeBytes { try sink(UnsafeRawBufferPointer(rebasing: $0.prefix(produced))) }
        isFull = produced == buffer.count
      }
    } while !rest.isEmpty
  }
}
