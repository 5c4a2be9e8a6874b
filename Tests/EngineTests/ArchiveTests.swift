import Engine
import Foundation
import PlannerCore
import Testing

/// The library finds records whatever the case of their names; what it reads is what was checked all the same.
@Suite struct ArchiveTests {
  /// Instructions that take from an empty stack, which the library's reader does not look at.
  static let badPickle: [UInt8] = [0x80, 2, 0x85, 0x85, UInt8(ascii: "R"), UInt8(ascii: ".")]

  static func model(_ folder: Folder) throws -> [UInt8] {
    try DensityTests.write(.bertTiny, .fp32, count: 1, seed: 7, to: folder.path)
    return try [UInt8](Data(contentsOf: URL(fileURLWithPath: folder.path + "/model0.pt")))
  }

  static func load(_ bytes: [UInt8], in folder: Folder) throws -> TorchModel {
    let path = folder.path + "/changed.pt"
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return try TorchModel(path: path)
  }

  static func problem(_ bytes: [UInt8], in folder: Folder) -> String? {
    let error = #expect(throws: EngineError.self) { try load(bytes, in: folder) }
    return error?.kind == .badModel ? error?.message : nil
  }

  /// Gives records names of the same length.
  static func rename(_ name: String, _ other: String, in bytes: inout [UInt8]) {
    let (pattern, new) = (Array(("archive/" + name).utf8), Array(("archive/" + other).utf8))
    for start in bytes.indices.dropLast(pattern.count)
    where bytes[start] == pattern[0] && bytes[start...].starts(with: pattern) {
      bytes.replaceSubrange(start..<(start + pattern.count), with: new)
    }
  }

  @Test func recordsMayBeAdded() throws {
    let folder = try Folder()
    let whole = try Self.model(folder)
    let added = try #require(ZipRecord.adding("archive/extra/note", Array("a note".utf8), to: whole))
    let expected = try DensityTests.answer(TorchModel(path: folder.path + "/model0.pt"))
    #expect(try DensityTests.answer(Self.load(added, in: folder)) == expected)
  }

  @Test(arguments: ["archive/DATA.PKL", "archive/data.PKL", "archive/Constants.pkl", "archive/CODE/__torch__.py"])
  func namesThatDifferInCaseAreRefused(_ name: String) throws {
    let folder = try Folder()
    let added = try #require(ZipRecord.adding(name, Self.badPickle, to: Self.model(folder)))
    #expect(Self.problem(added, in: folder)?.contains("the archive is damaged") == true)
  }

  /// There is no record of the right name beside it.
  @Test(arguments: [
    ("data.pkl", "DATA.PKL"), ("constants.pkl", "Constants.Pkl"), ("code/", "Code/"), ("data/", "Data/"),
  ])
  func namesOfAnotherCaseAreRefused(_ name: String, _ other: String) throws {
    let folder = try Folder()
    var bytes = try Self.model(folder)
    Self.rename(name, other, in: &bytes)
    #expect(Self.problem(bytes, in: folder)?.contains("the archive is damaged") == true)
  }

  /// What is beyond it is another tensor, or memory of other parts.
  @Test(arguments: [4, 100_000]) func recordsThatAreShorterThanTheirTensorsAreRefused(_ bytes: Int) throws {
    let folder = try Folder()
    var model = try Self.model(folder)
    // The words' embeddings: the largest.
    let all = (0..<60).compactMap { ZipRecord.find("archive/data/\($0)", in: model) }
    var record = try #require(all.max { $0.data.count < $1.data.count })
    #expect(record.data.count > bytes)
    record.resize(to: bytes, in: &model)
    record.sign(&model)
    #expect(Self.problem(model, in: folder)?.contains("beyond its record") == true)
  }

  @Test func whatInflatesToFarMoreThanAModelIsRefused() throws {
    let folder = try Folder()
    var model = try Self.model(folder)
    let record = try #require(ZipRecord.find("archive/data/0", in: model))
    record.claim(0x7FFF_FFFF, in: &model)
    #expect(Self.problem(model, in: folder)?.contains("inflates to far more") == true)
  }

  /// What `torch.save` writes of weights alone.
  @Test func anArchiveWithoutCodeIsNoModel() throws {
    let folder = try Folder()
    var model = try Self.model(folder)
    Self.rename("code/", "kode/", in: &model)
    Self.rename("constants.pkl", "konstants.pkl", in: &model)
    #expect(Self.problem(model, in: folder)?.contains("holds no code") == true)
  }

  /// A pipe that has no writer is not opened, since opening it waits for ever.
  @Test func aPipeIsNoModel() throws {
    let folder = try Folder()
    #expect(mkfifo(folder.path + "/pipe.pt", 0o600) == 0)
    let error = #expect(throws: EngineError.self) { try TorchModel(path: folder.path + "/pipe.pt") }
    #expect(error?.message.contains("no file") == true)
  }
}

extension ZipRecord {
  private static func write(_ value: Int, at place: Int, in bytes: inout [UInt8]) {
    for index in 0..<4 { bytes[place + index] = UInt8(truncatingIfNeeded: value >> (8 * index)) }
  }

  /// Both sizes follow the checksum, in the directory and before the record.
  mutating func resize(to count: Int, in bytes: inout [UInt8]) {
    for place in checksums {
      Self.write(count, at: place + 4, in: &bytes)
      Self.write(count, at: place + 8, in: &bytes)
    }
    data = data.lowerBound..<(data.lowerBound + count)
  }

  /// Says in the directory that so many bytes come of it.
  func claim(_ count: Int, in bytes: inout [UInt8]) { Self.write(count, at: checksums[1] + 8, in: &bytes) }

  /// The archive with one more stored record, the last of its directory.
  static func adding(_ name: String, _ content: [UInt8], to bytes: [UInt8]) -> [UInt8]? {
    func little(_ value: Int, _ width: Int) -> [UInt8] { (0..<width).map { UInt8(value >> (8 * $0) & 0xFF) } }
    guard let end = bytes.indices.dropLast(21).last(where: { bytes[$0...].starts(with: [0x50, 0x4b, 5, 6]) })
    else { return nil }
    let number = { (at: Int) in (0..<4).reduce(0) { $0 | Int(bytes[end + at + $1]) << (8 * $1) } }
    let (count, size, directory) = (number(10) & 0xFFFF, number(12), number(16))
    // Version, flags, method, time and date; the checksum, which is set last; both sizes; lengths of name and extra.
    let common =
      little(20, 2) + little(0, 8) + little(0, 4) + little(content.count, 4) + little(content.count, 4)
      + little(name.utf8.count, 2) + little(0, 2)
    let record = little(0x0403_4b50, 4) + common + Array(name.utf8) + content
    let entry =
      little(0x0201_4b50, 4) + little(20, 2) + common + little(0, 10) + little(directory, 4) + Array(name.utf8)
    var changed = Array(bytes[..<directory]) + record + bytes[directory..<(directory + size)] + entry
    changed +=
      little(0x0605_4b50, 4) + little(0, 4) + little(count + 1, 2) + little(count + 1, 2)
      + little(size + entry.count, 4) + little(directory + record.count, 4) + little(0, 2)
    guard let added = find(name, in: changed) else { return nil }
    added.sign(&changed)
    return changed
  }
}
