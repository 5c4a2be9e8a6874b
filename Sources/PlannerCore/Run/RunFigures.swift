/// Latency, throughput and memory of one run, predicted or measured.
public struct RunFigures: Codable, Hashable, Sendable {
  /// Median latency, seconds.
  public var p50Seconds: Double
  /// 90th percentile of latency, seconds.
  public var p90Seconds: Double
  /// 95th percentile of latency, seconds.
  public var p95Seconds: Double
  /// 99th percentile of latency, seconds.
  public var p99Seconds: Double
  /// Completed requests a second.
  public var throughputPerSecond: Double
  /// Private memory of the server with its models, bytes.
  public var memoryBytes: Int64
  /// Keys of the percentiles that lie among requests which were not answered: each figure is the client's time limit,
  /// and the true one is at least that. Nil where there are none.
  public var atLeast: [String]?

  public init(
    p50Seconds: Double, p90Seconds: Double, p95Seconds: Double, p99Seconds: Double, throughputPerSecond: Double,
    memoryBytes: Int64, atLeast: [String]? = nil
  ) {
    self.p50Seconds = p50Seconds
    self.p90Seconds = p90Seconds
    self.p95Seconds = p95Seconds
    self.p99Seconds = p99Seconds
    self.throughputPerSecond = throughputPerSecond
    self.memoryBytes = memoryBytes
    self.atLeast = atLeast
  }

  /// Whether the figure of that key is a lower bound.
  public func isAtLeast(_ key: String) -> Bool { atLeast?.contains(key) ?? false }
}

/// A latency distribution for the percentile plot.
public struct LatencyCurve: Codable, Hashable, Sendable {
  /// Ascending, each from 0 to 1.
  public var probabilities: [Double]
  /// Latency at each of `probabilities`, seconds.
  public var seconds: [Double]

  public init(probabilities: [Double], seconds: [Double]) {
    self.probabilities = probabilities
    self.seconds = seconds
  }
}

/// How many requests a run sent, and what became of them: the counts after `sent` add up to it.
public struct RequestOutcomes: Codable, Hashable, Sendable {
  /// Requests that were due in the counted part of the run.
  public var sent = 0
  /// Requests that were answered with a result.
  public var completed = 0
  /// Requests that were turned away at a full queue.
  public var rejected = 0
  /// Requests that were given up after their time limit, by the server or by the client.
  public var timedOut = 0
  /// Requests that were answered with an error, or whose connection broke.
  public var failed = 0

  public init() {}

  /// The counts of two parts of one run.
  public static func + (a: RequestOutcomes, b: RequestOutcomes) -> RequestOutcomes {
    var sum = a
    sum.sent += b.sent
    sum.completed += b.completed
    sum.rejected += b.rejected
    sum.timedOut += b.timedOut
    sum.failed += b.failed
    return sum
  }

  /// Whether every request that was sent has an outcome.
  public var areComplete: Bool { sent == completed + rejected + timedOut + failed }
}
