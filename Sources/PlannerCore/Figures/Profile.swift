/// What was measured on one machine: times as distributions, memory, and the settings that made it fastest.
public struct Profile: Codable, Sendable {
  public static let schemaVersion = 1

  public var schemaVersion: Int
  public var kind: String
  public var host: HostFingerprint
  /// ISO 8601, UTC.
  public var measuredAt: String
  /// A quick profile covers fewer cells with fewer samples; `planner profile` without `--quick` covers all.
  public var quick: Bool
  public var engine: EngineIdentity
  /// The fastest library settings that were found, and every trial they were chosen from.
  public var settings: LibrarySettings
  public var trials: [SettingsTrial]
  /// Private memory of a server without a model, bytes.
  public var serverMemoryBytes: Int64
  public var models: [ModelProfile]

  public init(
    host: HostFingerprint, measuredAt: String, quick: Bool, engine: EngineIdentity, settings: LibrarySettings,
    trials: [SettingsTrial], serverMemoryBytes: Int64, models: [ModelProfile]
  ) {
    schemaVersion = Self.schemaVersion
    kind = "profile"
    self.host = host
    self.measuredAt = measuredAt
    self.quick = quick
    self.engine = engine
    self.settings = settings
    self.trials = trials
    self.serverMemoryBytes = serverMemoryBytes
    self.models = models
  }

  /// Names the profile where a figure is quoted.
  public var provenance: Provenance {
    Provenance(.measured, source: "\(host.cpuModel), \(host.cores) cores, \(measuredAt)\(quick ? ", quick" : "")")
  }
}

public struct EngineIdentity: Codable, Hashable, Sendable {
  public var name: String
  public var version: String
  public init(name: String, version: String) {
    self.name = name
    self.version = version
  }
}

/// Library settings of the process that computes; they are chosen before it starts.
public struct LibrarySettings: Codable, Hashable, Sendable {
  /// `default`, or the flavour of BLAS put first in the library path: `openblas-openmp`, `openblas-pthread`.
  public var blas: String
  /// Kernel family that OpenBLAS is told to use; nil leaves its own detection.
  public var coreType: String?
  /// The environment variables that bring these settings about.
  public var environment: [String: String]

  public init(blas: String, coreType: String?, environment: [String: String]) {
    self.blas = blas
    self.coreType = coreType
    self.environment = environment
  }
}

/// One combination of settings that was tried, with the time of the reference forward pass.
public struct SettingsTrial: Codable, Hashable, Sendable {
  public var settings: LibrarySettings
  public var threads: Int
  public var precision: Precision
  public var tokens: Int
  public var p50Seconds: Double
  public var samples: Int

  public init(
    settings: LibrarySettings, threads: Int, precision: Precision, tokens: Int, p50Seconds: Double, samples: Int
  ) {
    self.settings = settings
    self.threads = threads
    self.precision = precision
    self.tokens = tokens
    self.p50Seconds = p50Seconds
    self.samples = samples
  }
}

/// Figures of one variant (architecture, vocabulary, precision) on the profiled machine.
public struct ModelProfile: Codable, Sendable {
  public var architecture: String
  public var precision: Precision
  public var vocabulary: Int
  public var fileBytes: Int64
  public var weightBytes: Int64
  /// Private memory that one more loaded and warmed model takes, bytes.
  public var memoryPerModelBytes: Int64
  public var loadSeconds: Double
  public var firstRunSeconds: Double
  /// The engine alone: forward passes in a loop.
  public var forward: [ForwardCell]
  /// The whole server, asked over HTTP at a low rate.
  public var served: [ServedCell]

  private enum CodingKeys: String, CodingKey {
    case architecture = "family", precision, vocabulary, fileBytes, weightBytes, memoryPerModelBytes, loadSeconds,
      firstRunSeconds, forward, served
  }

  public init(
    architecture: String, precision: Precision, vocabulary: Int, fileBytes: Int64, weightBytes: Int64,
    memoryPerModelBytes: Int64, loadSeconds: Double, firstRunSeconds: Double, forward: [ForwardCell],
    served: [ServedCell]
  ) {
    self.architecture = architecture
    self.precision = precision
    self.vocabulary = vocabulary
    self.fileBytes = fileBytes
    self.weightBytes = weightBytes
    self.memoryPerModelBytes = memoryPerModelBytes
    self.loadSeconds = loadSeconds
    self.firstRunSeconds = firstRunSeconds
    self.forward = forward
    self.served = served
  }
}

