extension RunRecord {
  /// How fast the machine was just before the run, beside its profile, and what the profile alone predicted.
  public struct Calibration: Codable, Hashable, Sendable {
    /// Requests that were sent to find out, and for how long.
    public var requests: Int
    public var durationSeconds: Double
    public var speed: MachineSpeed
    /// The prediction without it, for comparison.
    public var profileOnly: ProfileOnly

    public struct ProfileOnly: Codable, Hashable, Sendable {
      public var p50Seconds: Double
      public var p99Seconds: Double
      /// Predicted over measured, less 1.
      public var errorP50: Double
      public var errorP99: Double

      public init(p50Seconds: Double, p99Seconds: Double, errorP50: Double, errorP99: Double) {
        self.p50Seconds = p50Seconds
        self.p99Seconds = p99Seconds
        self.errorP50 = errorP50
        self.errorP99 = errorP99
      }
    }

    public init(requests: Int, durationSeconds: Double, speed: MachineSpeed, profileOnly: ProfileOnly) {
      self.requests = requests
      self.durationSeconds = durationSeconds
      self.speed = speed
      self.profileOnly = profileOnly
    }
  }
}

/// A machine's times of the moment over those of its profile: above 1 it is slower.
public struct MachineSpeed: Codable, Hashable, Sendable {
  /// Of forward passes, in the mean.
  public var computeFactor: Double
  /// Of HTTP, parsing and tokenizer, in the median.
  public var overheadFactor: Double

  public static let asProfiled = MachineSpeed(computeFactor: 1, overheadFactor: 1)

  public init(computeFactor: Double, overheadFactor: Double) {
    self.computeFactor = computeFactor
    self.overheadFactor = overheadFactor
  }

  /// Requests below which a mean says too little.
  public static let leastRequests = 100

  /// Of a service model and of times measured now, seconds.
  ///
  /// - Parameters:
  ///   - compute: of all requests.
  ///   - overhead: of requests that met nobody.
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
  /// Of requests that met nobody: all but queue and forward pass.
  public var overhead: [Double]
  /// Mean time that a worker took to start for a request that met nobody.
  public var wake: Double
  /// Mean time between one pass and the next; nil where no request waited.
  public var dispatchGap: Double?

  public init(compute: [Double], overhead: [Double], wake: Double, dispatchGap: Double?) {
    self.compute = compute
    self.overhead = overhead
    self.wake = wake
    self.dispatchGap = dispatchGap
  }

  /// From so many on they stand beside the profile's; fewer only tell how fast the machine is.
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

  /// The same distributions on a machine of that speed. Waking and hand-over are the worker's time: they go with
  /// compute.
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
