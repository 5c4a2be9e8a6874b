/// How fast the machine was just before a run, beside its profile, and what the profile alone predicted.
public struct Calibration: Codable, Hashable, Sendable {
  /// Requests that were sent to find out.
  public var requests: Int
  /// How long they were sent for, seconds.
  public var durationSeconds: Double
  /// The speed that they showed.
  public var speed: MachineSpeed
  /// The prediction that was made without them, for comparison.
  public var profileOnly: ProfileOnly

  /// Quantiles that the profile alone predicted, and how far they were from the measurement.
  public struct ProfileOnly: Codable, Hashable, Sendable {
    /// Predicted median latency, seconds.
    public var p50Seconds: Double
    /// Predicted 99th percentile of latency, seconds.
    public var p99Seconds: Double
    /// Predicted median over measured median, less 1.
    public var errorP50: Double
    /// Predicted 99th percentile over measured 99th percentile, less 1.
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
