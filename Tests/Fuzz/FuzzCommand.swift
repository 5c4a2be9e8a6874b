import ArgumentParser
import Foundation

/// Feeds broken input to everything that reads what others send: `make fuzz`.
///
/// Every target runs in a process of its own, which tells what it is about to try in memory that this process shares;
/// so the input that killed it, that it hangs in, or that made it large is known and kept, whatever happened.
@main
struct FuzzCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fuzz", abstract: "Try mutated inputs until something breaks; exit status 3 where something did.")

  @Option(help: "Executions, over all targets.") var runs: Int?
  @Option(help: "Seconds, over all targets, instead of a number of runs.") var seconds: Double?
  @Option(help: "The same seed tries the same inputs.") var seed: UInt64 = 1
  @Option(help: "Targets, separated by commas; default: all.") var target: String?
  @Option(help: "Folder of starting inputs, one folder a target.") var corpus = "Tests/Fuzz/corpus"
  @Option(help: "Where failing inputs are written.") var failures = ".build/fuzz"
  @Option(help: "An input may take so many seconds.") var hangSeconds = 10.0
  @Option(help: "A target's process may be so large, MiB.") var memoryLimit = 2048
  @Option(help: "Try this one file on --target and nothing else, in this process.") var replay: String?
  @Option(help: .hidden) var board: String?

  func validate() throws {
    guard (runs ?? 1) >= 1, (seconds ?? 1) > 0, hangSeconds > 0, memoryLimit >= 64 else {
      throw ValidationError("--runs, --seconds and --hang-seconds must be above 0, --memory-limit at least 64")
    }
    for name in target?.split(separator: ",").map(String.init) ?? [] where TargetKind(rawValue: name) == nil {
      let known = TargetKind.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("there is no target '\(name)'; there are \(known)")
    }
  }

  private var kinds: [TargetKind] {
    target?.split(separator: ",").compactMap { TargetKind(rawValue: String($0)) } ?? TargetKind.usual
  }

  func run() async throws {
    let settings = FuzzSettings(
      runs: runs ?? (seconds == nil ? 100_000 : Int.max), seconds: seconds, seed: seed, corpus: corpus,
      failures: failures, hangSeconds: hangSeconds, memoryLimitBytes: memoryLimit << 20)
    if let replay {
      let input = [UInt8](try Data(contentsOf: URL(fileURLWithPath: replay)))
      var target = try await kinds[0].make(corpus: corpus)
      print(try await target.run(input))
    } else if let board {
      try await FuzzWorker(kind: kinds[0], settings: settings, board: SharedBoard(path: board)).run()
    } else if try Supervisor(kinds: kinds, settings: settings).run() > 0 {
      throw ExitCode(3)
    }
  }
}

struct FuzzSettings: Sendable {
  var runs: Int
  var seconds: Double?
  var seed: UInt64
  var corpus: String
  var failures: String
  var hangSeconds: Double
  var memoryLimitBytes: Int
}
