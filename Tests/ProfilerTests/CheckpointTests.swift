import Foundation
import PlannerCore
import PlannerFiles
import Profiler
import Synchronization
import TestSupport
import Testing

/// A profile that was cut off goes on where it stopped.
@Suite struct CheckpointTests {
  private struct Outcome {
    var profile: Profile?
    var found: ProfileCheckpoint.Resumption?
  }

  /// One run with the checkpoint at `path`; no profile where the machine broke down.
  private func run(
    _ machine: KnownMachine, _ path: String, request: ProfileRequest = CheckpointTests.request,
    host: HostFingerprint = ProfileRunTests.host, scratchFolder: String = "/scratch"
  ) async throws -> Outcome {
    var run = ProfileRunTests.run(machine, request, host: host, scratchFolder: scratchFolder)
    let checkpoint = ProfileCheckpoint(file: CheckpointFile(path: path))
    let found = Mutex<ProfileCheckpoint.Resumption?>(nil)
    let profile: Profile?
    do {
      profile = try await run.run(measuredAt: "2026-01-01T00:00:00Z", checkpoint: checkpoint) { report in
        found.withLock { $0 = report }
      }
    } catch let error as ProfilerError where error.description == "cut off" {
      profile = nil
    }
    return Outcome(profile: profile, found: found.withLock { $0 })
  }

  private static let request = ProfileRequest(
    cases: [ProfileCase(architecture: .bertTiny, vocabulary: 2000, tokens: [16])], precisions: [.fp32], quick: true,
    servingCores: 2, seed: 1)
  /// Trials of 5 settings with 2 numbers of threads, 3 cells of passes, 3 rounds of 2 served cells.
  private static let cells = 10 + 3 + 6
  private static let calls = 5 + 2 + 6

  @Test func aWholeRunIsTheSameWithACheckpoint() async throws {
    let folder = try TemporaryFolder()
    let outcome = try await run(KnownMachine(), folder.path + "/p.partial")
    #expect(outcome.found?.cells == 0 && outcome.found?.of == Self.cells && outcome.found?.reasonToStartAnew == nil)
    var run = ProfileRunTests.run(KnownMachine(), Self.request)
    let plain = try await run.run(measuredAt: "2026-01-01T00:00:00Z")
    let profile = try #require(outcome.profile)
    #expect(profile.settings == plain.settings && profile.trials == plain.trials)
    // Times of requests are kept to the nanosecond.
    for (kept, measured) in zip(profile.models.flatMap(\.served), plain.models.flatMap(\.served)) {
      #expect(kept.conditions == measured.conditions && kept.computeTraceSeconds == measured.computeTraceSeconds)
      #expect(abs(kept.overheadSeconds.mean - measured.overheadSeconds.mean) < 2e-9)
    }
  }

  @Test(arguments: [0, 3, 5, 6, 7, 12])
  func aRunThatWasCutOffGoesOn(_ patience: Int) async throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/p.partial"
    #expect(try await run(KnownMachine(patience: patience), path).profile == nil)
    let machine = KnownMachine()
    let outcome = try await run(machine, path, scratchFolder: "/another")
    // What was there is not measured again, and models are written only where something is measured with them.
    #expect(machine.calls.withLock { $0.count } + machine.served.withLock { $0.count } == Self.calls - patience)
    #expect(outcome.found?.reasonToStartAnew == nil)
    let used = Set(
      machine.calls.withLock { $0.map(\.repository) } + machine.served.withLock { $0.map(\.repository) })
    #expect(used.isSuperset(of: machine.written.withLock { Set($0) }))
    // The profile is that of a run which nothing stopped.
    let whole = try await run(KnownMachine(), folder.path + "/whole.partial")
    #expect(try JSONFile.encode(#require(outcome.profile)) == JSONFile.encode(#require(whole.profile)))
    // A third run finds everything.
    let third = try await run(KnownMachine(patience: 0), path)
    #expect(third.found?.cells == Self.cells && third.profile != nil)
  }

  @Test func anotherRequestMachineOrServerStartsAnew() async throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/p.partial"
    func cut() async throws { #expect(try await run(KnownMachine(patience: 6), path).profile == nil) }
    func reason(
      server: String = "build 1", request: ProfileRequest = CheckpointTests.request,
      host: HostFingerprint = ProfileRunTests.host
    ) async throws -> String {
      try await cut()
      let machine = KnownMachine(server: server)
      let outcome = try await run(machine, path, request: request, host: host)
      #expect(outcome.found?.cells == 0 && machine.calls.withLock { $0.count } == 5 + 2)
      return try #require(outcome.found?.reasonToStartAnew)
    }
    #expect(try await reason(server: "build 2").contains("another build"))
    var request = Self.request
    request.seed = 2
    #expect(try await reason(request: request).contains("something else"))
    var host = ProfileRunTests.host
    host.cpuQuota = 0.5
    #expect(try await reason(host: host).contains("other limits"))
    host.cpuQuota = nil
    host.kernel = "newer"
    try await cut()
    #expect(try await run(KnownMachine(), path, host: host).found?.reasonToStartAnew == nil)
  }

  @Test func aDamagedLineAndWhatFollowsIsMeasuredAgain() async throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/p.partial"
    #expect(try await run(KnownMachine(patience: 9), path).profile == nil)
    var lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init)
    // The head, the models of the trials, and five trials; the third of them is damaged.
    #expect(lines.count > 7)
    lines[4] = String(lines[4].prefix(lines[4].count / 2))
    try (lines.joined(separator: "\n") + "\n{\"call\":\"cut").write(toFile: path, atomically: true, encoding: .utf8)
    let machine = KnownMachine()
    let outcome = try await run(machine, path)
    #expect(outcome.found?.cells == 2 * 2 && machine.calls.withLock { $0.count } == 5 + 2 - 2)
    #expect(outcome.profile != nil)
  }

  @Test func aFileOfSomethingElseIsReplaced() async throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/p.partial"
    try "hello\n".write(toFile: path, atomically: true, encoding: .utf8)
    let outcome = try await run(KnownMachine(), path)
    #expect(outcome.found?.reasonToStartAnew?.contains("cannot be read") == true && outcome.profile != nil)
  }
}
