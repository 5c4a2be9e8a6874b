/// Numbers and texts of an ELF file, little-endian, each read within the file's bounds.
struct ElfBytes {
  let bytes: [UInt8]

  struct OutOfBounds: Error {}

  func number<Number: FixedWidthInteger>(_ type: Number.Type, at offset: Int) throws(OutOfBounds) -> Number {
    let width = MemoryLayout<Number>.size
    guard offset >= 0, offset <= bytes.count - width else { throw OutOfBounds() }
    return bytes.withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Number.self)) }
  }

  func half(at offset: Int) throws(OutOfBounds) -> Int { Int(try number(UInt16.self, at: offset)) }

  func word(at offset: Int) throws(OutOfBounds) -> Int { Int(try number(UInt32.self, at: offset)) }

  /// A number of 64 bits that has to be a place or a size within some file.
  func long(at offset: Int) throws(OutOfBounds) -> Int {
    guard let value = Int(exactly: try number(UInt64.self, at: offset)) else { throw OutOfBounds() }
    return value
  }

  /// Text that ends with a zero byte before `end`.
  func text(at offset: Int, before end: Int) throws(OutOfBounds) -> String {
    guard offset >= 0, offset < end, end <= bytes.count else { throw OutOfBounds() }
    guard let zero = bytes[offset..<end].firstIndex(of: 0), zero - offset <= 1 << 16 else { throw OutOfBounds() }
    return String(decoding: bytes[offset..<zero], as: UTF8.self)
  }
}
