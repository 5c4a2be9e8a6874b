import Foundation

/// The files of a tar archive on disk, found without reading their contents. Understands the forms that container tools
/// write: `ustar`, pax and GNU's long names.
package struct TarReader {
  package struct Entry: Hashable {
    package var path: String
    package var offset: Int
    package var size: Int
  }

  package static let mostEntries = 100_000
  package static let longestExtraBytes = 1 << 20

  package let file: InputFile
  package private(set) var entries: [Entry] = []

  /// - Throws: `ImageError` (`badData`) where the archive is damaged, cut off, or has more than 100,000 entries.
  package init(_ file: InputFile) throws(ImageError) {
    self.file = file
    var offset = 0
    var longPath: String?
    var longSize: Int?
    for count in 0... {
      guard count < Self.mostEntries else { throw damaged("has more than \(Self.mostEntries) entries") }
      guard offset + TarWriter.blockBytes <= file.size else { throw damaged("is cut off, or no tar archive") }
      let block = try file.read(at: offset, count: TarWriter.blockBytes)
      if block.allSatisfy({ $0 == 0 }) { return }
      guard Self.sum(block) == Self.octal(block[148..<156]) else {
        throw damaged("is no tar archive, or is damaged (at byte \(offset))")
      }
      let ownSize = Self.octal(block[124..<136])
      let kind = block[156]
      guard let size = [0x78, 0x4C].contains(kind) ? ownSize : longSize ?? ownSize, size <= file.size - offset - 512
      else { throw damaged("is cut off (at byte \(offset))") }
      let content = offset + TarWriter.blockBytes
      switch kind {
      case 0x78:  // x: pax
        let records = try extra(content, size)
        if let path = Self.pax("path", in: records) { longPath = try text(path) }
        longSize = Self.pax("size", in: records).flatMap { Int(String(decoding: $0, as: UTF8.self)) } ?? longSize
      case 0x4C:  // L: GNU
        longPath = try text(try extra(content, size).prefix { $0 != 0 })
      case 0x30, 0, 0x37:
        let own = try path(block)
        entries.append(Entry(path: longPath ?? own, offset: content, size: size))
        (longPath, longSize) = (nil, nil)
      default:
        (longPath, longSize) = (nil, nil)
      }
      offset = content + (size + TarWriter.blockBytes - 1) / TarWriter.blockBytes * TarWriter.blockBytes
    }
  }

  private func damaged(_ what: String) -> ImageError {
    .badData("\(file.path) \(what); build or fetch it again")
  }

  private func extra(_ offset: Int, _ size: Int) throws(ImageError) -> [UInt8] {
    guard size <= Self.longestExtraBytes else { throw damaged("has an entry whose name is too long") }
    return try file.read(at: offset, count: size)
  }

  private func text(_ bytes: some Sequence<UInt8>) throws(ImageError) -> String {
    guard let text = String(validating: Array(bytes), as: UTF8.self) else {
      throw damaged("has an entry whose name is not UTF-8")
    }
    return text
  }

  private func path(_ block: [UInt8]) throws(ImageError) -> String {
    func field(_ range: Range<Int>) -> ArraySlice<UInt8> { block[range].prefix { $0 != 0 } }
    let isPOSIX = block[257..<263].elementsEqual("ustar\u{0}".utf8)
    let prefix = isPOSIX ? field(345..<500) : []
    return try text(prefix.isEmpty ? Array(field(0..<100)) : prefix + [UInt8(ascii: "/")] + field(0..<100))
  }

  private static func octal(_ field: ArraySlice<UInt8>) -> Int? {
    let digits = field.drop { $0 == 0x20 }.prefix { (0x30...0x37).contains($0) }
    guard !digits.isEmpty else { return nil }
    return Int(String(decoding: digits, as: UTF8.self), radix: 8)
  }

  private static func sum(_ block: [UInt8]) -> Int {
    block.indices.reduce(0) { $0 + ((148..<156).contains($1) ? 0x20 : Int(block[$1])) }
  }

  /// Value of a record `LENGTH KEY=VALUE\n`; nil where there is none.
  private static func pax(_ key: String, in bytes: [UInt8]) -> ArraySlice<UInt8>? {
    var rest = bytes[...]
    while let blank = rest.firstIndex(of: 0x20),
      let length = Int(String(decoding: rest[..<blank], as: UTF8.self)), length > 0, length <= rest.count
    {
      let end = rest.startIndex + length
      guard blank + 1 < end else { return nil }
      let record = rest[(blank + 1)..<(end - 1)]
      if record.starts(with: Array((key + "=").utf8)) { return record.dropFirst(key.utf8.count + 1) }
      rest = rest[end...]
    }
    return nil
  }
}
