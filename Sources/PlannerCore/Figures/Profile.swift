/// What was measured on one machine: times as distributions, memory, and the settings that made it fastest.
public struct Profile: Codable, Sendable {
  /// Form of the files that are written. Files of version 1 are read, too.
  public static let schemaVersion = 2

  public var schemaVersion: Int
  public var kind: String
  public var host: HostFingerprint
  /// When it was measured: ISO 8601, UTC.
  public var measuredAt: String
  /// A quick profile covers fewer cells with fewer samples; `planner profile` without `--quick` covers all.
  public var quick: Bool
  /// What it was made for; nil where that is no workload or folder in particular.
  public var purpose: ProfilePurpose?
  public var engine: EngineIdentity
  /// The fastest library settings that were found. A cell that was measured with others names them itself.
  public var settings: LibrarySettings
  /// Every trial that `settings` were chosen from.
  public var trials: [SettingsTrial]
  /// Private memory of a server without a model, bytes.
  public var serverMemoryBytes: Int64
  public var models: [ModelProfile]

  public init(
    host: HostFingerprint, measuredAt: String, quick: Bool, engine: EngineIdentity, settings: LibrarySettings,
    trials: [SettingsTrial], serverMemoryBytes: Int64, models: [ModelProfile], purpose: ProfilePurpose? = nil
  ) {
    schemaVersion = Self.schemaVersion
    kind = "profile"
    self.host = host
    self.measuredAt = measuredAt
    self.quick = quick
    self.purpose = purpose
    self.engine = engine
    self.settings = settings
    self.trials = trials
    self.serverMemoryBytes = serverMemoryBytes
    self.models = models
  }

  /// Names the profile where a figure is quoted.
  public var provenance: Provenance {
    let limit = host.isThrottled ? ", limited to \(host.cpuLimit) CPUs" : ""
    let effort = quick ? ", quick" : ""
    return Provenance(.measured, source: "\(host.cpuModel), \(host.cores) cores\(limit), \(measuredAt)\(effort)")
  }

  /// Library settings with which a cell of the server was measured.
  public func settings(of cell: ServedCell) -> LibrarySettings { cell.settings ?? settings }
}

/// Name and version of the engine that was measured.
public struct EngineIdentity: Codable, Hashable, Sendable {
  public var name: String
  public var version: String

  public init(name: String, version: String) {
    self.name = name
    self.version = version
  }
}

/// Figures of one variant (architecture, vocabulary, precision) on the profiled machine.
public struct ModelProfile: Codable, Sendable {
  public var architecture: String
  public var precision: Precision
  /// Word pieces of the vocabulary.
  public var vocabulary: Int
  /// Size of one model's file, bytes.
  public var fileBytes: Int64
  /// Parameters, buffers and packed weights of one model, bytes.
  public var weightBytes: Int64
  /// Private memory that one more loaded and warmed model takes, bytes.
  public var memoryPerModelBytes: Int64
  /// Mean time to load one model, seconds.
  public var loadSeconds: Double
  /// Mean time of a model's first passes, seconds.
  public var firstRunSeconds: Double
  /// The engine alone: forward passes in a loop.
  public var forward: [ForwardCell]
  /// The whole server, asked over HTTP at a low rate.
  public var served: [ServedCell]
  /// What was found of these models and their figures do not show, as clauses; nil where nothing was looked for.
  public var notes: [String]?

  private enum CodingKeys: String, CodingKey {
    case architecture = "family", precision, vocabulary, fileBytes, weightBytes, memoryPerModelBytes, loadSeconds,
      firstRunSeconds, forward, served, notes
  }

  public init(
    architecture: String, precision: Precision, vocabulary: Int, fileBytes: Int64, weightBytes: Int64,
    memoryPerModelBytes: Int64, loadSeconds: Double, firstRunSeconds: Double, forward: [ForwardCell],
    served: [ServedCell], notes: [String]? = nil
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
    self.notes = notes
  }
}
