import ArgumentParser
import PlannerCore
import PlannerFiles
import Reporting

struct ReportCommand: ComputingCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Print a finished run and write its page again.")

  @Argument(help: "The run's folder under reports/, or its run.json.") var run: String
  @Flag(help: "Print one JSON object.") var json = false

  func compute() throws -> PlannerExit {
    let path = run.hasSuffix(".json") ? run : run + "/run.json"
    let record = try JSONFile.read(
      RunRecord.self, from: path, kind: RunRecord.kind, schemaVersion: RunRecord.schemaVersion,
      oldest: RunRecord.oldestVersion)
    let page =
      path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/") + "/index.html"
    try AtomicFile.write(HTMLReport.render(record), to: page)
    Output.result(
      json
        ? try JSONFile.encode(record)
        : RunText.render(record, style: Output.style))
    Output.note("report written to \(page)")
    return .done
  }
}
