import ArgumentParser
import Executor
import Foundation
import PlannerCore
import PlannerFiles
import Profiler
import Reporting

/// A case as the command line names it.
typealias ProfileCaseArgument = ProfileRequest.Case

extension ProfileRequest.Case {
  /// The argument that profiles what a workload needs.
  static func describe(_ workload: Workload) -> String {
    "\(workload.family):\(workload.tokens)" + (workload.vocabulary.map { ":\($0)" } ?? "")
  }
}

struct ProfileCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "profile",
    abstract: "Measure this machine: latency and memory of models, and the library settings that make it fastest.",
    subcommands: [Measure.self, Show.self, Diff.self, Check.self], defaultSubcommand: Measure.self)

  struct Measure: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "measure", abstract: "Measure this machine and write a profile (the default).")

    @Option(
      name: .customLong("case"),
      help: "FAMILY[:TOKENS[,TOKENS…][:VOCABULARY]], repeatable; default: every family at the usual lengths.",
      transform: Arguments.profileCase)
    var cases: [ProfileCaseArgument] = []
    @Option(help: "A model repository to measure instead: models of your own.") var models: String?
    @Option(help: "Lengths for --models, separated by commas.") var tokens = "16,32,128"
    @Option(help: "Precisions, separated by commas.") var precisions = "fp32,bf16,int8"
    @Option(help: "text or tokens: what served requests carry.") var input = "text"
    @Flag(help: "Fewer cells and fewer samples: minutes instead of an hour.") var quick = false
    @Option(help: "Cores kept for the load generator.") var reserveCores = 1
    @Option(help: "Where to write the profile; default: profiles/<cpu>-<cores>c-<date>.json.") var out: String?
    @Option(help: "Seed of models and arrivals.") var seed: UInt64 = 1
    @Flag(help: "Print the profile as one JSON object.") var json = false

    func validate() throws {
      _ = try parsedPrecisions()
      if RequestInput(rawValue: input) == nil { throw ValidationError("--input must be text or tokens") }
      if reserveCores < 0 { throw ValidationError("--reserve-cores must not be negative") }
      if models != nil, !cases.isEmpty { throw ValidationError("name either --models DIR or --case, not both") }
    }

    func run() async throws {
      try await runCommand { [self] in
        let profile = try await measure()
        let path = out ?? defaultPath(profile)
        try JSONFile.write(profile, to: path)
        if json {
          Output.result(try JSONFile.encode(profile))
        } else {
          Output.result(ProfileText.render(profile, style: TextStyle(width: Output.width, isStyled: Output.isTerminal(1))))
        }
        Output.note("profile written to \(path)")
        return .done
      }
    }

    private func measure() async throws -> Profile {
      let lock = try MachineLock.acquire(purpose: "profile")
      defer { lock.release() }
      let host = try HostInfo.fingerprint()
      let scratch = try ScratchFolder()
      defer { scratch.remove() }
      let clock = ContinuousClock()
      let started = clock.now
      let bar: @Sendable (ProfileProgress) -> Void = { progress in
        let elapsed = (clock.now - started) / .seconds(1)
        let line = ProgressLine.render(
          done: progress.doneSteps, of: progress.totalSteps, elapsedSeconds: elapsed, label: progress.label,
          width: Output.width)
        Output.progress(line)
        if !Output.isTerminal(2) { Output.note(line) }
      }
      let servingCores = max(1, try HostInfo.allowedCPUs().count - reserveCores)
      var request = ProfileRequest.standard(quick: quick, servingCores: servingCores, seed: seed)
      if !cases.isEmpty { request.cases = cases }
      request.precisions = try parsedPrecisions()
      request.input = RequestInput(rawValue: input) ?? .text
      let tools = try EngineTools(cpus: CPUSplit.current(servingCores: servingCores), logFolder: scratch.path)
      var run = ProfileRun(
        request: request, host: host,
        installed: LibraryCandidates.debianFolders(architecture: host.architecture).filter {
          $0.folder.map { FileManager.default.fileExists(atPath: $0) } ?? false
        }, inheritedLibraryPath: ProcessInfo.processInfo.environment["LD_LIBRARY_PATH"], scratchFolder: scratch.path,
        tools: tools, progress: bar)
      let profile = try await run.run(measuredAt: Timestamp.now())
      Output.clearProgress()
      return profile
    }

    private func parsedPrecisions() throws -> [Precision] {
      try precisions.split(separator: ",").map { name in
        guard let precision = Precision(rawValue: String(name)) else {
          throw ValidationError("'\(name)' is not a precision; use fp32, bf16, int8")
        }
        return precision
      }
    }

    private func defaultPath(_ profile: Profile) -> String {
      "profiles/\(profile.host.slug)-\(profile.host.cores)c-\(profile.measuredAt.prefix(10)).json"
    }
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Print a profile.")
    @Argument(help: "Profile file.") var profile: String
    @Flag(help: "Print one JSON object.") var json = false

    func run() async throws {
      try await runCommand { [self] in
        let content = try ProfileFile.read(profile)
        Output.result(
          json
            ? try JSONFile.encode(content)
            : ProfileText.render(content, style: TextStyle(width: Output.width, isStyled: Output.isTerminal(1))))
        return .done
      }
    }
  }

  struct Diff: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "diff", abstract: "Compare two profiles: what became faster, slower, larger.")
    @Argument(help: "Profile file.") var before: String
    @Argument(help: "Profile file.") var after: String

    func run() async throws {
      try await runCommand { [self] in
        Output.result(
          ProfileDiffText.render(
            try ProfileFile.read(before), try ProfileFile.read(after),
            style: TextStyle(width: Output.width, isStyled: Output.isTerminal(1))))
        return .done
      }
    }
  }

  struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "check", abstract: "Does a profile hold together, and is it of this machine?")
    @Argument(help: "Profile file.") var profile: String
    @Flag(help: "Print one JSON object.") var json = false

    struct Finding: Encodable {
      var profile: String
      var holds: Bool
      var isThisMachine: Bool
      var violations: [String]
    }

    func run() async throws {
      try await runCommand { [self] in
        let content = try ProfileFile.read(profile)
        let violations = ProfileCheck.violations(content)
        let isHere = content.host.isSameProcessor(as: try HostInfo.fingerprint())
        if json {
          let finding = Finding(
            profile: profile, holds: violations.isEmpty, isThisMachine: isHere, violations: violations)
          Output.result(try JSONFile.encode(finding))
        } else {
          let machine = isHere ? "of this machine" : "of another machine (\(content.host.cpuModel))"
          Output.result(
            violations.isEmpty
              ? "\(profile): holds together; it is \(machine)"
              : "\(profile): does not hold together\n" + violations.map { "  - \($0)" }.joined(separator: "\n"))
        }
        return violations.isEmpty ? .done : .failed
      }
    }
  }
}
