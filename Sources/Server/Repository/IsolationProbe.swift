import Foundation
import Synchronization

/// Loads and runs models whose code this server has not seen yet in a process of their own, so that one that crashes,
/// hangs or takes all memory does so there.
///
/// A TorchScript file is a program. Models of one architecture have the same code, byte for byte, and differ in their
/// weights only: three thousand of them cost one probe.
public final class IsolationProbe: Sendable {
  private enum Verdict: Sendable {
    case running
    case good
    /// Its code cannot be trusted, and why.
    case bad(String)
  }

  private let executable: String
  private let timeLimitSeconds: Double
  private let memoryLimitBytes: Int64
  private let verdicts = Mutex<[String: Verdict]>([:])
  private let changed = NSCondition()
  private let running = Mutex<(processes: Set<pid_t>, isCancelled: Bool)>(([], false))

  /// - Parameters:
  ///   - executable: `model-server`, whose command `probe` is run.
  ///   - memoryLimitBytes: address space of the probe beyond what the library itself takes and six times the file.
  public init(executable: String, timeLimitSeconds: Double = 60, memoryLimitBytes: Int64 = 4 << 30) {
    self.executable = executable
    self.timeLimitSeconds = timeLimitSeconds
    self.memoryLimitBytes = memoryLimitBytes
  }

  /// Returns once the model's code is known to load and run. Blocks: for loader threads.
  ///
  /// - Parameter forgetsFailure: code that failed before is tried again.
  /// - Throws: `EngineError` where it crashed, or took too long or too much.
  func check(_ path: String, inputs: [String], tokens: Int, forgetsFailure: Bool) throws(EngineError) {
    // A file whose code cannot even be read fails in the server's own loader, with the better message.
    guard let code = try? TorchModel.codeFingerprint(path: path) else { return }
    guard claim(code, path, forgetsFailure: forgetsFailure) else {
      if case .bad(let reason)? = verdicts.withLock({ $0[code] }) { throw EngineError(.badModel, path, reason) }
      return
    }
    let reason = run(path, inputs: inputs, tokens: tokens)
    settle(code, reason.map { .bad($0) } ?? .good)
    if let reason { throw EngineError(.badModel, path, reason) }
  }

  /// Waits for a probe of the same code that is under way.
  ///
  /// - Returns: whether the caller is to probe it.
  private func claim(_ code: String, _ path: String, forgetsFailure: Bool) -> Bool {
    changed.lock()
    defer { changed.unlock() }
    var isForgetting = forgetsFailure
    while true {
      switch verdicts.withLock({ $0[code] }) {
      case .running?:
        // What fails now has failed for this request too.
        isForgetting = false
        changed.wait()
      case .good?: return false
      case .bad?:
        guard isForgetting else { return false }
        verdicts.withLock { $0[code] = .running }
        return true
      case nil:
        verdicts.withLock { $0[code] = .running }
        return true
      }
    }
  }

  private func settle(_ code: String, _ verdict: Verdict) {
    changed.lock()
    verdicts.withLock { $0[code] = verdict }
    changed.broadcast()
    changed.unlock()
  }

  /// Ends all probes: nobody waits for their models any more.
  public func cancel() {
    let processes = running.withLock { running in
      running.isCancelled = true
      return running.processes
    }
    for process in processes { kill(process, SIGKILL) }
  }

  /// - Returns: what was wrong; nil where nothing was.
  private func run(_ path: String, inputs: [String], tokens: Int) -> String? {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: executable)
    process.arguments = [
      "probe", "--model", path, "--inputs", inputs.joined(separator: ","), "--tokens", "\(tokens)",
      "--time-limit", "\(Int(timeLimitSeconds.rounded(.up)) + 1)",
      "--memory-limit", "\(memoryLimitBytes + 6 * Self.fileBytes(path))", "--device", Engine.device,
    ]
    // Its operators are part of what is tried.
    for library in Engine.operatorLibraries { process.arguments? += ["--op-library", library] }
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
    case Self.outOfMemory: return "needs more memory to be loaded and run once than a model may"
    default: return "ends its process when it is loaded and run once (exit code \(status))"
    }
  }

  private static func fileBytes(_ path: String) -> Int64 {
    var status = stat()
    return stat(path, &status) == 0 ? Int64(status.st_size) : 0
  }

  /// Exit code of a probe whose model could not have its memory.
  public static let outOfMemory: Int32 = 71
}

/// The other side: what the process of its own does.
public enum Probe {
  /// Loads and runs the model. Errors that the library reports are no harm: the server will meet and report them too.
  ///
  /// - Returns: the exit code.
  public static func run(
    model path: String, inputs: [String], tokens: Int, timeLimitSeconds: Int, memoryLimitBytes: Int64?
  ) -> Int32 {
    // Should the server be gone by then, the kernel ends this process.
    alarm(UInt32(clamping: timeLimitSeconds))
    do throws(EngineError) {
      // One thread: each further one takes address space for its stack and heap.
      try Engine.setThreads(1)
      if let memoryLimitBytes { limitMemory(memoryLimitBytes) }
      let model = try TorchModel(path: path)
      let example = RepositoryLoader.inputs(of: model, named: inputs).map { name in
        HostTensor(
          shape: [1, tokens], elements: .int64(Array(repeating: name == "attention_mask" ? 1 : 0, count: tokens)))
      }
      // Twice: code may take another way when it has been optimized.
      for _ in 0..<2 { _ = try model.run(example) }
    } catch {
      let ranOut = ["alloc", "memory"].contains { error.message.contains($0) }
      return ranOut ? IsolationProbe.outOfMemory : 0
    }
    return 0
  }

  private static func limitMemory(_ bytes: Int64) {
    var limit = rlimit()
    limit.rlim_cur = rlim_t(clamping: virtualBytes() + bytes)
    limit.rlim_max = limit.rlim_cur
    setrlimit(__rlimit_resource_t(9), &limit)  // RLIMIT_AS
  }

  private static func virtualBytes() -> Int64 {
    guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
    return (text.split(separator: " ").first.flatMap { Int64($0) } ?? 0) * Int64(sysconf(Int32(_SC_PAGESIZE)))
  }
}
