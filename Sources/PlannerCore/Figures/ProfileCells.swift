/// Service time of forward passes of the bare engine under given conditions.
public struct ForwardCell: Codable, Sendable {
  public var conditions: Conditions
  /// Different models that the passes went round, so that weights come from memory as they do in service.
  public var residentModels: Int
  /// Time of one pass.
  public var serviceSeconds: QuantileTable
  /// Library settings of the measuring process, where they are not the profile's.
  public var settings: LibrarySettings?

  public var tokens: Int { conditions.tokens }
  public var batch: Int { conditions.batch }
  public var threads: Int { conditions.threads }
  /// Workers that computed at once.
  public var concurrency: Int { conditions.coRunners }

  private enum CodingKeys: String, CodingKey { case residentModels, serviceSeconds, settings }

  public init(
    conditions: Conditions, residentModels: Int, serviceSeconds: QuantileTable, settings: LibrarySettings? = nil
  ) {
    self.conditions = conditions
    self.residentModels = residentModels
    self.serviceSeconds = serviceSeconds
    self.settings = settings
  }

  public init(from decoder: any Decoder) throws {
    conditions = try Conditions.read(from: decoder)
    let box = try decoder.container(keyedBy: CodingKeys.self)
    residentModels = try box.decode(Int.self, forKey: .residentModels)
    serviceSeconds = try box.decode(QuantileTable.self, forKey: .serviceSeconds)
    settings = try box.decodeIfPresent(LibrarySettings.self, forKey: .settings)
  }

  public func encode(to encoder: any Encoder) throws {
    try conditions.encode(to: encoder)
    var box = encoder.container(keyedBy: CodingKeys.self)
    try box.encode(residentModels, forKey: .residentModels)
    try box.encode(serviceSeconds, forKey: .serviceSeconds)
    try box.encodeIfPresent(settings, forKey: .settings)
  }
}

/// Requests to the whole server under given conditions, taken apart: what a worker was busy, and what came on top.
public struct ServedCell: Codable, Sendable {
  /// `coRunners` are the workers of the server.
  public var conditions: Conditions
  /// Different models that were asked.
  public var residentModels: Int
  /// Requests a second at which this was measured: low enough that requests rarely meet.
  public var ratePerSecond: Double
  /// Library settings of the server, where they are not the profile's.
  public var settings: LibrarySettings?
  public var times: ServedTimes
  /// Names the trace from which the cell was made; nil where the order of its times was not kept.
  public private(set) var trace: TraceReference?
  /// Compute times in the order in which they were measured, seconds, at most `ComputeTrace.mostSimulated`; nil where
  /// there is no trace, or where the profile was read without its traces.
  public private(set) var computeTraceSeconds: [Double]?
  /// The whole trace, kept until the profile is written; nil in a profile that was read.
  public private(set) var wholeTrace: ComputeTrace?

  public init(
    conditions: Conditions, residentModels: Int, ratePerSecond: Double, settings: LibrarySettings? = nil,
    times: ServedTimes, trace: ComputeTrace? = nil
  ) {
    self.conditions = conditions
    self.residentModels = residentModels
    self.ratePerSecond = ratePerSecond
    self.settings = settings
    self.times = times
    guard let trace else { return }
    // The distribution is that of the trace, so that nothing is lost when the trace alone is kept.
    if trace.sampleCount == times.computeSeconds.sampleCount, let table = trace.table {
      self.times.computeSeconds = table
    }
    attach(trace)
  }

  public var tokens: Int { conditions.tokens }
  public var input: RequestInput { conditions.input }
  public var threads: Int { conditions.threads }
  /// Workers of the server.
  public var workers: Int { conditions.coRunners }
  public var computeSeconds: QuantileTable { times.computeSeconds }
  public var overheadSeconds: QuantileTable { times.overheadSeconds }
  public var betweenRunCV: Double { times.betweenRunCV }
  public var dispatchGapSeconds: Double? { times.dispatchGapSeconds }
  public var wakeUpSeconds: Double? { times.wakeUpSeconds }

