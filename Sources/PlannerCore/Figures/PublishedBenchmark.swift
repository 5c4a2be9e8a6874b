/// A published latency of one model on one processor, good for planning with.
public struct PublishedBenchmark: Codable, Hashable, Sendable {
  /// Instance families that have this processor, such as `["inf2"]`.
  public var instanceFamilies: [String]
  /// The type on which it was taken; on another size of the family it is an estimate.
  public var measuredOn: String
  public var architecture: String
  public var precision: Precision
  public var tokens: Int
  public var batch: Int
  /// What is known of the distribution, seconds; the keys are `mean`, `p50`, `p90`, `p95`, `p99`.
  public var seconds: [String: Double]
  /// Requests that one device computes at once, each in a core with a queue and models of its own.
  public var coresPerAccelerator: Int
  public var source: String

  private enum CodingKeys: String, CodingKey {
    case instanceFamilies, measuredOn, architecture = "modelFamily", precision, tokens, batch, seconds,
      coresPerAccelerator, source
  }

  public init(
    instanceFamilies: [String], measuredOn: String, architecture: String, precision: Precision, tokens: Int,
    batch: Int, seconds: [String: Double], coresPerAccelerator: Int, source: String
  ) {
    self.instanceFamilies = instanceFamilies
    self.measuredOn = measuredOn
    self.architecture = architecture
    self.precision = precision
    self.tokens = tokens
    self.batch = batch
    self.seconds = seconds
    self.coresPerAccelerator = coresPerAccelerator
    self.source = source
  }
}

/// The size of an architecture as its authors publish it.
public struct PublishedArchitecture: Codable, Hashable, Sendable {
  public var name: String
  /// Number of weights of one model, embeddings included.
  public var parameters: Int
  public var source: String

  public init(name: String, parameters: Int, source: String) {
    self.name = name
    self.parameters = parameters
    self.source = source
  }
}
