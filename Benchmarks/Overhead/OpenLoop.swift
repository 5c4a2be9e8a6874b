import ArgumentParser
import Foundation
import LoadTest
import PlannerCore

/// Sends Poisson arrivals to one served model and prints what a request took beside its queue, its batch and its
/// forward pass: HTTP, tokenizer, hand-over and loopback, as the client sees them.
@main
struct OpenLoop: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "open-loop", abstract: "Latency of a served model beside its forward pass (scripts/bench-server).")

  @Option(help: "Port of a model-server on this machine.") var port: Int
  @Option(help: "Name of the model.") var model = "model0"
  @Option(help: "Word pieces of each request.") var tokens = 128
  @Option(help: "Requests a second.") var rate: Double
  @Option(help: "Seconds; the first quarter is not counted.") var seconds: Double
  @Option(help: "CPU of the generator.") var cpu: Int?
  @Option(help: "Seed of the arrivals.") var seed: UInt64 = 1

  struct Figures: Encodable {
    var requests: Int
    var requestsPerSecond: Double
    var overheadP50: Double
    var overheadP99: Double
    var computeP50: Double
    var lagP99: Double
    /// Why the generator's own figures say nothing of the server; absent where it kept to its schedule.
    var invalid: String?
  }

  func validate() throws {
    guard rate > 0, seconds > 0 else { throw ValidationError("--rate and --seconds must be above 0") }
  }

  func run() async throws {
    let schedule = Schedule.make(
      models: 1, ratePerModelPerSecond: rate, arrivals: .poisson, durationSeconds: seconds, seed: seed)
    let request = try RequestTemplate(host: "127.0.0.1", port: port).text(model: model, tokens: tokens, index: 0)
    var options = LoadOptions()
    options.cpu = cpu
    options.warmupSeconds = seconds / 4
    let result = try await LoadGenerator(port: port, options: options).run(schedule: schedule, requests: [request])
    var overheads: [Double] = []
    var passes: [Double] = []
    for sample in result.samples {
      guard sample.outcome == .completed, let timings = sample.timings else {
        throw ValidationError("a request was not answered with its timings: \(result)")
      }
      overheads.append(
        sample.latencySeconds - timings.queueSeconds - timings.batchWaitSeconds - timings.computeSeconds)
      passes.append(timings.computeSeconds)
    }
    overheads.sort()
    passes.sort()
    let figures = Figures(
      requests: overheads.count, requestsPerSecond: result.throughputPerSecond, overheadP50: overheads.quantile(0.5),
      overheadP99: overheads.quantile(0.99), computeP50: passes.quantile(0.5), lagP99: result.lagQuantileSeconds(0.99),
      invalid: result.invalidReason)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    FileHandle.standardOutput.write(try encoder.encode(figures) + Data("\n".utf8))
  }
}
