/// The tokens of a vocabulary, found by the UTF-8 bytes of a slice of text without making a `String` of it.
///
/// An open-addressing table with linear probing, at most half full. A slot is 32 bits: the id + 1 below, bits of the
/// hash above, so that a wrong candidate is rarely compared byte by byte. About 0.6 MB for 30,000 tokens.
struct PieceTable: Sendable {
  /// Bytes of all tokens, one after the other.
  private let bytes: [UInt8]
  /// Where each token ends in `bytes`; one more entry than tokens, the first is 0.
  private let ends: [UInt32]
  private let slots: [UInt32]
  /// The bits of a slot that hold the id + 1.
  private let idMask: UInt32
  /// Bytes of the longest token that begins a word, and of the longest that continues one (without its ##).
  let longestInitial: Int
  let longestContinuing: Int

  var count: Int { ends.count - 1 }

  /// The marker of pieces that continue a word.
  private static let marker = [UInt8(ascii: "#"), UInt8(ascii: "#")]
  private static let markerLength = 2

  /// Pieces that begin a word and pieces that continue one differ in their first hash state.
  static func seed(continuing: Bool) -> UInt64 { continuing ? 0x9E37_79B9_7F4A_7C15 : 0xCBF2_9CE4_8422_2325 }

  /// FNV-1a, which makes the hashes of all prefixes of a word in one pass.
  @inline(__always)
  static func step(_ hash: UInt64, _ byte: UInt8) -> UInt64 { (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }

  /// FNV's low bits are weak; the slot and the kept bits come from the upper half of a product.
  @inline(__always)
  private static func mix(_ hash: UInt64) -> UInt32 {
    UInt32(truncatingIfNeeded: ((hash ^ (hash >> 29)) &* 0xBF58_476D_1CE4_E5B9) >> 32)
  }

  /// Tokens that stand there more than once, in the order of the later one: its id counts.
  let repeated: [Repetition]

  /// Tokens as ranges of `bytes`; token *i* ends at `ends[i + 1]`. Of tokens that are the same the last one is found;
  /// an empty token is found by no text.
  init(bytes: [UInt8], ends: [UInt32]) {
    let count = ends.count - 1
    var capacity = 16
    while capacity < count * 2 { capacity *= 2 }
    var idMask: UInt32 = 1
    while Int(idMask) < count { idMask = idMask << 1 | 1 }
    var slots = [UInt32](repeating: 0, count: capacity)
    var longest = (initial: 0, continuing: 0)
    var repeated: [Repetition] = []
    for id in 0..<count {
      var key = bytes[Int(ends[id])..<Int(ends[id + 1])]
      let continuing = key.starts(with: Self.marker)
      if continuing {
        key = key.dropFirst(Self.marker.count)
        longest.continuing = max(longest.continuing, key.count)
      } else {
        longest.initial = max(longest.initial, key.count)
      }
      let hash = Self.mix(key.reduce(Self.seed(continuing: continuing), Self.step))
      var slot = Int(hash) & (capacity - 1)
      while slots[slot] != 0 {
        let other = Int(slots[slot] & idMask) - 1
        let token = bytes[Int(ends[id])..<Int(ends[id + 1])]
        if bytes[Int(ends[other])..<Int(ends[other + 1])] == token {
          repeated.append(Repetition(id: id, earlier: other))
          break
        }
        slot = (slot + 1) & (capacity - 1)
      }
      slots[slot] = hash & ~idMask | UInt32(id + 1)
    }
    self.bytes = bytes
    self.ends = ends
    self.slots = slots
    self.idMask = idMask
    self.repeated = repeated
    (longestInitial, longestContinuing) = longest
  }

  /// Two ids of one token.
  struct Repetition: Hashable, Sendable {
    var id: Int
    var earlier: Int
  }

  /// The id of the token that is `count` bytes at `start`, or nil.
  ///
  /// `hash` is the state after `step` over these bytes from `seed(continuing:)`.
  @inline(__always)
  func id(hash: UInt64, at start: UnsafePointer<UInt8>, count: Int, continuing: Bool) -> Int? {
    let hash = Self.mix(hash)
    var slot = Int(hash) & (slots.count - 1)
    while true {
      let content = slots[slot]
      if content == 0 { return nil }
      if content & ~idMask == hash & ~idMask {
        let id = Int(content & idMask) - 1
        if isToken(id, at: start, count: count, continuing: continuing) { return id }
      }
      slot = (slot + 1) & (slots.count - 1)
    }
  }

  private func isToken(_ id: Int, at start: UnsafePointer<UInt8>, count: Int, continuing: Bool) -> Bool {
    let marker = continuing ? Self.markerLength : 0
    let first = Int(ends[id])
    guard Int(ends[id + 1]) - first == count + marker else { return false }
    if continuing && !(bytes[first] == UInt8(ascii: "#") && bytes[first + 1] == UInt8(ascii: "#")) { return false }
    for index in 0..<count where bytes[first + marker + index] != start[index] { return false }
    return true
  }

  /// The id of a whole token, with its ## if it has one.
  func id(of token: String) -> Int? {
    var key = Array(token.utf8)
    let continuing = key.starts(with: Self.marker)
    if continuing { key.removeFirst(Self.markerLength) }
    let hash = key.reduce(Self.seed(continuing: continuing), Self.step)
    return key.withUnsafeBufferPointer { key in
      key.baseAddress.flatMap { id(hash: hash, at: $0, count: key.count, continuing: continuing) }
    }
  }

  /// UTF-8 of a token; `id` is in 0 ..< count.
  func token(_ id: Int) -> ArraySlice<UInt8> { bytes[Int(ends[id])..<Int(ends[id + 1])] }
}
