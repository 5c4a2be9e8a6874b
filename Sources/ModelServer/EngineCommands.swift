import ArgumentParser
import Engine
import EngineTools
import Foundation
import PlannerCore
import ServerContract

extension ArchitecturePreset: ExpressibleByArgument {}
extension Precision: ExpressibleByArgument {}

struct Synthesize: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: ServerCommand.synthesize.rawValue,
    abstract: "Write different models with random weights (planner model synth calls this).")

  @Option(name: .of(.family), help: "bert-tiny, bert-mini, minilm or bert-base.") var family: ArchitecturePreset
  @Option(name: .of(.count), help: "How many.") var count: Int
  @Option(name: .of(.seed), help: "The same seed writes the same models.") var seed: UInt64 = 1
  @Option(name: .of(.out), help: "Folder to write them to.") var out: String
  @Option(name: .of(.precision), help: "fp32, bf16 or int8.") var precision: Precision = .fp32
  @Option(name: .of(.vocab), help: "Size of the vocabulary; default: the family's own.") var vocab: Int?

  func validate() throws {
    guard (1...1_000_000).contains(count) else { throw ValidationError("--count must be 1 to 1000000") }
    if let vocab, !(200...1_000_000).contains(vocab) { throw ValidationError("--vocab must be 200 to 1000000") }
  }

  func run() async throws {
    await runCommand {
      try Engine.initialize()
      let synthesizer = Synthesizer(family: family, vocabulary: vocab, precision: precision, seed: seed)
      try synthesizer.write(count: count, to: out) { done in try? printLine(SynthesisProgress(done: done)) }
    }
  }
}

struct Measure: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: ServerCommand.measure.rawValue,
    abstract: "Time forward passes of the bare engine (planner profile calls this).")

  @Option(name: .of(.repository), help: "Folder of models.") var repository: String
  @Option(name: .of(.tokens), help: "Lengths, separated by commas.") var tokens = NumberList([128])
  @Option(name: .of(.threads), help: "Threads of a pass, separated by commas.") var threads = NumberList([1])
  @Option(name: .of(.concurrency), help: "Passes at once.") var concurrency = 1
  @Option(name: .of(.seconds), help: "Seconds of each cell.") var seconds = 2.0
  @Option(name: .of(.models), help: "Models to load and go round.") var models = 1
  @Option(name: .of(.seed), help: "Seed of the order in which models are asked.") var seed: UInt64 = 1
  @Option(name: .of(.pinWorkers), help: "CPUs of the measuring threads, in turn.") var pinWorkers: NumberList?
  @Flag(help: "Pass after pass on one thread, without the server's handing over in between.") var backToBack = false
  @OptionGroup var processor: ProcessorOptions

  func validate() throws {
    guard tokens.numbers.allSatisfy({ (1...1_000_000).contains($0) }) else {
      throw ValidationError("--tokens must be 1 to 1000000")
    }
    guard threads.numbers.allSatisfy({ (1...1024).contains($0) }) else {
      throw ValidationError("--threads must be 1 to 1024")
    }
    guard (1...1024).contains(concurrency) else { throw ValidationError("--concurrency must be 1 to 1024") }
    guard seconds >= 0, seconds <= 3600 else { throw ValidationError("--seconds must be 0 to 3600") }
    guard models >= 1 else { throw ValidationError("--models must be at least 1") }
  }

  func run() async throws {
    await runCommand {
      try Engine.initialize()
      try processor.apply()
      let measurement = ForwardMeasurement(
        folder: repository, tokens: tokens.numbers, threads: threads.numbers, concurrency: concurrency,
        seconds: seconds, models: models, seed: seed, cpus: pinWorkers?.numbers ?? [], isBackToBack: backToBack)
      try await measurement.run { try printLine($0) }
    }
  }
}

struct Info: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: ServerCommand.info.rawValue, abstract: "Say which engine this is, as JSON.")

  func run() async throws {
    await runCommand {
      try Engine.initialize()
      try printLine(EngineInfo(name: "libtorch", version: Engine.version, configuration: Engine.configuration))
    }
  }
}

struct ProbeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: ServerCommand.probe.rawValue,
    abstract: "Load and run a model whose code is new, so that a crash is this process's own.",
    shouldDisplay: false)

  @Option(name: .of(.model), help: "Model file.") var model: String
  @Option(name: .of(.description), help: "What the repository says of it, as a manifest's entry in JSON.")
  var description: String
  @Option(name: .of(.tokens), help: "Length of the run, in tokens.") var tokens = 32
  @Option(name: .of(.timeLimit), help: "Seconds until the process is ended.") var timeLimit = 60
  @Option(name: .of(.memoryLimit), help: "Bytes of memory beyond what the library takes.") var memoryLimit: Int64?
  @OptionGroup var processor: ProcessorOptions

  func run() throws {
    try Engine.initialize()
    try processor.apply()
    let code = Probe.run(
      model: model, description: description, tokens: max(1, tokens), timeLimitSeconds: timeLimit,
      memoryLimitBytes: memoryLimit)
    if code != 0 { throw ExitCode(code) }
  }
}

struct CycleCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cycle", abstract: "Load, ask and unload models over and over, and print how memory drifts.",
    shouldDisplay: false)

  @Option(name: .of(.repository), help: "Folder of models.") var repository: String
  @Option(help: "Cycles before the first look at memory.") var warmup = 50
  @Option(help: "Cycles between the first look and the second.") var cycles = 200

  func run() async throws {
    await runCommand {
      try Engine.initialize()
      try Engine.setThreads(1)
      let measurement = CycleMeasurement(repository: repository, warmupCycles: warmup, cycles: cycles)
      try printLine(try await measurement.run())
    }
  }
}
