/// A machine's times of the moment over those of its profile: above 1 it is slower.
public struct MachineSpeed: Codable, Hashable, Sendable {
  /// Mean time of a forward pass now over its mean in the profile.
  public var computeFactor: Double
  /// Median time of HTTP, parsing and tokenizer now over its median in the profile.
  public var overheadFactor: Double

  public static let asProfiled = MachineSpeed(computeFactor: 1, overheadFactor: 1)

  public init(computeFactor: Double, overheadFactor: Double) {
    self.computeFactor = computeFactor
    self.overheadFactor = overheadFactor
  }

  /// Requests below which a mean says too little.
  public static let leastRequests = 100

  /// The speed that times measured now show beside a service model.
  ///
  /// - Parameters:
  ///   - service: the profile's times.
  ///   - compute: forward passes of all requests, seconds.
  ///   - overhead: all but queue and forward pass, of requests that found the server idle, seconds.
  /// - Returns: nil for fewer than `leastRequests`.
  public init?(of service: ServiceModel, compute: [Double], overhead: [Double]) {
    guard compute.count >= Self.leastRequests, overhead.count >= Self.leastRequests / 4 else { return nil }
    let profiled = (compute: service.computeSeconds.mean, overhead: service.overheadSeconds.quantile(0.5))
    let now = (
      compute: compute.reduce(0, +) / Double(compute.count), overhead: overhead.sorted().quantile(0.5)
    )
    guard profiled.compute > 0, profiled.overhead > 0, now.compute > 0, now.overhead > 0 else { return nil }
    computeFactor = now.compute / profiled.compute
    overheadFactor = now.overhead / profiled.overhead
  }
}

/// What requests took on a deployed node just before its run, seconds.
public struct MeasuredTimes: Sendable {
  /// Forward passes, in the order in which requests were due.
  public var compute: [Double]
  /// All but queue and forward pass, of requests that found the server idle.
  public var overhead: [Double]
  /// Mean time that an idle worker took to start for a request.
  public var wake: Double
  /// Mean time between one pass and the next; nil where no request waited.
  public var dispatchGap: Double?

  public init(compute: [Double], overhead: [Double], wake: Double, dispatchGap: Double?) {
    self.compute = compute
    self.overhead = overhead
    self.wake = wake
    self.dispatchGap = dispatchGap
  }

  /// From so many requests on, these times stand beside the profile's; fewer only tell how fast the machine is.
  public static let leastRequests = 1000
}

extension ServiceModel {
  /// As `at(_:)`, and beside it the times that showed the speed: what is rare, and makes p99, is seen on both occasions
  /// or on one. The drift from one occasion to the next stays the profile's.
  ///
  /// - Parameter times: fewer than `MeasuredTimes.leastRequests` are left out.
  public func at(_ speed: MachineSpeed, beside times: MeasuredTimes) -> ServiceModel {
    var measured = at(speed)
    let trace = times.compute + (measured.computeTraceSeconds ?? [])
    guard times.compute.count >= MeasuredTimes.leastRequests, let compute = QuantileTable(samples: trace),
      let overhead = QuantileTable(samples: times.overhead + measured.overheadSeconds.spread())
    else { return measured }
    measured.computeSeconds = compute
    measured.overheadSeconds = overhead
    measured.computeTraceSeconds = trace
    measured.wakeUpSeconds = times.wake
    measured.dispatchGapSeconds = times.dispatchGap ?? dispatchGapSeconds
    return measured
  }

  /// These distributions on a machine of that speed. Waking and hand-over are the worker's time: they go with compute.
  public func at(_ speed: MachineSpeed) -> ServiceModel {
    var scaled = self
    scaled.computeSeconds = computeSeconds.scaled(by: speed.computeFactor)
    scaled.overheadSeconds = overheadSeconds.scaled(by: speed.overheadFactor)
    scaled.dispatchGapSeconds = dispatchGapSeconds.map { $0 * speed.computeFactor }
    scaled.wakeUpSeconds = wakeUpSeconds.map { $0 * speed.computeFactor }
    scaled.computeTraceSeconds = computeTraceSeconds?.map { $0 * speed.computeFactor }
    return scaled
  }
}
