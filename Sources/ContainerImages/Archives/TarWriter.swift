/// Writes a tar archive in the POSIX.1-1988 form (`ustar`), byte for byte the same for the same entries: owners are
/// numbers without names, and the time of every entry is the same.
package struct TarWriter {
  package typealias Sink = (UnsafeRawBufferPointer) throws -> Void
  package static let blockBytes = 512

  package enum Kind: UInt8 {
    case file = 0x30
    case link = 0x32
    case folder = 0x35
  }

  /// What stands before an entry's content.
  package struct Header {
    package var path: String
    package var kind = Kind.file
    package var mode = 0o644
    package var owner = 0
    package var group = 0
    package var size = 0
    package var target = ""

    package init(
      path: String, kind: Kind = .file, mode: Int = 0o644, owner: Int = 0, group: Int = 0, size: Int = 0,
      target: String = ""
    ) {
      self.path = path
      self.kind = kind
      self.mode = mode
      self.owner = owner
      self.group = group
      self.size = size
      self.target = target
    }
  }

  /// Seconds since 1970 that all entries bear.
  package let time: Int
  package let sink: Sink

  package init(time: Int, sink: @escaping Sink) {
    self.time = time
    self.sink = sink
  }

  /// The content of `header.size` bytes follows, in any number of calls of `content`; then `pad`.
  package func begin(_ header: Header) throws {
    try Self.block(header, time: time).withUnsafeBytes(sink)
  }

  package func content(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes(sink) }

  package func pad(after size: Int) throws {
    let rest = size % Self.blockBytes
    if rest > 0 { try content([UInt8](repeating: 0, count: Self.blockBytes - rest)) }
  }

  /// Writes an entry whose content is at hand.
  package func entry(_ header: Header, _ bytes: [UInt8] = []) throws {
    var header = header
    header.size = bytes.count
    try begin(header)
    try content(bytes)
    try pad(after: bytes.count)
  }

  /// Two empty blocks end an archive.
  package func finish() throws { try content([UInt8](repeating: 0, count: 2 * Self.blockBytes)) }

  // MARK: Header

  package static func block(_ header: Header, time: Int) throws(ImageError) -> [UInt8] {
    var block = [UInt8](repeating: 0, count: blockBytes)
    func put(_ text: some Collection<UInt8>, at offset: Int) {
      block.replaceSubrange(offset..<offset + text.count, with: text)
    }
    /// Octal digits, as many as fit into `width` with a zero byte behind them.
    func put(_ number: Int, at offset: Int, width: Int) throws(ImageError) {
      let digits = String(number, radix: 8)
      guard number >= 0, digits.utf8.count < width else {
        throw .badData("'\(header.path)' does not fit into a tar archive: a number of it has too many digits")
      }
      put(Array(String(repeating: "0", count: width - 1 - digits.utf8.count).utf8) + Array(digits.utf8), at: offset)
    }
    let name = try name(header.path + (header.kind == .folder ? "/" : ""))
    put(name.rest, at: 0)
    put(name.prefix, at: 345)
    try put(header.mode, at: 100, width: 8)
    try put(header.owner, at: 108, width: 8)
    try put(header.group, at: 116, width: 8)
    try put(header.size, at: 124, width: 12)
    try put(time, at: 136, width: 12)
    block[156] = header.kind.rawValue
    guard header.target.utf8.count <= 100 else {
      throw .badData("the link '\(header.path)' does not fit into a tar archive: its target has more than 100 bytes")
    }
    put(Array(header.target.utf8), at: 157)
    put(Array("ustar\u{0}00".utf8), at: 257)
    // The sum counts its own field as blanks.
    put([UInt8](repeating: 0x20, count: 8), at: 148)
    let sum = block.reduce(0) { $0 + Int($1) }
    try put(sum, at: 148, width: 7)
    return block
  }

  /// A path in the two fields that the form has for it.
  private static func name(_ path: String) throws(ImageError) -> (prefix: [UInt8], rest: [UInt8]) {
    let bytes = Array(path.utf8)
    if bytes.count <= 100 { return ([], bytes) }
    let slashes = bytes.indices.filter { bytes[$0] == UInt8(ascii: "/") }
    guard let cut = slashes.first(where: { bytes.count - $0 - 1 <= 100 && $0 <= 155 && $0 < bytes.count - 1 }) else {
      throw .badData("the path '\(path)' does not fit into a tar archive")
    }
    return (Array(bytes[..<cut]), Array(bytes[(cut + 1)...]))
  }
}
