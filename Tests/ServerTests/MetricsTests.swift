import Foundation
import PlannerCore
import Serving
import TestSupport
import Testing

/// What the server counts, without a server.
@Suite struct MetricsTests {
  static func filled(_ variants: [Precision] = Precision.allCases) -> ServerMetrics {
    let metrics = ServerMetrics()
    var random = RandomStream(seed: 3, stream: "metrics", index: 0)
    for variant in variants {
      for _ in 0..<500 {
        let total = 0.0001 * pow(600_000, random.uniform())
        metrics.completed(
          totalSeconds: total,
          timings: RequestTimings(
            queueSeconds: total / 4, batchWaitSeconds: total / 8, computeSeconds: total / 2, ahead: 1, batchSize: 3),
          missWaitSeconds: total / 8, variant: variant, transport: .grpc)
      }
    }
    for status in [400, 401, 404, 408, 413, 429, 500, 503, 504] { metrics.failed(status: status) }
    return metrics
  }

  static func situation(models: Int, nameBytes: Int) -> ServerMetrics.Situation {
    var situation = ServerMetrics.Situation()
    situation.models = (0..<models).map { index in
      let name = "m\(index)-" + String(repeating: "x", count: nameBytes)
      return ServerMetrics.ModelReading(
        name: String(name.prefix(nameBytes)), requests: 1_234_567_890, failures: 123_456, queueSeconds: 12345.678901234,
        computeSeconds: 1234567.890123, loads: 12345)
    }
    return situation
  }

  @Test(arguments: [12, 40, 63, 250, 2000]) func threeThousandModelsFitIntoTwoMegabytes(_ nameBytes: Int) {
    let text = Self.filled().text(Self.situation(models: 3000, nameBytes: nameBytes))
    #expect(text.count <= 2_000_000, "\(text.count) bytes")
    let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
    let left = lines.first { $0.hasPrefix("model_server_model_families_left_out ") }
    #expect(nameBytes > 40 || left == "model_server_model_families_left_out 0", "\(left ?? "")")
  }

  @Test func bucketsAreNarrowWhereTargetsLie() {
    let bounds = BucketBounds.seconds.upper
    for (lower, upper) in zip(bounds, bounds.dropFirst()) {
      #expect(upper > lower)
      if lower >= 0.001, upper <= 1 { #expect(upper / lower <= 1.05, "\(lower) to \(upper)") }
    }
    #expect(bounds.contains(0.001) && bounds.contains(0.1) && bounds.contains(60))
    #expect(bounds.count < 250)
  }

  /// A bucket's bound belongs to it, as Prometheus has it.
  @Test func valuesComeIntoTheirBuckets() {
    let bounds = BucketBounds.seconds
    for (index, upper) in bounds.upper.enumerated() {
      #expect(bounds.bucket(upper) == index)
      #expect(bounds.bucket(upper.nextUp) == index + 1)
    }
    let histogram = LatencyHistogram(.seconds)
    for value in [-1, 0, .nan, 1e300, 0.00011] { histogram.record(value) }
    let reading = histogram.reading
    #expect(reading.count == 5 && reading.counts.first == 3 && reading.counts.last == 1 && reading.sum.isFinite)
  }

  @Test func nothingIsLostBetweenThreads() {
    let histogram = LatencyHistogram(.seconds)
    DispatchQueue.concurrentPerform(iterations: 16) { thread in
      for index in 0..<20_000 { histogram.record(Double(index % 100) / 1000) }
    }
    #expect(histogram.reading.count == 320_000)
    #expect(abs(histogram.reading.sum - 16 * 200 * 4.95) < 1e-6)
  }

  @Test func promtoolHasNothingToSay() throws {
    var situation = Self.situation(models: 3, nameBytes: 20)
    situation.models[0].name = "quote\" back\\slash \nline ü"
    let said = try Promtool.check(Self.filled().text(situation))
    #expect(said == "")
    // It does say something where there is something to say.
    #expect(try Promtool.check(Array("# TYPE a_total gauge\na_total{b=\"\\x\"} 1\n".utf8)) != "")
  }
}

enum Promtool {
  /// What `promtool check metrics` says of an answer.
  static func check(_ text: [UInt8]) throws -> String {
    let folder = try TemporaryFolder()
    let path = folder.path + "/metrics"
    try Data(text).write(to: URL(fileURLWithPath: path))
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Tools.promtool)
    process.arguments = ["check", "metrics"]
    process.standardInput = FileHandle(forReadingAtPath: path)
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let said = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return String(decoding: said, as: UTF8.self) + (process.terminationStatus == 0 ? "" : " exit code")
  }
}
