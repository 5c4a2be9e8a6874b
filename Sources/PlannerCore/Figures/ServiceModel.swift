/// The time model of a node: what the plan was simulated with, kept so that others can simulate it again.
public struct ServiceModel: Codable, Hashable, Sendable {
  /// Time a worker is occupied by one request.
  public var computeSeconds: QuantileTable
  /// HTTP, parsing, tokenizer and hand-over: on top of queueing and compute, without occupying a worker.
  public var overheadSeconds: QuantileTable
  /// Relative standard deviation of the mean compute time from one occasion to the next.
  public var betweenRunCV: Double
  public var computeProvenance: Provenance
  public var overheadProvenance: Provenance
  /// Mean time between one pass and the next of a worker that has more to do; nil is none.
  public var dispatchGapSeconds: Double?
  /// Mean time that an idle worker takes to start; nil is none.
  public var wakeUpSeconds: Double?
  /// Compute times in the order in which they were measured, where they were; draws then follow its spells.
  public var computeTraceSeconds: [Double]?
  /// How the times of smaller requests compare with these, which are of the largest; nil where all have one size.
  public var sizes: [SizeFactor]?

  private enum CodingKeys: String, CodingKey {
    case computeSeconds, overheadSeconds, betweenRunCV = "driftCV", computeProvenance, overheadProvenance,
      dispatchGapSeconds = "handoverSeconds", wakeUpSeconds = "wakeSeconds", computeTraceSeconds, sizes
  }

  public init(
    computeSeconds: QuantileTable, overheadSeconds: QuantileTable, betweenRunCV: Double, computeProvenance: Provenance,
    overheadProvenance: Provenance, dispatchGapSeconds: Double? = nil, wakeUpSeconds: Double? = nil,
    computeTraceSeconds: [Double]? = nil, sizes: [SizeFactor]? = nil
  ) {
    self.sizes = sizes
    self.dispatchGapSeconds = dispatchGapSeconds
    self.wakeUpSeconds = wakeUpSeconds
    self.computeTraceSeconds = computeTraceSeconds
    self.computeSeconds = computeSeconds
    self.overheadSeconds = overheadSeconds
    self.betweenRunCV = betweenRunCV
    self.computeProvenance = computeProvenance
    self.overheadProvenance = overheadProvenance
  }
}

/// Requests of like size beside the largest ones.
public struct SizeFactor: Codable, Hashable, Sendable {
  /// Largest size of the class.
  public var upTo: Int
  /// Share of the requests that are of the class.
  public var share: Double
  /// Their compute time over that of the largest requests.
  public var factor: Double

  public init(upTo: Int, share: Double, factor: Double) {
    self.upTo = upTo
    self.share = share
    self.factor = factor
  }
}

/// The times of a service model without where they come from: all that a simulation needs of it.
public struct ServiceTimes: Hashable, Sendable {
  public var computeSeconds: QuantileTable
  public var overheadSeconds: QuantileTable
  public var betweenRunCV: Double
  public var dispatchGapSeconds: Double
  public var wakeUpSeconds: Double
  /// Compute times in the order in which they were measured; nil where only their distribution is known.
  public var computeTraceSeconds: [Double]?
  /// Classes of size, ascending; empty where all requests have one size.
  public var sizes: [SizeFactor]
}

extension ServiceTimes {
  /// Mean time for which a request keeps a worker from others, over requests of all sizes.
  public var meanBusySeconds: Double { computeSeconds.mean * sizes.meanFactor + dispatchGapSeconds }
}

extension [SizeFactor] {
  /// Mean compute time over that of the largest requests; 1 where all have one size.
  public var meanFactor: Double { isEmpty ? 1 : reduce(0) { $0 + $1.share * $1.factor } }
}

extension ServiceModel {
  /// Mean time for which a request keeps a worker from others, over requests of all sizes.
  public var meanBusySeconds: Double {
    computeSeconds.mean * (sizes ?? []).meanFactor + (dispatchGapSeconds ?? 0)
  }

  public var times: ServiceTimes {
    ServiceTimes(
      computeSeconds: computeSeconds, overheadSeconds: overheadSeconds, betweenRunCV: betweenRunCV,
      dispatchGapSeconds: dispatchGapSeconds ?? 0, wakeUpSeconds: wakeUpSeconds ?? 0,
      computeTraceSeconds: computeTraceSeconds, sizes: sizes ?? [])
  }
}
