extension Array where Element == Double {
  /// The elements in ascending order, as `sorted()` gives them: no element may be NaN.
  ///
  /// A radix sort, from the last digit of eleven bits to the first. A node's latency is predicted from two dozen runs
  /// of 12,000 requests, each of them sorted: comparing latencies had taken a seventh of the time of a whole search.
  /// Complexity: O(n), in six passes over the elements at most.
  package func sortedAscending() -> [Double] {
    guard count > 256 else { return sorted() }
    var keys = map(RadixKey.init)
    var places = RadixKey.countDigits(keys)
    var moved = keys
    for digit in 0..<RadixKey.digits {
      let start = digit * RadixKey.values
      // A digit that is the same everywhere moves nothing; of latencies the first ones are.
      if places[start + keys[0].value(ofDigit: digit)] == count { continue }
      var place = 0
      for index in start..<start + RadixKey.values { (places[index], place) = (place, place + places[index]) }
      for key in keys {
        let index = start + key.value(ofDigit: digit)
        moved[places[index]] = key
        places[index] &+= 1
      }
      swap(&keys, &moved)
    }
    return keys.map(\.number)
  }
}

/// A number as bits whose order is that of the numbers: the sign bit of positive ones set, negative ones turned over.
private struct RadixKey {
  static let digits = 6
  private static let bitsOfDigit = 11
  /// Values that a digit may have.
  static let values = 1 << bitsOfDigit

  private let bits: UInt64

  init(_ number: Double) {
    let pattern = number.bitPattern
    bits = number.sign == .minus ? ~pattern : pattern | 1 << 63
  }

  var number: Double { Double(bitPattern: bits >> 63 == 1 ? bits & ~(1 << 63) : ~bits) }

  func value(ofDigit digit: Int) -> Int {
    Int(truncatingIfNeeded: bits >> UInt64(digit * Self.bitsOfDigit)) & (Self.values - 1)
  }

  /// How often each digit has each of its values.
  static func countDigits(_ keys: [RadixKey]) -> [Int] {
    var counts = Array(repeating: 0, count: digits * values)
    for key in keys {
      for digit in 0..<digits { counts[digit * values + key.value(ofDigit: digit)] &+= 1 }
    }
    return counts
  }
}
