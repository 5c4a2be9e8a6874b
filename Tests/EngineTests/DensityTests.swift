import Engine
import EngineTools
import Foundation
import PlannerCore
import Testing

/// Models of one architecture share their compiled code and keep their weights in the mapped file; each still is
/// itself.
@Suite struct DensityTests {
  static func write(_ family: ArchitecturePreset, _ precision: Precision, count: Int, seed: UInt64, to path: String)
    throws
  {
    _ = SetUp.engine
    try Synthesizer(family: family, vocabulary: 300, precision: precision, seed: seed).write(
      count: count, to: path, progress: { _ in })
  }

  static func answer(_ model: TorchModel) throws -> [Float] {
    try model.run(request(TorchModelTests.ids)).flatMap(\.floats)
  }

  /// Alone means that no other model's code was there to be shared.
  @Test(arguments: Precision.allCases)
  func amongOthersEachAnswersAsAlone(_ precision: Precision) throws {
    let (tiny, mini) = (try Folder(), try Folder())
    try Self.write(.bertTiny, precision, count: 4, seed: 3, to: tiny.path)
    try Self.write(.bertMini, precision, count: 2, seed: 3, to: mini.path)
    let paths = (0..<4).map { "\(tiny.path)/model\($0).pt" } + (0..<2).map { "\(mini.path)/model\($0).pt" }
    let alone = try paths.map { try Self.answer(TorchModel(path: $0)) }
    let together = try paths.map { try TorchModel(path: $0) }
    // Twice, in both orders: what one run leaves behind changes no other.
    for order in [Array(together.indices), together.indices.reversed()] {
      for index in order { #expect(try Self.answer(together[index]) == alone[index]) }
    }
    #expect(Set(alone).count == alone.count)
  }

  @Test func aModelOutlivesItsFileAndItsSiblings() throws {
    let folder = try Folder()
    try Self.write(.bertTiny, .fp32, count: 2, seed: 5, to: folder.path)
    var first: TorchModel? = try TorchModel(path: folder.path + "/model0.pt")
    let second = try TorchModel(path: folder.path + "/model1.pt")
    let expected = try Self.answer(second)
    #expect(try first.map(Self.answer) != expected)
    first = nil
    // Another file is put in its place by renaming, as every writer here does.
    try FileManager.default.removeItem(atPath: folder.path + "/model1.pt")
    try FileManager.default.moveItem(atPath: folder.path + "/model0.pt", toPath: folder.path + "/model1.pt")
    #expect(try Self.answer(second) == expected)
  }

  /// Directory, object graph and code of a file damaged at random: an error or a model, never a crash.
  @Test(arguments: [Precision.fp32, .int8])
  func damagedFilesNeverCrash(_ precision: Precision) throws {
    let folder = try Folder()
    try Self.write(.bertTiny, precision, count: 1, seed: 7, to: folder.path)
    let whole = try [UInt8](Data(contentsOf: URL(fileURLWithPath: folder.path + "/model0.pt")))
    let structure = try #require(Self.find("data.pkl", in: whole))
    var random = RandomStream(seed: 11, stream: "damage")
    var loaded = 0
    for trial in 0..<300 {
      var bytes = whole
      for _ in 0...random.integer(below: 4) {
        let position = structure + random.integer(below: whole.count - structure)
        bytes[position] = UInt8(random.integer(below: 256))
      }
      if trial % 10 == 0 { bytes.removeLast(random.integer(below: whole.count - structure)) }
      let path = folder.path + "/damaged.pt"
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      guard let model = try? TorchModel(path: path) else { continue }
      loaded += 1
      _ = try? Self.answer(model)
    }
    // Some damage lies where no code looks; most of it does not.
    #expect(loaded < 200)
  }

  /// Damaged files never crash where their checksums fit the damage: so looks a file written in bad faith.
  @Test(arguments: [Precision.fp32, .int8])
  func forgedFilesNeverCrash(_ precision: Precision) throws {
    let folder = try Folder()
    try Self.write(.bertTiny, precision, count: 1, seed: 7, to: folder.path)
    let whole = try [UInt8](Data(contentsOf: URL(fileURLWithPath: folder.path + "/model0.pt")))
    let pickle = try #require(ZipRecord.find("archive/data.pkl", in: whole))
    var random = RandomStream(seed: 13, stream: "forgery")
    var refused = 0
    for _ in 0..<400 {
      var bytes = whole
      for _ in 0...random.integer(below: 3) {
        bytes[pickle.data.lowerBound + random.integer(below: pickle.data.count)] = UInt8(random.integer(below: 256))
      }
      pickle.sign(&bytes)
      let path = folder.path + "/forged.pt"
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      if let model = try? TorchModel(path: path) { _ = try? Self.answer(model) } else { refused += 1 }
    }
    #expect(refused > 50)
  }

  static func find(_ text: String, in bytes: [UInt8]) -> Int? {
    let pattern = Array(text.utf8)
    return bytes.indices.dropLast(pattern.count).first { bytes[$0] == pattern[0] && bytes[$0...].starts(with: pattern) }
  }
}

/// Where a stored record and its checksums lie in a zip archive.
struct ZipRecord {
  var data: Range<Int>
  /// Places of the checksum's two copies: local header or data descriptor, and directory.
  var checksums: [Int]

  static func find(_ name: String, in bytes: [UInt8]) -> ZipRecord? {
    func number(_ at: Int, _ width: Int) -> Int { (0..<width).reduce(0) { $0 | Int(bytes[at + $1]) << (8 * $1) } }
    guard
      var entry = bytes.indices.dropLast(21).last(where: { number($0, 4) == 0x0605_4b50 }).map({ number($0 + 16, 4) })
    else { return nil }
    while entry + 46 <= bytes.count, number(entry, 4) == 0x0201_4b50 {
      let length = number(entry + 28, 2)
      if bytes[(entry + 46)..<(entry + 46 + length)].elementsEqual(name.utf8) {
        let header = number(entry + 42, 4)
        let start = header + 30 + number(header + 26, 2) + number(header + 28, 2)
        return ZipRecord(data: start..<(start + number(entry + 24, 4)), checksums: [header + 14, entry + 16])
      }
      entry += 46 + length + number(entry + 30, 2) + number(entry + 32, 2)
    }
    return nil
  }

  /// Makes the checksums those of the record as it is now.
  func sign(_ bytes: inout [UInt8]) {
    var value = ~UInt32(0)
    for byte in bytes[data] {
      value ^= UInt32(byte)
      for _ in 0..<8 { value = value & 1 == 1 ? (value >> 1) ^ 0xEDB8_8320 : value >> 1 }
    }
    for place in checksums {
      for index in 0..<4 { bytes[place + index] = UInt8(truncatingIfNeeded: ~value >> (8 * UInt32(index))) }
    }
  }
}
