import ArgumentParser
import Foundation
import LoadTest
import PlannerCore
import ServerContract

/// Sends Poisson arrivals to one served model and prints what a request took beside its queue, its batch and its
/// forward pass: HTTP, tokenizer, hand-over and loopback, as the client sees them.
@main
struct OpenLoop: ParsableCommand {
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
    /// How late the client was; part of the overheads.
    var lagP99: Double
  }

  func validate() throws {
    guard rate > 0, rate < 1e6 else { throw ValidationError("--rate must be above 0 and below 1000000") }
    guard seconds > 0 else { throw ValidationError("--seconds must be above 0") }
  }

  func run() throws {
    let schedule = Schedule.make(
      models: 1, ratePerModelPerSecond: rate, arrivals: .poisson, durationSeconds: seconds, seed: seed)
    let request = try RequestTemplate(host: "127.0.0.1", port: port).text(model: model, tokens: tokens, index: 0)
    let due = schedule.requests.map(\.due.seconds)
    var client = try PollingClient(port: port)
    let samples = try client.run(dueSeconds: due, request: request.bytes, cpu: cpu)
    var overheads: [Double] = []
    var passes: [Double] = []
    var lags: [Double] = []
    for (due, sample) in zip(due, samples) where due >= seconds / 4 {
      guard let text = PollingClient.field(TimingsHeader.name, of: sample.head[...]),
        let timings = ServerTimings(header: text)
      else { throw ValidationError("an answer does not carry its timings") }
      overheads.append(
        sample.latencySeconds - timings.queueSeconds - timings.batchWaitSeconds - timings.computeSeconds)
      passes.append(timings.computeSeconds)
      lags.append(sample.lagSeconds)
    }
    lags.sort()
    overheads.sort()
    passes.sort()
    let figures = Figures(
      requests: overheads.count, requestsPerSecond: Double(overheads.count) / (seconds * 0.75),
      overheadP50: overheads.quantile(0.5), overheadP99: overheads.quantile(0.99), computeP50: passes.quantile(0.5),
      lagP99: lags.quantile(0.99))
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    FileHandle.standardOutput.write(try encoder.encode(figures) + Data("\n".utf8))
  }
}
