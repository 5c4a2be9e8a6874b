import ArgumentParser
import LoadTest
import PlannerCore
import PlannerFiles

/// Loads a server that is already there, for benchmarks: only on this machine.
struct LoadCommand: PlannerCommand {
  static let configuration = CommandConfiguration(
    commandName: "load", abstract: "Ask the models of a server on this machine, open-loop, and print what came back.",
    shouldDisplay: false)

  @Option(help: "Port on 127.0.0.1.") var port: Int
  @Option(help: "Models, called model0, model1, …", transform: Arguments.count) var models: Int
  @Option(help: "Requests a second, over all models alike.") var rate: Double
  @Option(help: "Tokens of a request.") var tokens = 32
  @Option(help: "Token ids are drawn below it.") var vocab = 2000
  @Option(help: "Seconds that are counted.") var seconds = 20.0
  @Option(help: "Seconds before them.") var warmup = 3.0
  @Option(help: "The same seed sends the same requests at the same times.") var seed: UInt64 = 1

  func validate() throws {
    guard rate > 0, seconds > 0, warmup >= 0, seconds + warmup <= 3600 else {
      throw ValidationError("--rate and --seconds must be above 0, together with --warmup at most an hour")
    }
    guard (1...512).contains(tokens), vocab > 0 else { throw ValidationError("--tokens must be 1 to 512") }
  }

  struct Result: Encodable {
    var requests: Int
    var completed: Int
    var notCompleted: Int
    var valid: Bool
    var p50Seconds: Double
    var p99Seconds: Double
    /// Latency quantile p99 of requests whose model was in memory, seconds.
    var hitP99Seconds: Double?
    /// Latency quantile p99 of requests that waited for their model, seconds.
    var missP99Seconds: Double?
    var misses: Int
    var invalidReason: String?
  }

  func execute() async throws -> PlannerExit {
    let template = RequestTemplate(host: "127.0.0.1", port: port)
    let requests = (0..<models).map { index in
      template.tokens(model: "model\(index)", tokens: tokens, vocabulary: vocab, seed: seed, index: index)
    }
    let schedule = Schedule.make(
      models: models, ratePerModelPerSecond: rate / Double(models), arrivals: .poisson,
      durationSeconds: seconds + warmup, seed: seed)
    var options = LoadOptions()
    options.warmupSeconds = warmup
    let result = try await LoadGenerator(port: port, options: options).run(schedule: schedule, requests: requests)
    let answered = result.samples.filter { $0.outcome == .completed }
    let misses = answered.filter { $0.timings?.loadSeconds != nil }
    let hits = answered.filter { $0.timings?.loadSeconds == nil }
    let latencies = result.latenciesSeconds
    Output.result(
      try JSONFile.encode(
        Result(
          requests: result.samples.count, completed: answered.count,
          notCompleted: result.samples.count - answered.count,
          valid: result.valid, p50Seconds: latencies.quantile(0.5), p99Seconds: latencies.quantile(0.99),
          hitP99Seconds: Self.p99(hits), missP99Seconds: Self.p99(misses), misses: misses.count,
          invalidReason: result.invalidReason)))
    return .done
  }

  private static func p99(_ samples: [LoadSample]) -> Double? {
    samples.isEmpty ? nil : samples.map(\.latencySeconds).sorted().quantile(0.99)
  }
}
