import ContainerImages
import Foundation
import TestSupport
import Testing

@Suite struct ArchiveTests {
  private static func archive(time: Int = 7, _ headers: [(TarWriter.Header, [UInt8])]) throws -> [UInt8] {
    var bytes: [UInt8] = []
    let tar = TarWriter(time: time) { bytes += $0 }
    for (header, content) in headers { try tar.entry(header, content) }
    try tar.finish()
    return bytes
  }

  private static let long = String(repeating: "folder/", count: 20) + "file"

  private static func sample() throws -> [UInt8] {
    try archive([
      (.init(path: "etc", kind: .folder, mode: 0o755), []),
      (.init(path: "etc/one", mode: 0o600, owner: 65532, group: 65532), Array("first".utf8)),
      (.init(path: "link", kind: .link, mode: 0o777, target: "etc/one"), []),
      (.init(path: long), [UInt8](repeating: 9, count: 1024)),
      (.init(path: "empty"), []),
    ])
  }

  private static func write(_ bytes: [UInt8], _ folder: TemporaryFolder) throws -> String {
    let path = folder.path + "/archive.tar"
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return path
  }

  @Test func whatIsWrittenIsReadBack() throws {
    let folder = try TemporaryFolder()
    let file = try InputFile(try Self.write(try Self.sample(), folder))
    let entries = try TarReader(file).entries
    #expect(entries.map(\.path) == ["etc/one", Self.long, "empty"] && entries.map(\.size) == [5, 1024, 0])
    #expect(try file.read(at: entries[0].offset, count: 5) == Array("first".utf8))
  }

  /// GNU's tar reads it, and says of owners, modes and times what was asked for.
  @Test func anotherProgramReadsIt() throws {
    let folder = try TemporaryFolder()
    let path = try Self.write(try Self.sample(), folder)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/tar")
    process.arguments = ["--utc", "--full-time", "--numeric-owner", "-tvf", path]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    let lines = text.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    #expect(lines.map { $0[0] } == ["drwxr-xr-x", "-rw-------", "lrwxrwxrwx", "-rw-r--r--", "-rw-r--r--"])
    #expect(lines[1][1...] == ["65532/65532", "5", "1970-01-01", "00:00:07", "etc/one"])
    #expect(lines[2].suffix(3) == ["link", "->", "etc/one"] && lines[3].last == Self.long)
  }

  @Test func damageIsSaid() throws {
    let folder = try TemporaryFolder()
    let whole = try Self.sample()
    for (bytes, said) in [
      (Array(whole.prefix(700)), "cut off"), ([], "cut off"), (Array("no archive".utf8), "cut off"),
      ([UInt8](repeating: 65, count: 2048), "no tar archive"),
      (whole.enumerated().map { $0.offset == 3 ? 88 : $0.element }, "damaged"),
    ] {
      let file = try InputFile(try Self.write(bytes, folder))
      #expect { _ = try TarReader(file) } throws: { ($0 as? ImageError)?.message.contains(said) == true }
    }
  }

  /// No bytes lead the reader out of the file or into a crash.
  @Test func noBytesCrashTheReader() throws {
    let folder = try TemporaryFolder()
    let whole = try Self.sample()
    for number in 0..<3000 {
      var bytes = whole
      var seed = UInt64(number + 1) &* 0x9E37_79B9_7F4A_7C15
      for _ in 0..<4 {
        seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        bytes[Int(seed >> 33) % 2560] = UInt8(truncatingIfNeeded: seed >> 20)
      }
      // The sum is made right, so that what it covers is looked at.
      bytes.replaceSubrange(148..<156, with: [UInt8](repeating: 0x20, count: 8))
      let sum = bytes[..<512].reduce(0) { $0 + Int($1) }
      bytes.replaceSubrange(148..<154, with: Array(String(format: "%06o", sum).utf8))
      let file = try InputFile(try Self.write(bytes, folder))
      if let tar = try? TarReader(file) {
        for entry in tar.entries { #expect(entry.offset >= 512 && entry.offset + entry.size <= bytes.count) }
      }
    }
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let wide = String(repeating: "x", count: 101)
    for header in [
      TarWriter.Header(path: wide), .init(path: "a", kind: .link, target: wide), .init(path: "a", owner: 0o10_000_000),
      .init(path: String(repeating: "folder/", count: 40)),
    ] { #expect(throws: ImageError.self) { try Self.archive([(header, [])]) } }
  }

  @Test func digestsAreOfOneForm() {
    let hex = String(repeating: "0a", count: 32)
    #expect(ContentDigest("sha256:" + hex)?.hex == hex)
    for text in [
      "sha256:", hex, "sha256:" + hex.uppercased(), "sha256:" + hex + "0", "sha512:" + hex, "sha256:../" + hex,
    ] { #expect(ContentDigest(text) == nil, "\(text)") }
    // FIPS 180-4's example of one block.
    #expect(
      ContentDigest(of: Array("abc".utf8)).hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }
}
