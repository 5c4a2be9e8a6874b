/// What a proxy in front of a deployment adds to an answer (docs/proxy.md): a figure of this project's own, for the way
/// between two processes of one machine.
public enum ProxyDelay {
  /// At these probabilities, so many seconds longer is the time that is no queueing and no compute.
  static let probabilities: [Double] = [0, 0.5, 0.99, 1]
  static let seconds: [Double] = [0, 0.00010, 0.00030, 0.00030]

  /// What `p50Seconds` and `p99Seconds` say, and where they come from.
  public static let provenance = Provenance(
    .measured,
    source: "scripts/bench-proxy: HAProxy 2.6.12 with a map of 3,000 models, 400 requests/s over loopback, on two "
      + "cores of an AMD EPYC (Zen 4), 2026-11-28")

  public static var p50Seconds: Double { added.quantile(0.5) }
  public static var p99Seconds: Double { added.quantile(0.99) }

  /// What is added to each quantile.
  static let added: QuantileTable = {
    guard let table = QuantileTable(probabilities: probabilities, seconds: seconds, sampleCount: 0) else {
      preconditionFailure("the points ascend from 0 to 1")
    }
    return table
  }()
}

extension ServiceTimes {
  /// The times of requests that come through a proxy. Quantiles are added to quantiles, as they were measured.
  public var behindProxy: ServiceTimes {
    var times = self
    times.overheadSeconds = overheadSeconds.adding(ProxyDelay.added)
    return times
  }
}
