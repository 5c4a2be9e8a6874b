/// FNV-1a of 64 bits: the same for equal bytes on every machine and in every release. It tells things apart by chance
/// and is no protection against forgery.
///
/// Source: Fowler, Noll and Vo, https://datatracker.ietf.org/doc/html/draft-eastlake-fnv.
public struct StableHash: Hashable, Sendable {
  public private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

  public init() {}

  public mutating func mix(_ byte: UInt8) {
    value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
  }

  public mutating func mix(_ bytes: some Sequence<UInt8>) {
    for byte in bytes { mix(byte) }
  }

  /// Mixes the eight bytes of an integer, the lowest first.
  public mutating func mix(_ integer: Int) {
    let bits = UInt64(bitPattern: Int64(integer))
    for shift in stride(from: 0, to: 64, by: 8) { mix(UInt8(truncatingIfNeeded: bits >> shift)) }
  }

  /// 16 hexadecimal digits.
  public var hexadecimal: String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
