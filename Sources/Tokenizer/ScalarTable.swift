/// What the tokenizer does with a Unicode scalar.
enum ScalarClass: UInt8 {
  /// Part of a word.
  case letter
  /// Control, format, private, unassigned: dropped from the text.
  case removed
  /// Ends a word.
  case space
  /// A Chinese character: a word of its own.
  case han
  /// A token of its own inside a word.
  case punctuation
  /// A non-spacing mark: dropped where accents are.
  case mark
  /// A mark that is dropped where accents are; marks before it do not change places with marks after it.
  case startingMark
  /// A mark that stays; canonical ordering may move it past its neighbours.
  case ordered

  init(letter: UInt8) {
    switch letter {
    case UInt8(ascii: "r"): self = .removed
    case UInt8(ascii: "s"): self = .space
    case UInt8(ascii: "h"): self = .han
    case UInt8(ascii: "p"): self = .punctuation
    case UInt8(ascii: "m"): self = .mark
    case UInt8(ascii: "n"): self = .startingMark
    case UInt8(ascii: "o"): self = .ordered
    default: self = .letter
    }
  }
}

/// Class and folded form of every Unicode scalar, unpacked from `UnicodeTables`: two array reads a scalar.
struct ScalarTable: Sendable {
  static let shared = ScalarTable()

  /// What is known of one scalar: the class in the low three bits, the number of its folded form above them.
  struct Entry {
    var bits: UInt16

    var scalarClass: ScalarClass { ScalarClass(rawValue: UInt8(truncatingIfNeeded: bits & 7)) ?? .letter }
    /// 0 where the scalar folds to itself.
    var fold: Int { Int(bits >> 3) }
  }

  private static let blockShift = 7
  private static let blockSize = 1 << blockShift
  private static let scalarLimit = 0x110000

  private let blocks: [UInt16]
  private let entries: [UInt16]
  private let foldEnds: [UInt16]
  private let foldScalars: [UInt32]
  private let orders: [UInt32: UInt8]

  private init() {
    var flat = [UInt16](repeating: 0, count: Self.scalarLimit)
    Self.unpackClasses(into: &flat)
    var foldEnds: [UInt16] = [0]
    var foldScalars: [UInt32] = []
    Self.forEachFold { scalar, targets in
      flat[scalar] |= UInt16(foldEnds.count) << 3
      foldScalars += targets
      foldEnds.append(UInt16(foldScalars.count))
    }
    self.foldEnds = foldEnds
    self.foldScalars = foldScalars
    orders = Self.unpackOrders()

    // Most blocks are alike (unassigned planes, ideographs), so each is kept once.
    var blocks: [UInt16] = []
    var entries: [UInt16] = []
    var known: [ArraySlice<UInt16>: UInt16] = [:]
    for start in stride(from: 0, to: Self.scalarLimit, by: Self.blockSize) {
      let block = flat[start..<(start + Self.blockSize)]
      if let number = known[block] {
        blocks.append(number)
      } else {
        let number = UInt16(known.count)
        known[block] = number
        blocks.append(number)
        entries += block
      }
    }
    self.blocks = blocks
    self.entries = entries
  }

  subscript(scalar: UInt32) -> Entry {
    let block = Int(blocks[Int(scalar >> UInt32(Self.blockShift))])
    return Entry(bits: entries[block << Self.blockShift | Int(scalar) & (Self.blockSize - 1)])
  }

  /// The scalars that a folded form consists of; `fold` is not 0.
  func folded(_ fold: Int) -> ArraySlice<UInt32> {
    foldScalars[Int(foldEnds[fold - 1])..<Int(foldEnds[fold])]
  }

  /// The canonical combining class of a scalar in class `.ordered`.
  func order(of scalar: UInt32) -> UInt8 { orders[scalar] ?? 0 }
}

extension ScalarTable {
  private static func unpackClasses(into flat: inout [UInt16]) {
    var position = 0
    for record in UnicodeTables.classes.utf8.split(whereSeparator: isSeparator) {
      guard let middle = record.firstIndex(where: { ScalarClass(letter: $0) != .letter }) else { continue }
      position += number(record[..<middle], ifEmpty: 0)
      let length = number(record[record.index(after: middle)...], ifEmpty: 1)
      let value = UInt16(ScalarClass(letter: record[middle]).rawValue)
      for scalar in position..<(position + length) { flat[scalar] = value }
      position += length
    }
  }

  private static func forEachFold(_ body: (_ scalar: Int, _ targets: [UInt32]) -> Void) {
    var first = 0
    for record in UnicodeTables.folds.utf8.split(whereSeparator: isSeparator) {
      let sides = record.split(separator: UInt8(ascii: ">"))
      guard sides.count == 2 else { continue }
      let run = sides[0].split(separator: UInt8(ascii: "/")).map { number($0, ifEmpty: 0) }
      let targets = sides[1].split(separator: UInt8(ascii: "+")).map { UInt32(number($0, ifEmpty: 0)) }
      first += run[0]
      let (count, stride) = run.count == 3 ? (run[1], run[2]) : (1, 1)
      for index in 0..<count {
        body(first + index * stride, count == 1 ? targets : [targets[0] + UInt32(index * stride)])
      }
    }
  }

  private static func unpackOrders() -> [UInt32: UInt8] {
    var orders: [UInt32: UInt8] = [:]
    var scalar: UInt32 = 0
    for record in UnicodeTables.orders.utf8.split(whereSeparator: isSeparator) {
      let fields = record.split(separator: UInt8(ascii: ":")).map { UInt32(number($0, ifEmpty: 0)) }
      guard fields.count == 2 else { continue }
      scalar += fields[0]
      orders[scalar] = UInt8(fields[1])
    }
    return orders
  }

  private static func isSeparator(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\n") }

  private static func number(_ digits: Substring.UTF8View, ifEmpty: Int) -> Int {
    digits.isEmpty ? ifEmpty : digits.reduce(0) { $0 << 4 | Int($1 < 0x3A ? $1 & 0xF : ($1 & 0xF) + 9) }
  }
}
