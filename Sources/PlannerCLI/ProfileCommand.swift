import ArgumentParser
import Executor
import Foundation
import PlannerCore
import PlannerFiles
import Profiler
import Reporting

struct ProfileCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "profile",
    abstract: "Measure this machine: latency and memory of models, and the library settings that make it fastest.",
    subcommands: [Measure.self, Show.self, Diff.self, Check.self], defaultSubcommand: Measure.self)

  struct Measure: PlannerCommand {
    static let configuration = CommandConfiguration(
      commandName: "measure", abstract: "Measure this machine and write a profile (the default).")

    @Option(
      name: .customLong("case"),
      help: "FAMILY[:TOKENS[,TOKENS…][:VOCABULARY]], repeatable; default: every family at the usual lengths.",
      transform: Arguments.profileCase)
    var cases: [ProfileCase] = []
    @Option(help: "A model repository to measure instead: models of your own.") var models: String?
    @Option(help: "A workload file: measure its architectures, at the sizes of its requests.") var workload: String?
    @Option(
      help: "Sizes of requests for --models, separated by commas; default: the workload's, or a spread.",
      transform: Arguments.sizes)
    var tokens: [Int]?
    @Option(help: "Precisions, separated by commas; default: fp32,bf16,int8, with --quick fp32,int8.")
    var precisions: String?
    @Option(help: "text or tokens: what served requests carry; default: text where there is a vocabulary.")
    var input: String?
    @Flag(help: "Fewer cells and fewer samples: minutes instead of an hour.") var quick = false
    @Option(parsing: .unconditional, help: "Cores kept for the load generator.") var reserveCores = 1
    @Option(help: "Where to write the profile; default: profiles/<cpu>-<cores>c-<date>.json.") var out: String?
    @Option(parsing: .unconditional, help: "Seed of models and arrivals.") var seed: UInt64 = 1
    @Flag(help: "Print the profile as one JSON object.") var json = false

    func validate() throws {
      _ = try parsedPrecisions()
      if let input, !["text", "tokens"].contains(input) { throw ValidationError("--input must be text or tokens") }
      if reserveCores < 0 { throw ValidationError("--reserve-cores must not be negative") }
      if models != nil || workload != nil, !cases.isEmpty {
        throw ValidationError("name --models DIR and --workload FILE, or --case: not both")
      }
      if tokens != nil, models == nil { throw ValidationError("--tokens goes with --models; a --case has its own") }
    }

    func execute() async throws -> PlannerExit {
      let lock = try MachineLock.acquire(purpose: "profile")
      defer { lock.release() }
      let scratch = try ScratchFolder()
      defer { scratch.remove() }
      let host = try HostInfo.fingerprint()
      if host.isThrottled { Output.note(Phrases.throttled(host)) }
      var run = try await makeRun(host, scratch)
      let checkpoint = CheckpointFile(path: checkpointPath(host))
      let profile: Profile
      do {
        profile = try await run.run(
          measuredAt: Timestamp.now(), checkpoint: ProfileCheckpoint(file: checkpoint)
        ) { Self.report($0, checkpoint.path) }
      } catch {
        Output.note("what was measured so far is in \(checkpoint.path); the same command goes on from there")
        throw error
      }
      return try write(profile, checkpoint)
    }

    private static func report(_ found: ProfileCheckpoint.Resumption, _ path: String) {
      if let reason = found.reasonToStartAnew {
        Output.note("starting anew: \(path) is of an earlier run, but \(reason)")
      } else if found.cells > 0 {
        Output.note("resuming: \(found.cells) of \(found.of) cells are there (\(path))")
      }
    }

    private func write(_ profile: Profile, _ checkpoint: CheckpointFile) throws -> PlannerExit {
      Output.clearProgress()
      let path = out ?? defaultPath(profile)
      try ProfileFile.write(profile, to: path)
      checkpoint.remove()
      Output.result(json ? try JSONFile.encode(profile) : ProfileText.render(profile, style: Output.style))
      Output.note("profile written to \(path)")
      return .done
    }

    private func makeRun(_ host: HostFingerprint, _ scratch: ScratchFolder) async throws -> ProfileRun {
      let servingCores = max(1, host.usableCPUs - reserveCores)
      let tools = try ModelServerTools(cpus: CPUSplit.current(servingCores: servingCores), logFolder: scratch.path)
      var request = ProfileRequest.standard(quick: quick, servingCores: servingCores, seed: seed)
      let asked = try workload.map { try WorkloadFile.read($0) }
      if let precisions = try parsedPrecisions() { request.precisions = precisions }
      request.input = input.flatMap(RequestInput.init(rawValue:)) ?? .text
      if let models {
        request.repositories = try await repositories(models, asked, tools)
      } else if let asked {
        request.cases = try presets(of: asked)
      }
      if !cases.isEmpty { request.cases = cases }
      if asked != nil || models != nil {
        request.purpose = ProfilePurpose(workload: asked?.name, repository: models)
      }
      return ProfileRun(
        request: request, host: host,
        installed: LibraryCandidates.debianFolders(architecture: host.architecture).filter {
          $0.folder.map { FileManager.default.fileExists(atPath: $0) } ?? false
        }, inheritedLibraryPath: ProcessInfo.processInfo.environment["LD_LIBRARY_PATH"], scratchFolder: scratch.path,
        tools: tools, progress: Self.progressBar())
    }

    /// A line that is overwritten on a terminal, and one line a step elsewhere.
    private static func progressBar() -> @Sendable (ProfileProgress) -> Void {
      let clock = ContinuousClock()
      let started = clock.now
      return { progress in
        let line = ProgressLine.render(
          done: progress.doneSteps, of: progress.totalSteps, elapsedSeconds: (clock.now - started) / .seconds(1),
          label: progress.label, width: Output.width)
        if Output.isTerminal(2) { Output.progress(line) } else { Output.note(line) }
      }
    }

    /// The architectures of a folder, each measured once.
    private func repositories(
      _ folder: String, _ asked: Workload?, _ tools: ModelServerTools
    ) async throws -> [ProfileRequest.Repository] {
      let inspection = try await tools.inspect(folder) { Output.progress($0) }
      Output.clearProgress()
      if let name = inspection.ambiguousNames.first {
        throw Failure(
          .badData,
          "\(folder): \(RepositoryManifest.fileName) calls models of several architectures '\(name)'; give each a "
            + "family of its own, or leave family out, so that figures are of one architecture")
      }
      let own = OwnModels(
        inspection, workload: asked, sizes: tokens, input: input.flatMap(RequestInput.init(rawValue:)), quick: quick)
      for sentence in own.omissions { Output.note(sentence) }
      guard !own.repositories.isEmpty else { throw Failure(.badData, "\(folder): holds nothing to measure") }
      if inspection.architectures.contains(where: \.isNameMade) {
        Output.note("plans look models up by the names measured here; planner model index \(folder) writes them down")
      }
      return own.repositories
    }

    /// A workload's architectures that can be synthesized, at its sizes.
    private func presets(of asked: Workload) throws -> [ProfileCase] {
      try asked.groups.map { group in
        guard let preset = ArchitecturePreset(rawValue: group.architecture) else {
          throw Failure(
            .usage, "\(group.architecture) models cannot be synthesized; name the folder that holds them with --models")
        }
        return ProfileCase(
          architecture: preset, vocabulary: group.vocabulary, tokens: OwnModels.sizes(group.requests.sizes))
      }
    }

    private func parsedPrecisions() throws -> [Precision]? {
      try precisions?.split(separator: ",").map { name in
        guard let precision = Precision(rawValue: String(name)) else {
          throw ValidationError("'\(name)' is not a precision; use fp32, bf16, int8")
        }
        return precision
      }
    }

    private func defaultPath(_ profile: Profile) -> String {
      "\(Self.place(profile.host))-\(profile.measuredAt.prefix(10)).json"
    }

    /// Beside the profile; without its date, which a run that goes on tomorrow would not find.
    private func checkpointPath(_ host: HostFingerprint) -> String {
      guard let out else { return Self.place(host) + ".partial" }
      return (out.hasSuffix(".json") ? String(out.dropLast(5)) : out) + ".partial"
    }

    private static func place(_ host: HostFingerprint) -> String { "profiles/\(host.slug)-\(host.cores)c" }
  }

  struct Show: ComputingCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Print a profile.")
    @Argument(help: "Profile file.") var profile: String
    @Flag(help: "Print one JSON object.") var json = false

    func compute() throws -> PlannerExit {
      let content = try ProfileFile.read(profile, traces: .left)
      Output.result(
        json
          ? try JSONFile.encode(content)
          : ProfileText.render(content, style: Output.style))
      return .done
    }
  }

  struct Diff: ComputingCommand {
    static let configuration = CommandConfiguration(
      commandName: "diff", abstract: "Compare two profiles: what became faster, slower, larger.")
    @Argument(help: "Profile file.") var before: String
    @Argument(help: "Profile file.") var after: String

    func compute() throws -> PlannerExit {
      Output.result(
        ProfileDiffText.render(
          try ProfileFile.read(before, traces: .left), try ProfileFile.read(after, traces: .left),
          style: Output.style))
      return .done
    }
  }

  struct Check: ComputingCommand {
    static let configuration = CommandConfiguration(
      commandName: "check", abstract: "Does a profile hold together, and is it of this machine?")
    @Argument(help: "Profile file.") var profile: String
    @Flag(help: "Print one JSON object.") var json = false

    struct Finding: Encodable {
      var profile: String
      var holds: Bool
      var isThisMachine: Bool
      /// The control group of the measuring process granted less time than its CPUs have.
      var isThrottled: Bool
      var violations: [String]
    }

    func compute() throws -> PlannerExit {
      let content = try ProfileFile.read(profile)
      let violations = ProfileCheck.violations(content)
      let here = try HostInfo.fingerprint()
      let speaks = content.speaksFor(here.machine)
      if json {
        let finding = Finding(
          profile: profile, holds: violations.isEmpty, isThisMachine: speaks && !content.host.isThrottled,
          isThrottled: content.host.isThrottled, violations: violations)
        Output.result(try JSONFile.encode(finding))
      } else {
        Output.result(
          violations.isEmpty
            ? "\(profile): holds together; it is \(Phrases.whose(content, here: here))"
            : "\(profile): does not hold together\n" + violations.map { "  - \($0)" }.joined(separator: "\n"))
      }
      return violations.isEmpty ? .done : .failed
    }
  }
}
