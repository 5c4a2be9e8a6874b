import DockerRuntime
import Foundation
import Testing

/// What comes from the engine, byte by byte.
@Suite struct OutputTests {
  private func frame(_ source: UInt8, _ text: String) -> [UInt8] {
    let bytes = Array(text.utf8)
    return [source, 0, 0, 0] + (0..<4).map { UInt8(bytes.count >> (24 - 8 * $0) & 255) } + bytes
  }

  @Test func framesAreTheSameHoweverTheyAreCut() throws {
    let whole =
      frame(1, "one\ntw") + frame(2, "wrong\n") + frame(1, "o\r\n") + frame(1, "") + frame(1, "end")
    for size in 1...whole.count {
      var frames = OutputFrames()
      var (output, errors) = (LineSplitter(), LineSplitter())
      var lines: [String] = []
      for start in stride(from: 0, to: whole.count, by: size) {
        try frames.take(whole[start..<min(start + size, whole.count)]) { source, bytes in
          if source == .errors {
            errors.take(bytes) { lines.append("!" + $0) }
          } else {
            output.take(bytes) { lines.append($0) }
          }
        }
      }
      output.finish { lines.append($0) }
      errors.finish { lines.append("!" + $0) }
      #expect(lines == ["one", "!wrong", "two", "end"], "in pieces of \(size)")
    }
  }

  @Test func whatIsNoFrameIsRefused() {
    for start: [UInt8] in [[3, 0, 0, 0, 0, 0, 0, 1, 65], [1, 1, 0, 0, 0, 0, 0, 1, 65], Array("HTTP/1.1 200".utf8)] {
      var frames = OutputFrames()
      #expect(throws: OutputFrames.Malformed.self) { try frames.take(start) { _, _ in } }
    }
  }

  @Test func aLineWithoutEndIsHandedOutInPieces() {
    var lines = LineSplitter()
    var longest = 0
    for _ in 0..<100 {
      lines.take([UInt8](repeating: 65, count: 100_000)) { longest = max(longest, $0.utf8.count) }
    }
    #expect(longest >= LineSplitter.longestLineBytes && longest < LineSplitter.longestLineBytes + 100_001)
  }

  @Test func momentsKeepTheirNanoseconds() throws {
    let moment = try #require(EngineTime("2026-11-28T04:36:54.906805535Z"))
    #expect(moment.text == "1795840614.906805535" && abs(moment.seconds - 1_795_840_614.906805) < 1e-3)
    #expect(EngineTime("2026-11-28T04:36:54.5Z")?.text == "1795840614.500000000")
    #expect(EngineTime("2026-11-28T05:36:54+01:00")?.text == "1795840614.000000000")
    // What has not happened.
    #expect((EngineTime("0001-01-01T00:00:00Z")?.seconds ?? -1) < 0)
    for text in ["", "now", "2026-11-28", "2026-11-28T04:36:54.906", String(repeating: "1", count: 100)] {
      #expect(EngineTime(text) == nil, "\(text)")
    }
  }

  /// The archive is read by a program of others.
  @Test(arguments: [0, 1, 511, 512, 513, 100_000])
  func archivesAreReadByTar(_ size: Int) throws {
    let folder = NSTemporaryDirectory() + "tar-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let content = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let file = folder + "/a.tar"
    try Data(try TarFile.archive("models.txt", content)).write(to: URL(fileURLWithPath: file))
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/tar")
    process.arguments = ["--extract", "--file", file, "--directory", folder]
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    #expect(FileManager.default.contents(atPath: folder + "/models.txt") == Data(content))
  }

  @Test func foreignTextIsOneLineWithoutSteering() {
    #expect(EngineText.plain("a\n\tb\u{1B}[2J \u{7F}c") == "a b [2J c")
    #expect(EngineText.plain(String(repeating: "x", count: 900)).count == 501)
  }
}
