import Foundation
import PlannerCore

/// Compute traces beside a profile: JSON of kind `trace`, one cell a line.
public enum TraceFile {
  public static let schemaVersion = 1

  /// One line of the file.
  public struct Line: Codable, Sendable {
    public var schemaVersion: Int
    public var kind: String
    /// Name of the cell, as the profile refers to it.
    public var cell: String
    /// Compute times in the order in which they were measured, in ticks of 100 ns; one list for each round.
    public var ticks: [[Int]]

    public init(_ trace: ComputeTrace) {
      schemaVersion = TraceFile.schemaVersion
      kind = "trace"
      cell = trace.cell
      ticks = trace.rounds
    }
  }

  public static func write(_ traces: [ComputeTrace], to path: String) throws {
    try AtomicFile.write(try traces.map { try JSONFile.encodeLine(Line($0)) }.joined(), to: path)
  }

  /// The traces of that file that a profile refers to.
  ///
  /// - Parameter profile: path of the profile, for messages.
  /// - Throws: `FileError` where the file is missing, or a trace is missing in it or is not the one that the profile
  ///   was made from.
  static func read(
    _ path: String, wanted: [TraceReference], profile: String
  ) throws(FileError) -> [TraceReference: ComputeTrace] {
    let remedy =
      "put the file back that was written with the profile, or measure again with planner profile; "
      + "planner profile show needs no traces"
    let text: String
    do {
      text = try AtomicFile.read(path)
    } catch {
      let problem = error.problems.first?.message ?? "cannot be read"
      throw FileError(
        error.kind, [FileProblem(file: path, message: "the traces of \(profile): \(problem)", remedy: remedy)])
    }
    var problems: [FileProblem] = []
    var found: [TraceReference: ComputeTrace] = [:]
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    where !line.isEmpty {
      do {
        let trace = try decode(String(line), path)
        found[trace.reference] = trace
      } catch {
        let message = error.problems.first.map { ($0.key.map { "\($0) " } ?? "") + $0.message } ?? "cannot be read"
        problems.append(FileProblem(file: path, line: index + 1, message: message, remedy: remedy))
      }
    }
    for reference in wanted where found[reference] == nil && problems.isEmpty {
      let isThere = found.keys.contains { $0.cell == reference.cell }
      problems.append(
        FileProblem(
          file: path,
          message: isThere
            ? "the trace of '\(reference.cell)' is damaged, or not the one that \(profile) was made from"
            : "has no trace of '\(reference.cell)', which \(profile) refers to",
          remedy: remedy))
    }
    if !problems.isEmpty { throw FileError(.badData, problems) }
    return found
  }

  private static func decode(_ line: String, _ path: String) throws(FileError) -> ComputeTrace {
    let value = try JSONFile.decode(
      Line.self, from: line, path: path, kind: "trace", schemaVersion: schemaVersion)
    guard value.ticks.allSatisfy({ $0.allSatisfy { (0...ComputeTrace.mostTicks).contains($0) } }) else {
      throw FileError(.badData, [FileProblem(file: path, key: "ticks", message: "has a time that is not possible")])
    }
    return ComputeTrace(cell: value.cell, rounds: value.ticks)
  }
}
