import PlannerCore
import ServerContract

/// Forward passes of the bare engine, in a child process with the settings under test.
public struct MeasureCall: Hashable, Sendable {
  public var repository: String
  /// Cells to measure: every combination of some lengths and some numbers of threads, alike in all else.
  public var conditions: [Conditions]
  /// Time of measuring each cell, seconds.
  public var seconds: Double
  /// Models of the repository that are loaded and gone round.
  public var models: Int
  public var settings: LibrarySettings

  public init(
    repository: String, conditions: [Conditions], seconds: Double, models: Int, settings: LibrarySettings
  ) {
    self.repository = repository
    self.conditions = conditions
    self.seconds = seconds
    self.models = models
    self.settings = settings
  }
}

extension MeasuredCell {
  /// The bare engine computes single requests of token ids.
  public var conditions: Conditions {
    Conditions(tokens: tokens, input: .tokens, batch: 1, threads: threads, coRunners: concurrency)
  }
}

/// The whole server, started with these settings and asked over HTTP for a while.
public struct ServeCall: Hashable, Sendable {
  public var repository: String
  /// Names of the models that take part; the schedule's model i is the i-th of them.
  public var modelNames: [String]
  public var vocabulary: Int
  /// What a request brings where that is neither text nor token ids.
  public var tensors: [TensorDeclaration]
  /// `coRunners` are the workers of the server.
  public var conditions: Conditions
  public var schedule: Schedule
  public var settings: LibrarySettings

  public init(
    repository: String, modelNames: [String], vocabulary: Int, tensors: [TensorDeclaration] = [],
    conditions: Conditions,
    schedule: Schedule, settings: LibrarySettings
  ) {
    self.repository = repository
    self.modelNames = modelNames
    self.vocabulary = vocabulary
    self.tensors = tensors
    self.conditions = conditions
    self.schedule = schedule
    self.settings = settings
  }
}

/// What the profiler needs of the world: child processes of `model-server` and a load generator.
public protocol ProfilerTools: Sendable {
  /// Tells one build of the server from another: measurements of different builds are not put together.
  func serverIdentity() async throws -> String
  func engineIdentity(settings: LibrarySettings) async throws -> EngineIdentity
  /// Writes `count` models into `folder`; returns the bytes of one model's file.
  func synthesize(
    architecture: ArchitecturePreset, vocabulary: Int, precision: Precision, count: Int, seed: UInt64,
    into folder: String
  ) async throws -> Int64
  /// Makes a repository in `folder` of models that are there already, without copying them.
  func lend(_ repository: ProfileRequest.Repository, into folder: String) throws
  /// Measures every cell of a call.
  func measure(_ call: MeasureCall) async throws -> [MeasuredCell]
  /// Every request must have been answered, or it throws.
  func serve(_ call: ServeCall) async throws -> [ServedSample]
}
