/// As much of the zip format (PKWARE's APPNOTE, 4.3) as it takes to change stored records and keep their checksums.
struct ZipArchive {
  struct Record {
    var name: String
    /// Bytes of its content in the file.
    var range: Range<Int>
    /// Where its checksum stands, in its own header and in the directory.
    var checksums: [Int]
  }

  private(set) var records: [Record] = []

  /// Reads an archive's directory; nil where there is none.
  init?(_ bytes: [UInt8]) {
    func number(_ at: Int, _ width: Int) -> Int? {
      guard at >= 0, at + width <= bytes.count else { return nil }
      return (0..<width).reduce(0) { $0 | Int(bytes[at + $1]) << (8 * $1) }
    }
    let latest = max(0, bytes.count - 22)
    guard
      let end = stride(from: latest, through: max(0, latest - 65536), by: -1).first(where: {
        number($0, 4) == 0x0605_4b50
      }),
      let count = number(end + 10, 2), var at = number(end + 16, 4)
    else { return nil }
    for _ in 0..<count {
      guard number(at, 4) == 0x0201_4b50, let method = number(at + 10, 2), let size = number(at + 20, 4),
        let nameLength = number(at + 28, 2), let extra = number(at + 30, 2), let comment = number(at + 32, 2),
        let local = number(at + 42, 4), let localName = number(local + 26, 2), let localExtra = number(local + 28, 2),
        at + 46 + nameLength <= bytes.count
      else { return }
      let start = local + 30 + localName + localExtra
      if method == 0, start + size <= bytes.count {
        let name = String(decoding: bytes[at + 46..<at + 46 + nameLength], as: UTF8.self)
        records.append(Record(name: name, range: start..<start + size, checksums: [at + 16, local + 14]))
      }
      at += 46 + nameLength + extra + comment
    }
  }

  /// Writes the checksum that each record's content has.
  func repairChecksums(of bytes: inout [UInt8]) {
    for record in records where !record.name.contains("/data/") {
      let sum = Self.crc32(bytes[record.range])
      for place in record.checksums {
        for index in 0..<4 { bytes[place + index] = UInt8(truncatingIfNeeded: sum >> UInt32(8 * index)) }
      }
    }
  }

  private static let table: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? 0xedb8_8320 ^ value >> 1 : value >> 1 }
  }

  static func crc32(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    ~bytes.reduce(~UInt32(0)) { table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] ^ $0 >> 8 }
  }
}