  /// Puts the trace to a cell that was read. Its distribution becomes the cell's where the file has a summary only.
  public mutating func attach(_ trace: ComputeTrace) {
    if times.computeSeconds.isSummary, let table = trace.table { times.computeSeconds = table }
    self.trace = trace.reference
    computeTraceSeconds = trace.simulatedSeconds
    wholeTrace = trace
  }

  /// Frees what only writing needs.
  public mutating func forgetWholeTrace() { wholeTrace = nil }
}

extension ServedCell {
  private enum CodingKeys: String, CodingKey {
    case residentModels, ratePerSecond, settings, computeSeconds, overheadSeconds, betweenRunCV = "driftCV",
      dispatchGapSeconds = "handoverSeconds", wakeUpSeconds = "wakeSeconds", trace, computeTraceSeconds
  }

  /// Points of the summary that stands in a file for the distribution of a cell with a trace.
  static let summaryProbabilities: [Double] = [0, 0.5, 0.9, 0.95, 0.99, 1]

  public init(from decoder: any Decoder) throws {
    let box = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      conditions: try Conditions.read(from: decoder),
      residentModels: try box.decode(Int.self, forKey: .residentModels),
      ratePerSecond: try box.decode(Double.self, forKey: .ratePerSecond),
      settings: try box.decodeIfPresent(LibrarySettings.self, forKey: .settings),
      times: ServedTimes(
        computeSeconds: try box.decode(QuantileTable.self, forKey: .computeSeconds),
        overheadSeconds: try box.decode(QuantileTable.self, forKey: .overheadSeconds),
        betweenRunCV: try box.decode(Double.self, forKey: .betweenRunCV),
        dispatchGapSeconds: try box.decodeIfPresent(Double.self, forKey: .dispatchGapSeconds),
        wakeUpSeconds: try box.decodeIfPresent(Double.self, forKey: .wakeUpSeconds)))
    trace = try box.decodeIfPresent(TraceReference.self, forKey: .trace)
    // Version 1 kept the trace, cut to its first times, in the cell itself.
    if let seconds = try box.decodeIfPresent([Double].self, forKey: .computeTraceSeconds) {
      guard seconds.allSatisfy({ (0...3600).contains($0) }) else {
        throw DecodingError.dataCorruptedError(
          forKey: .computeTraceSeconds, in: box, debugDescription: "has a time that is not from 0 to 3600 seconds")
      }
      attach(ComputeTrace(cell: "\(conditions)", seconds: [seconds]))
      computeTraceSeconds = seconds
    }
  }

  public func encode(to encoder: any Encoder) throws {
    try conditions.encode(to: encoder)
    var box = encoder.container(keyedBy: CodingKeys.self)
    try box.encode(residentModels, forKey: .residentModels)
    try box.encode(ratePerSecond, forKey: .ratePerSecond)
    try box.encodeIfPresent(settings, forKey: .settings)
    let isTraced = wholeTrace.map { $0.table == times.computeSeconds } ?? false
    try box.encode(isTraced ? times.computeSeconds.summary : times.computeSeconds, forKey: .computeSeconds)
    try box.encode(times.overheadSeconds, forKey: .overheadSeconds)
    try box.encode(times.betweenRunCV, forKey: .betweenRunCV)
    try box.encodeIfPresent(times.dispatchGapSeconds, forKey: .dispatchGapSeconds)
    try box.encodeIfPresent(times.wakeUpSeconds, forKey: .wakeUpSeconds)
    try box.encodeIfPresent(trace, forKey: .trace)
  }
}

extension QuantileTable {
  fileprivate var isSummary: Bool { probabilities == ServedCell.summaryProbabilities }

  /// The few points that a person is shown.
  fileprivate var summary: QuantileTable {
    QuantileTable(
      probabilities: ServedCell.summaryProbabilities, seconds: ServedCell.summaryProbabilities.map { quantile($0) },
      sampleCount: sampleCount) ?? self
  }
}
