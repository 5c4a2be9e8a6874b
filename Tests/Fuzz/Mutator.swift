import PlannerCore

/// Changes inputs: bytes, numbers in text, words of the format, balanced parts; and inside archives, whose checksums
/// are then made to fit again.
struct Mutator {
  /// What the format is made of.
  let words: [[UInt8]]
  let isArchive: Bool

  static let largest = 256 << 10
  private static let numbers = [
    "-1", "0", "1", "2", "127", "128", "255", "256", "65535", "65536", "2147483647", "-2147483648", "4294967296",
    "9223372036854775807", "-9223372036854775808", "18446744073709551616", "1e999", "-0.0", "1e-400", "0.1",
    "99999999999999999999999999", "3.5", "NaN",
  ].map { Array($0.utf8) }
  private static let bytes: [UInt8] = [
    0, 1, 9, 10, 13, 32, 34, 37, 45, 47, 48, 58, 91, 92, 93, 123, 125, 127, 128, 255,
  ]

  init(words: [String], isArchive: Bool) {
    self.words = words.map { Array($0.utf8) }
    self.isArchive = isArchive
  }

  /// One to several changes of a random input of `pool`, which must not be empty.
  func mutate(_ pool: [[UInt8]], _ random: inout RandomStream) -> [UInt8] {
    var input = pool[random.integer(below: pool.count)]
    let changes = 1 << random.integer(below: 5)
    if isArchive, random.integer(below: 8) > 0, let archive = ZipArchive(input), !archive.records.isEmpty {
      for _ in 0..<changes { changeRecord(&input, archive, &random) }
      archive.repairChecksums(of: &input)
      return input
    }
    for _ in 0..<changes { change(&input, pool, &random) }
    if input.count > Self.largest, !isArchive { input.removeLast(input.count - Self.largest) }
    return input
  }

  private func change(_ input: inout [UInt8], _ pool: [[UInt8]], _ random: inout RandomStream) {
    let at = random.integer(below: input.count + 1)
    switch random.integer(below: 12) {
    case 0: flip(&input, &random)
    case 1: insert([Self.bytes[random.integer(below: Self.bytes.count)]], into: &input, at)
    case 2, 3: if !words.isEmpty { insert(words[random.integer(below: words.count)], into: &input, at) }
    case 4: replaceNumber(&input, &random)
    case 5: input.removeSubrange(at..<min(input.count, at + 1 + random.integer(below: 16)))
    case 6: insert(part(of: input, &random), into: &input, at)
    case 7: insert(part(of: pool[random.integer(below: pool.count)], &random), into: &input, at)
    case 8: input.removeSubrange(at...)
    case 9: balanced(&input, &random)
    case 10: repeatPart(&input, at, &random)
    default: overwrite(&input, at, &random)
    }
  }

  private func insert(_ bytes: [UInt8], into input: inout [UInt8], _ at: Int) {
    input.insert(contentsOf: bytes, at: min(at, input.count))
  }

  private func flip(_ input: inout [UInt8], _ random: inout RandomStream) {
    guard !input.isEmpty else { return }
    input[random.integer(below: input.count)] ^= 1 << UInt8(random.integer(below: 8))
  }

  private func part(of input: [UInt8], _ random: inout RandomStream) -> [UInt8] {
    guard !input.isEmpty else { return [] }
    let start = random.integer(below: input.count)
    return Array(input[start..<min(input.count, start + 1 + random.integer(below: 64))])
  }

  /// Digits anywhere become a number at the edge of something.
  private func replaceNumber(_ input: inout [UInt8], _ random: inout RandomStream) {
    guard !input.isEmpty else { return }
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    let from = random.integer(below: input.count)
    guard let start = input[from...].firstIndex(where: { digits.contains($0) }) else { return }
    let end = input[start...].firstIndex { !digits.contains($0) } ?? input.count
    input.replaceSubrange(start..<end, with: Self.numbers[random.integer(below: Self.numbers.count)])
  }

  /// Something in brackets or quotes, to its closing one, is doubled, emptied, nested or left out.
  private func balanced(_ input: inout [UInt8], _ random: inout RandomStream) {
    let pairs: [UInt8: UInt8] = [0x7b: 0x7d, 0x5b: 0x5d, 0x22: 0x22]
    guard !input.isEmpty else { return }
    let from = random.integer(below: input.count)
    guard let start = input[from...].firstIndex(where: { pairs[$0] != nil }), let close = pairs[input[start]] else {
      return
    }
    var depth = 0
    var end = start
    for index in start..<input.count {
      end = index
      if input[index] == close, index > start, depth <= 1 { break }
      if input[index] == input[start] { depth += 1 } else if input[index] == close { depth -= 1 }
    }
    let span = Array(input[start...end])
    switch random.integer(below: 4) {
    case 0: input.replaceSubrange(start...end, with: [])
    case 1: input.replaceSubrange(start...end, with: span + [UInt8(ascii: ",")] + span)
    case 2: input.replaceSubrange(start...end, with: [input[start], close])
    default:
      let deep = 1 << random.integer(below: 12)
      let opening = Array(repeating: UInt8(ascii: "["), count: deep)
      input.replaceSubrange(start...end, with: opening + span + Array(repeating: UInt8(ascii: "]"), count: deep))
    }
  }

  private func repeatPart(_ input: inout [UInt8], _ at: Int, _ random: inout RandomStream) {
    let piece = part(of: input, &random)
    let times = 1 << random.integer(below: 10)
    guard piece.count * times <= Self.largest else { return }
    insert(Array(repeatElement(piece, count: times).joined()), into: &input, at)
  }

  /// A whole number of one to eight bytes in either order, as binary formats have them.
  private func overwrite(_ input: inout [UInt8], _ at: Int, _ random: inout RandomStream) {
    let width = 1 << random.integer(below: 4)
    guard at + width <= input.count else { return }
    let choices: [UInt64] = [
      0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff,
      .max >> 1, .max, random.next(),
    ]
    var value = choices[random.integer(below: choices.count)]
    if random.integer(below: 2) == 0 { value = value.byteSwapped >> UInt64(64 - 8 * width) }
    for index in 0..<width { input[at + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index)) }
  }

  /// Within one record, without changing its size: code and pickles, not weights, which are numbers whatever they are.
  private func changeRecord(_ input: inout [UInt8], _ archive: ZipArchive, _ random: inout RandomStream) {
    let telling = archive.records.filter { !$0.name.contains("/data/") && !$0.range.isEmpty }
    guard !telling.isEmpty else { return }
    let range = telling[random.integer(below: telling.count)].range
    let at = range.lowerBound + random.integer(below: range.count)
    switch random.integer(below: 4) {
    case 0: input[at] ^= 1 << UInt8(random.integer(below: 8))
    case 1: input[at] = Self.bytes[random.integer(below: Self.bytes.count)]
    case 2:
      guard !words.isEmpty else { return }
      let word = words[random.integer(below: words.count)]
      guard at + word.count <= range.upperBound else { return }
      input.replaceSubrange(at..<at + word.count, with: word)
    default:
      // Moves bytes of the same record: whole instructions, if it so happens.
      let length = min(1 + random.integer(below: 12), range.upperBound - at)
      let from = range.lowerBound + random.integer(below: range.count - length + 1)
      let bytes = Array(input[from..<from + length])
      input.replaceSubrange(at..<at + length, with: bytes)
    }
  }
}
