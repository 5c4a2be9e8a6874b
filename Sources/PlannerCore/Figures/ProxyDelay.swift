/// What a proxy in front of a deployment adds to an answer (docs/proxy.md): an allowance, for the way between two
/// processes of one machine.
public enum ProxyDelay {
  /// At these probabilities, so many seconds longer is the time that is no queueing and no compute.
  static let probabilities: [Double] = [0, 0.5, 0.99, 1]
  static let seconds: [Double] = [0, 0.0003, 0.001, 0.001]

  /// Where `p50Seconds` and `p99Seconds` come from.
  public static let provenance = Provenance(
    .estimated,
    source: "nothing was measured yet: an allowance for HAProxy over loopback; scripts/bench-proxy measures it")

  public static var p50Seconds: Double { added.quantile(0.5) }
  public static var p99Seconds: Double { added.quantile(0.99) }

  /// The seconds that are added to each quantile.
  static let added: QuantileTable = {
    guard let table = QuantileTable(probabilities: probabilities, seconds: seconds, sampleCount: 0) else {
      preconditionFailure("the points ascend from 0 to 1")
    }
    return table
  }()
}

extension ServiceTimes {
  /// The times of requests that come through a proxy: quantiles are added to quantiles, which is how
  /// `scripts/bench-proxy` compares them.
  public var behindProxy: ServiceTimes {
    var times = self
    times.overheadSeconds = overheadSeconds.adding(ProxyDelay.added)
    return times
  }
}
