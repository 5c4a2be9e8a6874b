import Engine
import Foundation
import PlannerCore
import PlannerFiles
import ServerContract
import Synchronization

/// Loads and runs models whose code this server has not seen yet in a process of their own, so that one that crashes,
/// hangs or takes all memory does so there.
///
/// A TorchScript file is a program. Models of one architecture have the same code, byte for byte, and differ in their
/// weights only: three thousand of them cost one probe.
package final class IsolationProbe: Sendable {
  private let executable: String
  private let timeLimitSeconds: Double
  private let memoryLimitBytes: Int64
  /// Why code cannot be trusted; nil of code that can.
  private let verdicts = OncePerKey<String, String?>()
  private let running = Mutex<(processes: Set<pid_t>, isCancelled: Bool)>(([], false))

  /// - Parameters:
  ///   - executable: `model-server`, whose command `probe` is run.
  ///   - memoryLimitBytes: address space of the probe beyond what the library itself takes and six times the file.
  package init(executable: String, timeLimitSeconds: Double = 60, memoryLimitBytes: Int64 = 4 << 30) {
    self.executable = executable
    self.timeLimitSeconds = timeLimitSeconds
    self.memoryLimitBytes = memoryLimitBytes
  }

  /// Returns once the model's code is known to load and run. Blocks: for loader threads.
  ///
  /// - Parameters:
  ///   - code: fingerprint of the code in the file.
  ///   - description: what the repository says of the model.
  ///   - vocabulary: size of the repository's vocabulary.
  ///   - tokens: a length that the model is to be served at.
  ///   - forgetsFailure: code that failed before is tried again.
  /// - Throws: `EngineError` where it crashed, or took too long or too much.
  package func check(
    _ path: String, code: String, _ description: RepositoryManifest.Model, vocabulary: Int?, tokens: Int,
    forgetsFailure: Bool
  ) throws(EngineError) {
    // What fails while this waits has failed for this request too.
    let reason = verdicts.value(code, isStale: { $0 != nil && forgetsFailure }) { () -> String? in
      var described = description
      if described.vocabulary == 0 { described.vocabulary = vocabulary ?? 0 }
      return run(path, described, tokens: tokens)
    }
    if let reason { throw EngineError(.badModel, path, reason) }
  }

  /// Ends all probes: their models are not wanted any more.
  package func cancel() {
    let processes = running.withLock { running in
      running.isCancelled = true
      return running.processes
    }
    for process in processes { kill(process, SIGKILL) }
  }

  /// - Returns: what was wrong; nil where nothing was.
  private func run(_ path: String, _ description: RepositoryManifest.Model, tokens: Int) -> String? {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: executable)
    process.arguments = arguments(path, description, tokens: tokens).words
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    let ended = DispatchSemaphore(value: 0)
    process.terminationHandler = { _ in ended.signal() }
    do {
      try process.run()
    } catch {
      return "its code is new and could not be tried in a process of its own (\(error))"
    }
    let pid = process.processIdentifier
    let isCancelled = running.withLock { running in
      running.processes.insert(pid)
      return running.isCancelled
    }
    defer { running.withLock { _ = $0.processes.remove(pid) } }
    if isCancelled { kill(pid, SIGKILL) }
    if ended.wait(timeout: .now() + timeLimitSeconds) == .timedOut {
      kill(pid, SIGKILL)
      ended.wait()
      return "did not finish loading and running once within \(Int(timeLimitSeconds)) s"
    }
    let status = process.terminationStatus
    if process.terminationReason == .uncaughtSignal {
      return "crashes its process when it is loaded and run once (\(String(cString: strsignal(status))))"
    }
    switch status {
    case 0: return nil
    case ServerExitCode.outOfMemory.rawValue: return "needs more memory to be loaded and run once than a model may"
    default: return "ends its process when it is loaded and run once (exit code \(status))"
    }
  }

  private func arguments(
    _ path: String, _ description: RepositoryManifest.Model, tokens: Int
  ) -> ServerArguments {
    var arguments = ServerArguments(.probe)
    arguments.add(.model, path)
    // Without one, the probe takes what the code says.
    if let line = try? JSONFile.encodeLine(description) { arguments.add(.description, line) }
    arguments.add(.tokens, tokens)
    arguments.add(.timeLimit, Int(timeLimitSeconds.rounded(.up)) + 1)
    arguments.add(.memoryLimit, memoryLimitBytes + 6 * Self.fileBytes(path))
    arguments.add(.device, Engine.device)
    // Its operators are part of what is tried.
    for library in Engine.operatorLibraries { arguments.add(.operatorLibrary, library) }
    return arguments
  }

  private static func fileBytes(_ path: String) -> Int64 {
    var status = stat()
    return stat(path, &status) == 0 ? Int64(status.st_size) : 0
  }
}
