import PlannerCore

/// Numbers for models' names, in the order in which they come: open addressing over the names' bytes, which lie one
/// after the other.
struct ModelTable {
  private static let emptySlot: Int32 = -1

  private(set) var count = 0
  private var bytes: [UInt8] = []
  /// Where each name begins, and at last where the next will.
  private var starts: [Int] = [0]
  private var hashes: [UInt64] = []
  private var slots = [Int32](repeating: emptySlot, count: 1024)

  /// The number of a name, which is new where it is `count` of before the call.
  mutating func number(of name: UnsafeBufferPointer<UInt8>) -> Int {
    var hash = StableHash()
    for byte in name { hash.mix(byte) }
    // The low bits of this hash alone spread names too little that end alike.
    let mixed = (hash.value ^ (hash.value >> 32)) &* 0x9E37_79B9_7F4A_7C15
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: mixed >> 32) & mask
    while slots[slot] != Self.emptySlot {
      let number = Int(slots[slot])
      if hashes[number] == mixed, isEqual(number, name) { return number }
      slot = (slot + 1) & mask
    }
    slots[slot] = Int32(count)
    hashes.append(mixed)
    bytes.append(contentsOf: name)
    starts.append(bytes.count)
    count += 1
    if count * 2 > slots.count { grow() }
    return count - 1
  }

  func name(_ number: Int) -> String { String(decoding: bytes[starts[number]..<starts[number + 1]], as: UTF8.self) }

  private func isEqual(_ number: Int, _ name: UnsafeBufferPointer<UInt8>) -> Bool {
    let start = starts[number]
    guard starts[number + 1] - start == name.count else { return false }
    for index in 0..<name.count where bytes[start + index] != name[index] { return false }
    return true
  }

  private mutating func grow() {
    slots = [Int32](repeating: Self.emptySlot, count: slots.count * 2)
    let mask = slots.count - 1
    for number in 0..<count {
      var slot = Int(truncatingIfNeeded: hashes[number] >> 32) & mask
      while slots[slot] != Self.emptySlot { slot = (slot + 1) & mask }
      slots[slot] = Int32(number)
    }
  }
}
