import CZlib
import Foundation

/// Bytes of a file or of standard input, unpacked where they are gzip's.
final class LogSource {
  private let descriptor: Int32
  private let name: String
  private let isOwned: Bool
  /// Stays where it is: zlib's state points back to it.
  private var stream: UnsafeMutablePointer<z_stream>?
  /// Packed bytes that are still to be unpacked.
  private var packed: [UInt8] = []
  private var packedStart = 0
  private var isAtEnd = false

  /// - Parameter path: `-` for standard input.
  /// - Throws: `AccessLogError` (`unavailable`).
  init(_ path: String) throws(AccessLogError) {
    name = path
    isOwned = path != "-"
    descriptor = isOwned ? try Self.open(path) : 0
  }

  private static func open(_ path: String) throws(AccessLogError) -> Int32 {
    let descriptor = Foundation.open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      let reason = errno == ENOENT ? "there is no such file; check the path" : String(cString: strerror(errno))
      throw AccessLogError(.unavailable, "\(path): \(reason)")
    }
    var status = stat()
    if fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
      close(descriptor)
      throw AccessLogError(.unavailable, "\(path): is a folder, not a file; name a log in it")
    }
    return descriptor
  }

  deinit {
    if let stream {
      inflateEnd(stream)
      stream.deallocate()
    }
    if isOwned { close(descriptor) }
  }

  /// Fills the buffer as far as the source goes.
  ///
  /// - Returns: bytes that were written; fewer than the buffer takes at the end alone.
  /// - Throws: `AccessLogError`.
  func fill(_ buffer: UnsafeMutableBufferPointer<UInt8>) throws(AccessLogError) -> Int {
    var count = 0
    while count < buffer.count {
      let room = UnsafeMutableBufferPointer(rebasing: buffer[count...])
      let added = if let stream { try unpack(stream, room) } else { try readPlain(room) }
      if added == 0 { break }
      count += added
    }
    return count
  }

  /// Looks at the first bytes, which the caller has read: what is gzip's is unpacked from here on.
  ///
  /// - Returns: how many bytes of the buffer hold plain text now.
  func recognize(_ buffer: UnsafeMutableBufferPointer<UInt8>, count: Int) throws(AccessLogError) -> Int {
    guard count >= 2, buffer[0] == 0x1F, buffer[1] == 0x8B else { return count }
    packed = Array(buffer[..<count])
    let fresh = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    fresh.initialize(to: z_stream())
    guard inflateInit2_(fresh, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      fresh.deallocate()
      throw AccessLogError(.unavailable, "\(name): there is no memory to unpack it")
    }
    stream = fresh
    return try fill(buffer)
  }

  private func readPlain(_ room: UnsafeMutableBufferPointer<UInt8>) throws(AccessLogError) -> Int {
    while true {
      let count = read(descriptor, room.baseAddress, room.count)
      if count >= 0 { return count }
      if errno != EINTR {
        throw AccessLogError(.unavailable, "\(name): cannot be read: \(String(cString: strerror(errno)))")
      }
    }
  }

  /// Unpacks some bytes; several packed files one after the other count as one, as gzip has it.
  private func unpack(
    _ stream: UnsafeMutablePointer<z_stream>, _ room: UnsafeMutableBufferPointer<UInt8>
  ) throws(AccessLogError) -> Int {
    while true {
      if packedStart == packed.count {
        if packed.count < 1 << 18 { packed = Array(repeating: 0, count: 1 << 18) }
        var failure: AccessLogError?
        var count = 0
        packed.withUnsafeMutableBufferPointer { buffer in
          do throws(AccessLogError) { count = try readPlain(buffer) } catch { failure = error }
        }
        if let failure { throw failure }
        if count == 0 {
          guard isAtEnd else { throw AccessLogError(.badData, "\(name): the packed file ends early") }
          return 0
        }
        packed.removeLast(packed.count - count)
        packedStart = 0
      }
      if isAtEnd {
        // What follows a packed file is another one.
        inflateReset(stream)
        isAtEnd = false
      }
      let step = step(stream, room)
      if step.status == Z_STREAM_END { isAtEnd = true }
      guard [Z_OK, Z_STREAM_END, Z_BUF_ERROR].contains(step.status) else {
        throw AccessLogError(.badData, "\(name): is damaged: zlib cannot unpack it")
      }
      if step.written > 0 { return step.written }
    }
  }

  private func step(
    _ stream: UnsafeMutablePointer<z_stream>, _ room: UnsafeMutableBufferPointer<UInt8>
  ) -> (status: Int32, written: Int) {
    packed.withUnsafeMutableBufferPointer { input in
      let waiting = input.count - packedStart
      stream.pointee.next_in = input.baseAddress! + packedStart
      stream.pointee.avail_in = UInt32(clamping: waiting)
      stream.pointee.next_out = room.baseAddress
      stream.pointee.avail_out = UInt32(clamping: room.count)
      let offered = (input: stream.pointee.avail_in, room: stream.pointee.avail_out)
      let status = inflate(stream, Z_NO_FLUSH)
      packedStart += Int(offered.input - stream.pointee.avail_in)
      return (status, Int(offered.room - stream.pointee.avail_out))
    }
  }
}

