import Engine
import Foundation
import PlannerCore
import PlannerFiles
import ServerContract
import Serving

/// The other side of `IsolationProbe`: what the process of its own does.
package enum Probe {
  /// Loads and runs the model. Errors that the library reports are no harm: the server will meet and report them too.
  ///
  /// - Returns: the exit code.
  package static func run(
    model path: String, description line: String, tokens: Int, timeLimitSeconds: Int, memoryLimitBytes: Int64?
  ) -> Int32 {
    // Should the server be gone by then, the kernel ends this process.
    alarm(UInt32(clamping: timeLimitSeconds))
    do throws(EngineError) {
      // One thread: each further one takes address space for its stack and heap.
      try Engine.setThreads(1)
      if let memoryLimitBytes { limitMemory(memoryLimitBytes) }
      guard let description = try? JSONFile.decodeLine(RepositoryManifest.Model.self, from: line) else {
        throw EngineError(.unavailable, path, "has a description that cannot be read")
      }
      // The same passes as in the server, which finds by them what the model takes.
      let opened = try OpenedModel(description, path: path, vocabulary: nil)
      let found = try opened.findInterface(tokens: tokens)
      // As it is served, and twice: code may take another way when it has been optimized.
      let names = found.interface.inputs.map(\.name)
      guard TokenInputs.areAll(of: names) else { return 0 }
      let example = TokenInputs.row(Array(repeating: 0, count: min(tokens, description.maxTokens)), for: names)
      for _ in 0..<2 { _ = try opened.model.run(example) }
    } catch {
      let ranOut = ["alloc", "memory"].contains { error.message.contains($0) }
      return (ranOut ? ServerExitCode.outOfMemory : .done).rawValue
    }
    return 0
  }

  /// Ends the process's address space so many bytes beyond what it has now.
  static func limitMemory(_ bytes: Int64) {
    var limit = rlimit()
    limit.rlim_cur = rlim_t(clamping: (ProcessMemory.own.virtualBytes ?? 0) + bytes)
    limit.rlim_max = limit.rlim_cur
    setrlimit(__rlimit_resource_t(9), &limit)  // RLIMIT_AS
  }
}
