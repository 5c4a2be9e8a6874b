import Foundation
import ServerContract

/// Finds the `model-server` program.
public enum ServerBinary {
  public static let environmentVariable = "PLANNER_MODEL_SERVER"
  static let name = ServerProgram.name

  /// What `PLANNER_MODEL_SERVER` names; else the one beside the running program; else the first in `PATH`.
  ///
  /// - Throws: `ExecutorError`; a variable that names no program is an error, not skipped.
  public static func locate(
    environment: [String: String] = ProcessInfo.processInfo.environment, executable: String? = nil
  ) throws(ExecutorError) -> String {
    if let named = environment[environmentVariable], !named.isEmpty {
      try Spawn.checkExecutable(named)
      return named
    }
    var candidates: [String] = []
    if let own = executable ?? Self.ownPath() {
      candidates.append((own as NSString).deletingLastPathComponent + "/" + name)
    }
    for folder in (environment["PATH"] ?? "").split(separator: ":") { candidates.append("\(folder)/\(name)") }
    for candidate in candidates {
      do {
        try Spawn.checkExecutable(candidate)
        return candidate
      } catch {
        continue
      }
    }
    throw .serverNotFound(searched: candidates)
  }

  private static func ownPath() -> String? {
    try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
  }
}
