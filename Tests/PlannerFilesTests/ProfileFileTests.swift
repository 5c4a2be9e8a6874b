import Foundation
import PlannerCore
import PlannerFiles
import Testing

@Suite struct ProfileFileTests {
  static let trace = ComputeTrace(
    cell: "bert-tiny 1 fp32: 32 tokens as text, batch 1, 1 × 1 threads",
    rounds: [(0..<150).map { 3000 + $0 * 7 % 150 }, (0..<150).map { 3100 + $0 * 11 % 150 }])

  /// One cell with a trace of all its times, and one without.
  static func profile() throws -> Profile {
    let overhead = try #require(QuantileTable(samples: [0.0002, 0.0003]))
    let table = try #require(trace.table)
    let conditions = Conditions(tokens: 32, input: .text, threads: 1, coRunners: 1)
    var profile = JSONFileTests.profile
    profile.models[0].served = [
      ServedCell(
        conditions: conditions, residentModels: 2, ratePerSecond: 10,
        times: ServedTimes(
          computeSeconds: table, overheadSeconds: overhead, betweenRunCV: 0.03, wakeUpSeconds: 0.00001), trace: trace),
      ServedCell(
        conditions: conditions, residentModels: 2, ratePerSecond: 10,
        times: ServedTimes(computeSeconds: overhead, overheadSeconds: overhead, betweenRunCV: 0.03)),
    ]
    return profile
  }

  private func written() throws -> (folder: TemporaryFolder, path: String) {
    let folder = try TemporaryFolder()
    try ProfileFile.write(try Self.profile(), to: folder.path + "/p.json")
    return (folder, folder.path + "/p.json")
  }

