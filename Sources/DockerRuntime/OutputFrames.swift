/// Takes apart what a container prints as the engine sends it: frames of eight bytes (stream, three zeros, length with
/// the highest byte first) and so many bytes of output ("Stream format" of the attach call of the Docker Engine API).
package struct OutputFrames {
  /// Where a program printed something.
  package enum Source: UInt8, Sendable {
    case input, output, errors
  }

  /// What comes is no such stream.
  package struct Malformed: Error {}

  private var header: [UInt8] = []
  private var source = Source.output
  private var left = 0

  package init() {}

  /// Hands out what `bytes` complete, in order.
  ///
  /// - Throws: `Malformed`.
  package mutating func take(_ bytes: some Sequence<UInt8>, _ body: (Source, [UInt8]) throws -> Void) throws {
    var piece: [UInt8] = []
    for byte in bytes {
      if left > 0 {
        piece.append(byte)
        left -= 1
        if left == 0 {
          try body(source, piece)
          piece.removeAll(keepingCapacity: true)
        }
        continue
      }
      header.append(byte)
      guard header.count == 8 else { continue }
      guard let source = Source(rawValue: header[0]), header[1...3].allSatisfy({ $0 == 0 }) else { throw Malformed() }
      self.source = source
      left = header[4...].reduce(0) { $0 << 8 | Int($1) }
      header.removeAll(keepingCapacity: true)
    }
    if !piece.isEmpty { try body(source, piece) }
  }
}

/// Puts pieces of output together to lines.
package struct LineSplitter {
  /// Longer lines are handed out in pieces: what a container prints must not exhaust this program.
  package static let longestLineBytes = 1 << 20

  private var rest: [UInt8] = []

  package init() {}

  package mutating func take(_ bytes: [UInt8], _ body: (String) throws -> Void) rethrows {
    var start = bytes.startIndex
    while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
      rest += bytes[start..<end]
      try hand(over: body)
      start = end + 1
    }
    rest += bytes[start...]
    if rest.count >= Self.longestLineBytes { try hand(over: body) }
  }

  /// Hands out what has no end of its own.
  package mutating func finish(_ body: (String) throws -> Void) rethrows {
    if !rest.isEmpty { try hand(over: body) }
  }

  private mutating func hand(over body: (String) throws -> Void) rethrows {
    if rest.last == UInt8(ascii: "\r") { rest.removeLast() }
    try body(String(decoding: rest, as: UTF8.self))
    rest.removeAll(keepingCapacity: true)
  }
}
