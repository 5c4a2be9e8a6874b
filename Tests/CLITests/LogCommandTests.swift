import Foundation
import TestSupport
import Testing

/// `planner workload from-log`, as a user runs it.
@Suite struct LogCommandTests {
  /// A log of the combined format: three models in turn, one request a second, and a line that does not count.
  static let log =
    (0..<600).map { second in
      let time = String(format: "10:%02d:%02d", second / 60, second % 60)
      return
        "1.2.3.4 - - [27/Nov/2026:\(time) +0000] \"POST /v2/models/m\(second % 3)/infer HTTP/1.1\" 200 9 \"-\" \"x\"\n"
    }.joined() + "1.2.3.4 - - [27/Nov/2026:10:10:00 +0000] \"GET /metrics HTTP/1.1\" 200 9 \"-\" \"x\"\n"

  @Test func aLogBecomesAWorkload() throws {
    let place = try Workplace()
    _ = try place.file("access.log", Self.log)
    let result = try place.planner(
      "workload", "from-log", "access.log", "--out", "w.yaml", "--architecture", "bert-base", "--size", "128",
      "--target-p99", "20ms", "--json")
    #expect(result.status == 0 && result.errors.isEmpty)
    let said = try result.json()
    #expect(said["requests"] as? Int == 600 && said["lines"] as? Int == 601 && said["format"] as? String == "common")
    #expect(said["files"] as? [String] == ["w.yaml"])
    #expect(try CommandSchemaTests.violations("workload-from-log", result.output) == [])
    // What it wrote is a workload that can be planned.
    #expect(try place.read("w.yaml").contains("architecture: \"bert-base\""))
    #expect(try place.planner("optimize", "--workload", "w.yaml", "--out", "p.json").status == 0)
    let people = try place.planner("workload", "from-log", "access.log", "--out", "v.yaml", "--input", "tensors")
    #expect(people.status == 0 && people.output.contains("requests for other things than inference"))
    #expect(people.errors.contains("architecture") && people.errors.contains("--target-p99 10ms"))
    #expect(try place.leftovers().isEmpty)
  }

  /// The bare command writes a file that says what is still to be filled in.
  @Test func whatALogDoesNotKnowIsAskedFor() throws {
    let place = try Workplace()
    _ = try place.file("access.log", Self.log)
    let result = try place.planner("workload", "from-log", "access.log", "--out", "w.yaml", "--json")
    #expect(result.status == 0)
    #expect(try result.json()["blanks"] as? [String] == ["architecture", "size", "targetP99"])
    let refused = try place.planner("optimize", "--workload", "w.yaml")
    #expect(refused.status == 65)
    #expect(refused.errors.components(separatedBy: "is still to be filled in").count == 4, "\(refused.errors)")
  }

  @Test func standardInputIsAFileToo() throws {
    let place = try Workplace()
    _ = try place.file("access.log", Self.log)
    let options = ["--architecture", "x", "--size", "8", "--target-p99", "1s", "--name", "n"]
    _ = try place.run(["workload", "from-log", "access.log", "--out", "a/w.yaml"] + options)
    let piped = try Self.shell(place, ["workload", "from-log", "-", "--out", "b/w.yaml"] + options)
    #expect(piped == 0)
    let (a, b) = (try place.read("a/w.yaml"), try place.read("b/w.yaml"))
    #expect(a.replacing("access.log", with: "-") == b && a.contains("names: [\"m0\", \"m1\", \"m2\"]"))
    // The same log, the same bytes.
    _ = try place.run(["workload", "from-log", "access.log", "--out", "c/w.yaml"] + options)
    #expect(try place.read("c/w.yaml") == a)
  }

  private static func shell(_ place: Workplace, _ arguments: [String]) throws -> Int32 {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Workplace.planner)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: place.folder)
    process.standardInput = FileHandle(forReadingAtPath: place.folder + "/access.log")
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return process.terminationStatus
  }

  @Test func exitCodesAreTheContracts() throws {
    let place = try Workplace()
    _ = try place.file("empty.log", "")
    _ = try place.file("other.log", "what\nis\nthis\n")
    _ = try place.file("idle.log", Self.log.components(separatedBy: "\n").dropLast().last ?? "")
    for (file, status, word) in [
      ("empty.log", 65, "empty"), ("other.log", 65, "--format"), ("idle.log", 65, "no rate"),
      ("none.log", 69, "no such"),
      (".", 69, "folder"),
    ] as [(String, Int32, String)] {
      let result = try place.planner("workload", "from-log", file, "--out", "w.yaml")
      #expect(result.status == status && result.errors.contains(word), "\(file): \(result.errors)")
    }
    _ = try place.file("access.log", Self.log)
    for wrong in [
      ["--format", "iis"], ["--input", "speech"], ["--window", "night"], ["--size", "0"], ["--target-p99", "fast"],
      ["--architecture", "x", "--models", "y"],
    ] {
      #expect(
        try place.run(["workload", "from-log", "access.log", "--out", "w.yaml"] + wrong).status == 64, "\(wrong)")
    }
    #expect(try place.planner("workload", "from-log", "access.log", "--out", "access.log/w.yaml").status == 69)
    #expect(!FileManager.default.fileExists(atPath: place.folder + "/w.yaml"))
  }

  /// What a log shows can be planned: unequal models, copies, many sizes, none, and other arrivals; and the plan holds.
  @Test(arguments: [
    "rate: {total: 9, popularity: {zipf: 1}}, size: 8", "rate: {total: 9}, size: 8, replicas: 2",
    "rate: {total: 9}, size: {distribution: lognormal, mean: 8, cv: 1, max: 9}", "rate: {total: 9}, input: tensors",
    "rate: {total: 9}, size: 8, arrivals: {process: gamma, cv: 2}",
  ])
  func whatALogShowsCanBePlanned(_ keys: String) throws {
    let place = try Workplace()
    _ = try place.file("w.yaml", "targetP99: 1s\ngroups: [{architecture: bert-base, models: 3, \(keys)}]\n")
    let result = try place.planner("optimize", "--workload", "w.yaml", "--out", "p.json")
    #expect(result.status == 0, "\(result.errors)")
    let check = try place.planner("check", "p.json")
    #expect(check.status == 0, "\(check.output)")
  }

  /// The machine at hand is filled with models that are all alike, and no others.
  @Test func unlikeModelsAreNoFit() throws {
    let place = try Workplace()
    _ = try place.file(
      "w.yaml",
      "targetP99: 1s\ngroups: [{architecture: bert-base, models: 3, size: 8, rate: {total: 9}, replicas: 2}]\n")
    let result = try place.planner("optimize", "--workload", "w.yaml", "--fit", "--out", "p.json")
    #expect(result.status != 0 && !result.errors.isEmpty)
    #expect(!FileManager.default.fileExists(atPath: place.folder + "/p.json"))
  }
}