/// Cuts a source into lines in a buffer of fixed size; nothing is copied but what lies across two blocks.
struct LineReader {
  /// Longer lines are passed over, whole.
  static let longestLine = 64 << 10
  private static let blockBytes = 1 << 20

  private let source: LogSource

  init(_ source: LogSource) { self.source = source }

  /// - Parameters:
  ///   - first: gets up to 200 of the first lines, before any other call.
  ///   - body: gets each line without its line break; nil for one that is too long.
  func forEachLine(
    first: ([UnsafeBufferPointer<UInt8>]) throws -> Void, _ body: (UnsafeBufferPointer<UInt8>?) throws -> Void
  ) throws {
    let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: Self.blockBytes)
    defer { buffer.deallocate() }
    var held = 0
    var isPassingOver = false
    var isStart = true
    while true {
      let room = UnsafeMutableBufferPointer(rebasing: buffer[held...])
      var added = try source.fill(room)
      if isStart { added = try source.recognize(buffer, count: added) }
      let isLast = added < room.count
      let text = UnsafeBufferPointer(rebasing: buffer[..<(held + added)])
      if isStart { try first(Self.firstLines(text)) }
      isStart = false
      var start = 0
      while let end = Self.lineEnd(text, from: start) {
        if isPassingOver || end - start > Self.longestLine {
          try body(nil)
        } else {
          try body(Self.line(text, start, end))
        }
        isPassingOver = false
        start = end + 1
      }
      held = text.count - start
      if isLast {
        if isPassingOver || held > Self.longestLine {
          try body(nil)
        } else if held > 0 {
          try body(Self.line(text, start, text.count))
        }
        return
      }
      if isPassingOver || held > Self.longestLine {
        isPassingOver = true
        held = 0
      } else if held > 0 {
        memmove(buffer.baseAddress!, buffer.baseAddress! + start, held)
      }
    }
  }

  private static func lineEnd(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
    guard start < text.count, let base = text.baseAddress, let found = memchr(base + start, 10, text.count - start)
    else { return nil }
    return UnsafeRawPointer(found) - UnsafeRawPointer(base)
  }

  private static func line(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) -> UnsafeBufferPointer<UInt8> {
    let isCRLF = end > start && text[end - 1] == UInt8(ascii: "\r")
    return UnsafeBufferPointer(rebasing: text[start..<(isCRLF ? end - 1 : end)])
  }

  private static func firstLines(_ text: UnsafeBufferPointer<UInt8>) -> [UnsafeBufferPointer<UInt8>] {
    var lines: [UnsafeBufferPointer<UInt8>] = []
    var start = 0
    while lines.count < 200, start < text.count {
      let end = lineEnd(text, from: start) ?? text.count
      if end - start <= longestLine {
        let line = line(text, start, end)
        if !line.isEmpty { lines.append(line) }
      }
      start = end + 1
    }
    return lines
  }
}
