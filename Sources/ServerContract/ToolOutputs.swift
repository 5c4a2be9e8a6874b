/// One line of JSON of `model-server measure`: the forward passes of one cell.
public struct MeasuredCell: Codable, Hashable, Sendable {
  /// Length of each pass's one row.
  public var tokens: Int
  /// Threads of each pass.
  public var threads: Int
  /// Passes under way at once.
  public var concurrency: Int
  /// Models that were loaded, and gone round.
  public var residentModels: Int
  /// Seconds of each pass.
  public var samples: [Double]
  /// Mean of the models that were loaded, seconds.
  public var loadSeconds: Double
  /// Mean time of the models' first passes, seconds.
  public var firstRunSeconds: Double
  /// What one more model adds to the process's memory.
  public var memoryPerModelBytes: Int64
  /// The process's memory without its models.
  public var serverMemoryBytes: Int64
  /// Parameters and buffers of one model.
  public var weightBytes: Int64

  public init(
    tokens: Int, threads: Int, concurrency: Int, residentModels: Int, samples: [Double], loadSeconds: Double,
    firstRunSeconds: Double, memoryPerModelBytes: Int64, serverMemoryBytes: Int64, weightBytes: Int64
  ) {
    self.tokens = tokens
    self.threads = threads
    self.concurrency = concurrency
    self.residentModels = residentModels
    self.samples = samples
    self.loadSeconds = loadSeconds
    self.firstRunSeconds = firstRunSeconds
    self.memoryPerModelBytes = memoryPerModelBytes
    self.serverMemoryBytes = serverMemoryBytes
    self.weightBytes = weightBytes
  }
}

/// The line of JSON of `model-server info`.
public struct EngineInfo: Codable, Hashable, Sendable {
  /// Name of the engine's library.
  public var name: String
  /// Version of that library, such as `1.13.1`.
  public var version: String
  /// What the library says of its threads, OpenMP and BLAS.
  public var configuration: String?

  public init(name: String, version: String, configuration: String) {
    self.name = name
    self.version = version
    self.configuration = configuration
  }
}

/// A line of JSON of `model-server synthesize`, after each model.
public struct SynthesisProgress: Codable, Hashable, Sendable {
  /// Models that are written.
  public var done: Int

  public init(done: Int) { self.done = done }
}