  @Test func tracesLieAsideAndComeBack() throws {
    let (folder, path) = try written()
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == ["p.json", "p.traces"])
    let text = try AtomicFile.read(path)
    #expect(!text.contains("computeTraceSeconds") && text.contains(Self.trace.checksum))
    let cell = try ProfileFile.read(path).models[0].served[0]
    #expect(cell.computeTraceSeconds == Self.trace.seconds && cell.wholeTrace == nil)
    // The distribution is the trace's own, at every point.
    #expect(cell.computeSeconds == Self.trace.table)
    #expect(try ProfileFile.read(path).models[0].served[1].computeTraceSeconds == nil)
    // Read whole and written again, both files are the same.
    let again = folder.path + "/again.json"
    try ProfileFile.write(try ProfileFile.read(path, traces: .whole), to: again)
    #expect(try AtomicFile.read(again) == text)
    #expect(
      try AtomicFile.read(folder.path + "/again.traces") == AtomicFile.read(folder.path + "/p.traces"))
    #expect(throws: FileError.self) { try ProfileFile.write(try ProfileFile.read(path), to: again) }
  }

  @Test func aProfileWithoutItsTracesCanBeShown() throws {
    let (folder, path) = try written()
    try FileManager.default.removeItem(atPath: folder.path + "/p.traces")
    let cell = try ProfileFile.read(path, traces: .left).models[0].served[0]
    let table = try #require(Self.trace.table)
    for p in [0, 0.5, 0.9, 0.95, 0.99, 1] { #expect(cell.computeSeconds.quantile(p) == table.quantile(p)) }
    #expect(cell.computeSeconds.sampleCount == 300 && cell.computeTraceSeconds == nil)
    #expect(cell.trace == Self.trace.reference)
    let error = try #require(throws: FileError.self) { try ProfileFile.read(path) }
    #expect(error.kind == .unavailable && error.description.contains("p.traces: the traces of \(path)"))
    #expect(error.description.contains("there is no such file") && error.description.contains("planner profile"))
  }

  @Test func damagedTracesAreNamed() throws {
    let (folder, path) = try written()
    let place = folder.path + "/p.traces"
    let good = try AtomicFile.read(place)
    func problems(_ text: String) throws -> String {
      _ = try folder.file("p.traces", text)
      return try #require(throws: FileError.self) { try ProfileFile.read(path) }.description
    }
    #expect(try problems(good.replacingOccurrences(of: "[[3000,", with: "[[3001,")).contains("is damaged"))
    #expect(try problems(String(good.prefix(good.count / 2))).contains("p.traces:1: is not JSON, or was cut off"))
    #expect(try problems(good.replacingOccurrences(of: "[[3000,", with: "[[-3000,")).contains("not possible"))
    #expect(try problems(good.replacingOccurrences(of: "bert-tiny", with: "other")).contains("has no trace of"))
    #expect(try problems("").contains("is empty"))
    _ = try folder.file("p.traces", good)
    #expect(try ProfileFile.read(path).models[0].served[0].computeTraceSeconds != nil)
  }

  /// Version 1: `concurrency` and `workers`, the trace in the cell, and a distribution of more times than it holds.
  static let version1 = """
    {"kind": "profile", "schemaVersion": 1, "measuredAt": "2026-11-24T23:56:49Z", "quick": true, "trials": [],
     "engine": {"name": "libtorch", "version": "1.13.0"}, "serverMemoryBytes": 1,
     "settings": {"blas": "default", "environment": {}},
     "host": {"architecture": "x86_64", "cores": 2, "cpuFamily": 25, "cpuModel": "AMD EPYC", "cpuModelNumber": 17,
       "instructionSets": ["avx2"], "kernel": "6", "memoryBytes": 1, "vendor": "AuthenticAMD"},
     "models": [{"family": "bert-tiny", "precision": "fp32", "vocabulary": 2000, "fileBytes": 1, "weightBytes": 1,
       "memoryPerModelBytes": 1, "loadSeconds": 1, "firstRunSeconds": 1,
       "forward": [{"tokens": 32, "batch": 1, "threads": 2, "concurrency": 3, "residentModels": 4,
         "serviceSeconds": {"probabilities": [0, 1], "seconds": [0.001, 0.002], "sampleCount": 5}}],
       "served": [{"tokens": 32, "input": "text", "workers": 3, "threads": 2, "residentModels": 4,
         "ratePerSecond": 7, "driftCV": 0.03, "handoverSeconds": 0.00002, "wakeSeconds": 0.00001,
         "computeSeconds": {"probabilities": [0, 1], "seconds": [0.001, 0.002], "sampleCount": 3},
         "overheadSeconds": {"probabilities": [0, 1], "seconds": [0.0001, 0.0002], "sampleCount": 3},
         "computeTraceSeconds": [0.0012345, 0.001, 0.0019999]}]}]}
    """

  @Test func version1IsRead() throws {
    let folder = try TemporaryFolder()
    let path = try folder.file("old.json", Self.version1)
    let profile = try ProfileFile.read(path)
    let (forward, served) = (profile.models[0].forward[0], profile.models[0].served[0])
    #expect(forward.conditions == Conditions(tokens: 32, input: .tokens, batch: 1, threads: 2, coRunners: 3))
    #expect(served.conditions == Conditions(tokens: 32, input: .text, batch: 1, threads: 2, coRunners: 3))
    #expect(served.workers == 3 && served.dispatchGapSeconds == 0.00002 && served.betweenRunCV == 0.03)
    // As it was written, although the trace happens to hold as many times.
    #expect(served.computeSeconds.seconds == [0.001, 0.002] && served.computeSeconds.probabilities == [0, 1])
    #expect(served.computeTraceSeconds == [0.0012345, 0.001, 0.0019999])
    #expect(try [profile].computeTraceSeconds(#require(served.trace)) == served.computeTraceSeconds)
    // Written again it is of this version, with the trace aside.
    let new = folder.path + "/new.json"
    try ProfileFile.write(try ProfileFile.read(path, traces: .whole), to: new)
    #expect(try ProfileFile.read(new).models[0].served[0].computeTraceSeconds == served.computeTraceSeconds)
    #expect(try !AtomicFile.read(new).contains("concurrency"))
  }

  @Test func aNewerVersionIsRefused() throws {
    let folder = try TemporaryFolder()
    let path = try folder.file(
      "p.json", Self.version1.replacingOccurrences(of: "\"schemaVersion\": 1", with: "\"schemaVersion\": 3"))
    let error = try #require(throws: FileError.self) { try ProfileFile.read(path) }
    #expect(error.description.contains("is 3; this program reads 1 to 2; use a newer planner"))
  }

  @Test func aCheckpointKeepsWholeLines() throws {
    let folder = try TemporaryFolder()
    let file = CheckpointFile(path: folder.path + "/p.partial")
    #expect(try file.lines() == [])
    try file.begin(with: ["head"])
    try file.append("one")
    try file.append("two")
    _ = try folder.file("cut.partial", "head\none\ntw")
    #expect(try CheckpointFile(path: folder.path + "/cut.partial").lines() == ["head", "one"])
    let later = CheckpointFile(path: file.path)
    #expect(try later.lines() == ["head", "one", "two"])
    try later.begin(with: ["other"])
    #expect(try later.lines() == ["other"])
    later.remove()
    #expect(try later.lines() == [])
    #expect(throws: FileError.self) { try later.append("nowhere") }
  }
}
