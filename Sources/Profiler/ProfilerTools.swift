import PlannerCore
import ServerContract

/// Forward passes of the bare engine, in a child process with the settings under test.
public struct MeasureCall: Hashable, Sendable {
  public var repository: String
  public var tokens: [Int]
  public var threads: [Int]
  public var concurrency: Int
  /// Of each cell.
  public var seconds: Double
  /// Of the repository's models, that many are loaded and gone round.
  public var models: Int
  public var settings: LibrarySettings

  public init(
    repository: String, tokens: [Int], threads: [Int], concurrency: Int, seconds: Double, models: Int,
    settings: LibrarySettings
  ) {
    self.repository = repository
    self.tokens = tokens
    self.threads = threads
    self.concurrency = concurrency
    self.seconds = seconds
    self.models = models
    self.settings = settings
  }
}

/// The whole server, started with these settings and asked over HTTP for a while.
public struct ServeCall: Sendable {
  public var repository: String
  /// As many as take part; the schedule's model i is the i-th of them.
  public var modelNames: [String]
  public var vocabulary: Int
  public var tokens: Int
  public var input: RequestInput
  public var workers: Int
  public var threads: Int
  public var schedule: Schedule
  public var settings: LibrarySettings

  public init(
    repository: String, modelNames: [String], vocabulary: Int, tokens: Int, input: RequestInput, workers: Int,
    threads: Int, schedule: Schedule, settings: LibrarySettings
  ) {
    self.repository = repository
    self.modelNames = modelNames
    self.vocabulary = vocabulary
    self.tokens = tokens
    self.input = input
    self.workers = workers
    self.threads = threads
    self.schedule = schedule
    self.settings = settings
  }
}

/// One answered request, taken apart. Times in seconds.
public struct ServedSample: Sendable {
  /// When it was due, from the start of the run.
  public var due: Double
  /// Client's latency from the intended time.
  public var latency: Double
  public var queue: Double
  public var compute: Double
  /// Requests that it found waiting or in service.
  public var ahead: Int
  /// What the worker spent between its last pass and this one; nil where it was idle.
  public var dispatchGap: Double?

  public init(
    due: Double, latency: Double, queue: Double, compute: Double, ahead: Int, dispatchGap: Double? = nil
  ) {
    self.due = due
    self.latency = latency
    self.queue = queue
    self.compute = compute
    self.ahead = ahead
    self.dispatchGap = dispatchGap
  }
}

/// What the profiler needs of the world: child processes of `model-server` and a load generator.
public protocol ProfilerTools: Sendable {
  func engineIdentity(settings: LibrarySettings) async throws -> EngineIdentity
  /// Writes `count` models into `folder`; returns the bytes of one model's file.
  func synthesize(
    architecture: ArchitecturePreset, vocabulary: Int, precision: Precision, count: Int, seed: UInt64,
    into folder: String
  ) async throws -> Int64
  func measure(_ call: MeasureCall) async throws -> [MeasuredCell]
  /// Every request must have been answered, or it throws.
  func serve(_ call: ServeCall) async throws -> [ServedSample]
}
