import Foundation
import PlannerCore

/// Reads and writes profiles, one or a folder of them, each with the traces that lie beside it.
public enum ProfileFile {
  /// How much of the traces a reader wants.
  public enum Traces: Sendable {
    /// None: distributions of traced cells are then a summary of a few points. Enough to show a profile.
    case left
    /// Those times that simulations follow.
    case simulated
    /// All of them, so that the profile can be written again.
    case whole
  }

  /// Where the traces of the profile at `path` lie: `a.traces` beside `a.json`.
  public static func tracesPath(_ path: String) -> String {
    (path.hasSuffix(".json") ? String(path.dropLast(5)) : path) + ".traces"
  }

  /// Reads a profile of this version or an earlier one.
  ///
  /// - Throws: `FileError` that names file and key, or the file of traces where it is missing or damaged.
  public static func read(_ path: String, traces: Traces = .simulated) throws(FileError) -> Profile {
    var profile = try JSONFile.read(
      Profile.self, from: path, kind: "profile", schemaVersion: Profile.schemaVersion, oldest: 1)
    profile.schemaVersion = Profile.schemaVersion
    try check(profile, path)
    if traces != .left { try attachTraces(to: &profile, path) }
    if traces != .whole { forEachCell(&profile) { $0.forgetWholeTrace() } }
    return profile
  }

  private static func check(_ profile: Profile, _ path: String) throws(FileError) {
    var problems: [FileProblem] = []
    func require(_ holds: Bool, _ key: String, _ message: String) {
      if !holds {
        problems.append(
          FileProblem(file: path, key: key, message: message, remedy: "measure it again with planner profile"))
      }
    }
    require(profile.host.cores > 0, "host.cores", "is not above 0")
    require(profile.host.cpuQuota.map { $0 > 0 } ?? true, "host.cpuQuota", "is not above 0")
    require(!profile.models.isEmpty, "models", "is empty")
    require(profile.serverMemoryBytes >= 0, "serverMemoryBytes", "is negative")
    for (index, model) in profile.models.enumerated() {
      require(model.memoryPerModelBytes > 0, "models[\(index)].memoryPerModelBytes", "is not above 0")
      for (cell, served) in model.served.enumerated() {
        require(
          served.conditions.isPossible, "models[\(index)].served[\(cell)]", "has a count that is not above 0")
        require(
          served.computeSeconds.mean > 0, "models[\(index)].served[\(cell)].computeSeconds", "is 0 throughout")
      }
    }
    if !problems.isEmpty { throw FileError(.badData, problems) }
  }

  private static func forEachCell(_ profile: inout Profile, _ body: (inout ServedCell) -> Void) {
    for model in profile.models.indices {
      for cell in profile.models[model].served.indices { body(&profile.models[model].served[cell]) }
    }
  }

  private static func attachTraces(to profile: inout Profile, _ path: String) throws(FileError) {
    // A profile of version 1 brings its traces itself.
    let wanted = profile.models.flatMap(\.served).filter { $0.computeTraceSeconds == nil }.compactMap(\.trace)
    guard !wanted.isEmpty else { return }
    let found = try TraceFile.read(tracesPath(path), wanted: wanted, profile: path)
    forEachCell(&profile) { cell in
      if cell.computeTraceSeconds == nil, let trace = cell.trace.flatMap({ found[$0] }) { cell.attach(trace) }
    }
  }

  /// Puts a profile and its traces in place: each file whole or not at all, the traces first.
  ///
  /// - Throws: `FileError`; of kind `badData` where the profile was read without its whole traces.
  public static func write(_ profile: Profile, to path: String) throws {
    let cells = profile.models.flatMap(\.served)
    if let cell = cells.first(where: { $0.trace != nil && $0.wholeTrace == nil }) {
      throw FileError(
        .badData,
        [
          FileProblem(
            file: path, message: "the trace of \(cell.conditions) was not read",
            remedy: "read the profile with its whole traces before writing it")
        ])
    }
    let traces = cells.compactMap(\.wholeTrace)
    if !traces.isEmpty { try TraceFile.write(traces, to: tracesPath(path)) }
    try JSONFile.write(profile, to: path)
  }

  /// The folder that commands look in where none is named.
  public static let usualFolder = "profiles"

  /// All profiles of a folder, the newest measurement first; empty where there is no `usualFolder`.
  ///
  /// - Throws: `FileError` for any `.json` file in it that is no profile, and for any other folder that cannot be read.
  public static func readAll(in folder: String) throws(FileError) -> [Profile] {
    let listed = try? FileManager.default.contentsOfDirectory(atPath: folder)
    guard let names = listed ?? (folder == usualFolder ? [] : nil) else {
      throw FileError(
        .unavailable,
        [FileProblem(file: folder, message: "is no folder that can be read", remedy: "check --profiles")])
    }
    var profiles: [(name: String, profile: Profile)] = []
    var problems: [FileProblem] = []
    for name in names.sorted() where name.hasSuffix(".json") && !name.hasPrefix(".") {
      do {
        profiles.append((name, try read(folder + "/" + name)))
      } catch {
        problems += error.problems
      }
    }
    if !problems.isEmpty { throw FileError(.badData, problems) }
    return profiles.sorted { ($1.profile.measuredAt, $0.name) < ($0.profile.measuredAt, $1.name) }.map(\.profile)
  }
}