/// Service time of forward passes at one point of the measurement matrix.
public struct ForwardCell: Codable, Sendable {
  public var tokens: Int
  public var batch: Int
  public var threads: Int
  /// Workers computing at once.
  public var concurrency: Int
  /// Different models the passes went round, so that weights come from memory as they do in service.
  public var residentModels: Int
  public var serviceSeconds: QuantileTable

  public init(
    tokens: Int, batch: Int, threads: Int, concurrency: Int, residentModels: Int, serviceSeconds: QuantileTable
  ) {
    self.tokens = tokens
    self.batch = batch
    self.threads = threads
    self.concurrency = concurrency
    self.residentModels = residentModels
    self.serviceSeconds = serviceSeconds
  }
}

/// A served request taken apart: what the worker was busy, and what came on top of it.
public struct ServedCell: Codable, Sendable {
  public var tokens: Int
  public var input: RequestInput
  public var workers: Int
  public var threads: Int
  public var residentModels: Int
  /// Requests a second at which this was measured: low enough that requests rarely meet.
  public var ratePerSecond: Double
  /// Time that the worker was occupied.
  public var computeSeconds: QuantileTable
  /// Request in to answer out as the client saw it, less queueing (waking included) and compute: HTTP, parsing.
  public var overheadSeconds: QuantileTable
  /// Relative standard deviation of the mean compute time between blocks of the measurement: how far
  /// this machine drifts by itself. It widens a prediction's interval.
  public var betweenRunCV: Double
  /// Mean time that a worker spends between one pass and the next when requests wait: handing the answer over,
  /// taking the next. It keeps the worker busy without being part of either request's compute.
  public var dispatchGapSeconds: Double?
  /// Mean time from a request's arrival at an idle worker to the start of its pass: waking it. Like handing over,
  /// it delays whoever comes next.
  public var wakeUpSeconds: Double?
  /// Compute times in the order in which they were measured, at most `mostTraced`, seconds: a machine is slow in
  /// spells, and draws that are independent of each other would make queues look shorter than they are.
  public var computeTraceSeconds: [Double]?

  /// Enough for the spells of a machine, and for a file that a person can still open.
  public static let mostTraced = 4_000

  private enum CodingKeys: String, CodingKey {
    case tokens, input, workers, threads, residentModels, ratePerSecond, computeSeconds, overheadSeconds,
      betweenRunCV = "driftCV", dispatchGapSeconds = "handoverSeconds", wakeUpSeconds = "wakeSeconds",
      computeTraceSeconds
  }

  public init(
    tokens: Int, input: RequestInput, workers: Int, threads: Int, residentModels: Int, ratePerSecond: Double,
    computeSeconds: QuantileTable, overheadSeconds: QuantileTable, betweenRunCV: Double,
    dispatchGapSeconds: Double? = nil, wakeUpSeconds: Double? = nil, computeTraceSeconds: [Double]? = nil
  ) {
    self.dispatchGapSeconds = dispatchGapSeconds
    self.wakeUpSeconds = wakeUpSeconds
    self.computeTraceSeconds = computeTraceSeconds
    self.tokens = tokens
    self.input = input
    self.workers = workers
    self.threads = threads
    self.residentModels = residentModels
    self.ratePerSecond = ratePerSecond
    self.computeSeconds = computeSeconds
    self.overheadSeconds = overheadSeconds
    self.betweenRunCV = betweenRunCV
  }
}

extension QuantileTable: Codable {
  private enum Key: String, CodingKey { case probabilities, seconds, sampleCount }

  public init(from decoder: any Decoder) throws {
    let box = try decoder.container(keyedBy: Key.self)
    guard
      let table = QuantileTable(
        probabilities: try box.decodeIfPresent([Double].self, forKey: .probabilities) ?? Self.standardProbabilities,
        seconds: try box.decode([Double].self, forKey: .seconds),
        sampleCount: try box.decode(Int.self, forKey: .sampleCount))
    else {
      throw DecodingError.dataCorruptedError(
        forKey: .seconds, in: box,
        debugDescription: "quantiles must be finite, not negative, ascending and as many as their probabilities")
    }
    self = table
  }

  public func encode(to encoder: any Encoder) throws {
    var box = encoder.container(keyedBy: Key.self)
    // The usual points are not repeated in every cell of every profile.
    if probabilities != Self.standardProbabilities { try box.encode(probabilities, forKey: .probabilities) }
    try box.encode(seconds, forKey: .seconds)
    try box.encode(sampleCount, forKey: .sampleCount)
  }
}
