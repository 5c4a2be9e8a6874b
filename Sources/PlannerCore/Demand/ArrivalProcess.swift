/// How the requests to one model are spaced. The rate is said beside it; a trace has its own.
///
/// The one definition of arrivals: scenarios, workloads, the load generator's schedules and the simulator all use it,
/// and all draw through `Arrivals.Draw`. A new process is a case here, its drawing below, its name in `ArrivalReader`
/// of PlannerFiles, and its keys in the schemas.
public enum ArrivalProcess: Hashable, Sendable {
  /// Independent requests: exponential gaps.
  case poisson
  /// Evenly spaced; the first falls uniformly within the first gap, so that copies are not in step.
  case deterministic
  /// Gaps are gamma distributed with that coefficient of variation.
  case gamma(cv: Double)
  /// Times in seconds from the start, ascending: a recorded or pre-made schedule.
  case trace([Double])

  /// Requests a second of a trace: their number over the time of the last one.
  public static func meanRate(ofTrace seconds: [Double]) -> Double {
    guard let last = seconds.last, last > 0 else { return Double(max(1, seconds.count)) }
    return Double(seconds.count) / last
  }

  /// The name in files.
  public var name: String {
    switch self {
    case .poisson: "poisson"
    case .deterministic: "deterministic"
    case .gamma: "gamma"
    case .trace: "trace"
    }
  }

  /// The processes that need no more than their name, by it.
  public static let plain: [(name: String, process: ArrivalProcess)] = [
    ("poisson", .poisson), ("deterministic", .deterministic),
  ]
}

/// When requests come to one model: a process and its rate.
public struct Arrivals: Hashable, Sendable {
  public var process: ArrivalProcess
  /// Requests a second. Not looked at where the process is a trace.
  public var ratePerSecond: Double

  public init(_ process: ArrivalProcess, ratePerSecond: Double) {
    self.process = process
    self.ratePerSecond = ratePerSecond
  }

  public static func poisson(ratePerSecond: Double) -> Arrivals { Arrivals(.poisson, ratePerSecond: ratePerSecond) }

  public static func deterministic(ratePerSecond: Double) -> Arrivals {
    Arrivals(.deterministic, ratePerSecond: ratePerSecond)
  }

  public static func gamma(ratePerSecond: Double, cv: Double) -> Arrivals {
    Arrivals(.gamma(cv: cv), ratePerSecond: ratePerSecond)
  }

  public static func trace(_ seconds: [Double]) -> Arrivals { Arrivals(.trace(seconds), ratePerSecond: 0) }

  /// The arrivals at so many models with these arrivals each, taken together; nil where they are not a process of the
  /// same kind. The sum of independent Poisson processes is one Poisson process with a uniform choice of model.
  public func merged(models: Int) -> Arrivals? {
    guard process == .poisson else { return nil }
    return .poisson(ratePerSecond: ratePerSecond * Double(models))
  }

  /// Draws the arrivals at one model, one after the other.
  public struct Draw: Sendable {
    private let arrivals: Arrivals
    private let isStationary: Bool
    private var drawn = 0

    /// - Parameter isStationary: whether the start falls somewhere within a gap, so that the rate is the same from the
    ///   start on; otherwise gamma's first gap is a whole one, as if a request had come just before.
    public init(_ arrivals: Arrivals, isStationary: Bool = false) {
      self.arrivals = arrivals
      self.isStationary = isStationary
    }

    /// When the next request comes; nil where no more comes.
    public mutating func next(from random: inout RandomStream) -> NextArrival? {
      let rate = arrivals.ratePerSecond
      switch arrivals.process {
      case .poisson: return .after(random.exponential() / rate)
      case .deterministic:
        defer { drawn = 1 }
        return .after(drawn == 0 ? random.uniform() * (1 / rate) : 1 / rate)
      case .gamma(let cv):
        if isStationary, drawn == 0, cv > 0 {
          drawn = 1
          // The gap in which the start falls is longer the more of time it covers: gamma, with a shape larger by 1.
          let shape = 1 / (cv * cv)
          return .after(random.uniform() * random.gamma(shape: shape + 1) * (shape + 1) / shape / rate)
        }
        return .after(TimeDistribution.gamma(mean: 1 / rate, cv: cv).sample(from: &random))
      case .trace(let times):
        guard drawn < times.count else { return nil }
        defer { drawn += 1 }
        return .at(times[drawn])
      }
    }
  }
}

/// When the next request of a model comes.
public enum NextArrival: Hashable, Sendable {
  /// Seconds after the one before it; the first, after the start.
  case after(Double)
  /// Seconds after the start.
  case at(Double)

  /// - Parameter previous: seconds from the start to the arrival before it; 0 for the first.
  public func seconds(after previous: Double) -> Double {
    switch self {
    case .after(let gap): previous + gap
    case .at(let time): time
    }
  }

  /// As `seconds(after:)`, on an engine's clock, with each gap rounded to whole nanoseconds.
  public func time(after previous: Nanoseconds) -> Nanoseconds {
    switch self {
    case .after(let gap): previous + Nanoseconds(seconds: gap)
    case .at(let time): Nanoseconds(seconds: time)
    }
  }
}

/// In JSON: the name alone, `"poisson"`, where a process needs no more; else an object such as
/// `{"process": "gamma", "cv": 1.5}` or `{"process": "trace", "seconds": [0.1, 0.25]}`.
extension ArrivalProcess: Codable {
  private enum CodingKeys: String, CodingKey { case process, cv, seconds }

  public init(from decoder: any Decoder) throws {
    if let container = try? decoder.singleValueContainer(), let name = try? container.decode(String.self) {
      guard let plain = Self.plain.first(where: { $0.name == name }) else {
        let names = Self.plain.map(\.name).joined(separator: ", ")
        throw DecodingError.dataCorruptedError(
          in: container, debugDescription: "'\(name)' is not an arrival process; use \(names)")
      }
      self = plain.process
      return
    }
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let name = try container.decode(String.self, forKey: .process)
    if let plain = Self.plain.first(where: { $0.name == name }) {
      self = plain.process
    } else if name == "gamma" {
      self = .gamma(cv: try container.decode(Double.self, forKey: .cv))
    } else if name == "trace" {
      self = .trace(try container.decode([Double].self, forKey: .seconds))
    } else {
      throw DecodingError.dataCorruptedError(
        forKey: .process, in: container,
        debugDescription: "'\(name)' is not an arrival process; use poisson, deterministic, gamma or trace")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    if let plain = Self.plain.first(where: { $0.process == self }) {
      var container = encoder.singleValueContainer()
      return try container.encode(plain.name)
    }
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .poisson, .deterministic: break
    case .gamma(let cv):
      try container.encode("gamma", forKey: .process)
      try container.encode(cv, forKey: .cv)
    case .trace(let seconds):
      try container.encode("trace", forKey: .process)
      try container.encode(seconds, forKey: .seconds)
    }
  }
}
