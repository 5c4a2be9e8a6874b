import AccessLogs
import ArgumentParser
import Foundation
import PlannerCore
import PlannerFiles
import Reporting

struct WorkloadCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "workload", abstract: "Say what a fleet is asked to do.", subcommands: [FromLog.self])

  struct FromLog: ComputingCommand {
    static let configuration = CommandConfiguration(
      commandName: "from-log",
      abstract: "Make a workload from an access log: rates, popularity, burstiness and sizes of its models.",
      discussion: """
        Reads CSV (seconds,model[,size]), the common and combined log formats of nginx and Apache, and Envoy's default \
        format; packed by gzip or not. What a log cannot know (architecture, target, often sizes) is left to be filled \
        in unless it is named here. docs/workloads.md shows a whole case.
        """)

    @Argument(help: "Access log, or - for standard input.") var log: String
    @Option(help: "Workload file to write (YAML); tables go beside it.") var out: String
    @Option(help: "csv, common or envoy; default: found out from the first lines.") var format: String?
    @Option(help: "Model repository whose manifest says each model's architecture; one group is made of each.")
    var models: String?
    @Option(help: "Architecture of all models of the log.") var architecture: String?
    @Option(parsing: .unconditional, help: "Size of every request, such as its tokens.", transform: Arguments.count)
    var size: Int?
    @Option(help: "What requests carry: text, tokens or tensors.") var input = "text"
    @Option(
      name: .customLong("target-p99"), parsing: .unconditional, help: "Target for the 99th percentile, such as 10ms.",
      transform: Arguments.seconds)
    var targetP99: Double?
    @Option(help: "Rates of the whole log (mean), or of its busiest hour or minutes (busiest).") var window = "mean"
    @Option(help: "Name of the workload; default: the log's.") var name: String?
    @Flag(help: "Print one JSON object.") var json = false

    func validate() throws {
      if models != nil, architecture != nil {
        throw ValidationError("--models names the architecture of each model; leave --architecture out")
      }
      if let format, LogFormat(rawValue: format) == nil {
        throw ValidationError("--format must be \(LogFormat.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      if RequestInput(rawValue: input) == nil { throw ValidationError("--input must be text, tokens or tensors") }
      if LogWindow(rawValue: window) == nil { throw ValidationError("--window must be mean or busiest") }
      if let size, size > 100_000 { throw ValidationError("--size must be at most 100000") }
    }

    func compute() throws -> PlannerExit {
      if log != "-", AtomicFile.isSameFile(log, out) {
        throw Failure(.usage, "--out \(out) is the log itself; name another file for the workload")
      }
      let groups = try Groups(manifest: models.map { try RepositoryFile.read(folder: $0) }, architecture: architecture)
      let read = try AccessLog.read(
        log, format: format.flatMap { LogFormat(rawValue: $0) }, groups: groups.groups.count,
        groupOfName: groups.groupOfName
      ) { lines in
        try Task.checkCancellation()
        Output.progress("\(Format.count(lines)) lines")
      }
      Output.clearProgress()
      let making = LogWorkload(
        name: name ?? (log == "-" ? "log" : URL(fileURLWithPath: log).lastPathComponent), groups: groups.groups,
        size: size, input: RequestInput(rawValue: input) ?? .text, targetP99Seconds: targetP99 ?? 1,
        window: LogWindow(rawValue: window) ?? .mean)
      var (workload, findings) = try making.make(read)
      let blanks = blanks(workload)
      findings.blanks = blanks.map(\.key)
      findings.files = try WorkloadFile.write(
        workload, to: out, notes: notes(findings), blanks: WorkloadBlanks(blanks.map(\.blank)))
      Output.result(json ? try JSONFile.encode(findings) : LogText.render(findings, style: Output.style))
      if !blanks.isEmpty {
        let questions = blanks.map { "\($0.key) (\($0.example))" }.joined(separator: ", ")
        Output.note("planner: a log does not know \(questions): fill in what \(out) has as \"?\", or give the options")
      }
      return .done
    }

    private struct Blank {
      var key: String
      var blank: WorkloadBlanks
      var example: String
    }

    /// What neither the log nor an option says.
    private func blanks(_ workload: Workload) -> [Blank] {
      var blanks: [Blank] = []
      if models == nil, architecture == nil {
        blanks.append(
          Blank(key: "architecture", blank: .architecture, example: "--architecture bert-base or --models DIR"))
      }
      if input != RequestInput.tensors.rawValue, workload.groups.contains(where: { $0.requests.sizes == .none }) {
        blanks.append(Blank(key: "size", blank: .size, example: "--size 128, or --input tensors where there is none"))
      }
      if targetP99 == nil { blanks.append(Blank(key: "targetP99", blank: .target, example: "--target-p99 10ms")) }
      return blanks
    }

    /// Comments at the head of the file, for whoever opens it later.
    private func notes(_ findings: LogFindings) -> [String] {
      var notes = ["Made from an access log by: planner workload from-log"]
      if let busiest = findings.busiest {
        notes.append(
          "Mean rate \(Format.rate(findings.ratePerSecond.estimate)); in the busiest "
            + "\(Format.duration(busiest.lengthSeconds)) \(Format.rate(busiest.ratePerSecond))."
            + (findings.window == LogWindow.busiest.rawValue
              ? " Below stands the busiest." : " Below stands the mean; --window busiest takes the other."))
      }
      return notes
    }
  }
}

/// Models by architecture, as a manifest says, or all as one.
private struct Groups {
  let groups: [LogGroup]
  let groupOfName: (String) -> Int?

  init(manifest: RepositoryManifest?, architecture: String?) {
    guard let manifest else {
      let name = architecture ?? "all"
      groups = [LogGroup(name: name, architecture: architecture ?? name)]
      groupOfName = { _ in 0 }
      return
    }
    var groups: [LogGroup] = []
    var places: [String: Int] = [:]
    var groupOfModel: [String: Int] = [:]
    for model in manifest.models {
      let place = places[model.architecture] ?? groups.count
      if place == groups.count {
        places[model.architecture] = place
        groups.append(LogGroup(name: model.architecture, architecture: model.architecture))
      }
      groupOfModel[model.name] = place
      // A variant is another form of a model, and counts as one of its own only where it is asked by name.
      if model.agreement == nil { groups[place].models.append(model.name) }
    }
    self.groups = groups
    groupOfName = { [groupOfModel] in groupOfModel[$0] }
  }
}
