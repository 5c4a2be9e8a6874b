/// What an access log says of its requests, and what of it became a workload: `planner workload from-log --json`.
public struct LogFindings: Codable, Hashable, Sendable {
  /// Lines of one kind that are no requests that count.
  public struct LeftOut: Codable, Hashable, Sendable {
    public var reason: String
    /// The reason in words.
    public var sentence: String
    public var lines: Int
    /// Number of the first of them, from 1.
    public var firstLine: Int

    public init(reason: String, sentence: String, lines: Int, firstLine: Int) {
      self.reason = reason
      self.sentence = sentence
      self.lines = lines
      self.firstLine = firstLine
    }
  }

  /// The part of the log with the most requests.
  public struct Busiest: Codable, Hashable, Sendable {
    /// Where it begins, seconds after the first request.
    public var startSeconds: Double
    public var lengthSeconds: Double
    public var ratePerSecond: Double

    public init(startSeconds: Double, lengthSeconds: Double, ratePerSecond: Double) {
      self.startSeconds = startSeconds
      self.lengthSeconds = lengthSeconds
      self.ratePerSecond = ratePerSecond
    }
  }

  /// How requests are shared among the models of a group.
  public struct PopularityFinding: Codable, Hashable, Sendable {
    /// uniform, zipf or listed.
    public var law: String
    /// Statistic against equal shares; above the critical one they are not equal, at 99.9 % confidence.
    public var chiSquare: Double
    public var criticalChiSquare: Double
    /// Exponent that fits best; nil where shares are equal, or models too few.
    public var zipfExponent: Estimate?
    /// Share of requests that this exponent gives to the wrong models, and what is allowed of it.
    public var misplacedShare: Double?
    public var allowedShare: Double?

    public init(
      law: String, chiSquare: Double, criticalChiSquare: Double, zipfExponent: Estimate?, misplacedShare: Double?,
      allowedShare: Double?
    ) {
      self.law = law
      self.chiSquare = chiSquare
      self.criticalChiSquare = criticalChiSquare
      self.zipfExponent = zipfExponent
      self.misplacedShare = misplacedShare
      self.allowedShare = allowedShare
    }
  }

  /// How evenly the requests to each model come.
  public struct ArrivalsFinding: Codable, Hashable, Sendable {
    /// poisson, deterministic or gamma.
    public var process: String
    /// Coefficient of variation of the gaps between requests to a model; nil where the log says too little.
    public var cv: Estimate?
    /// Pairs of windows that it comes from.
    public var pairs: Int

    public init(process: String, cv: Estimate?, pairs: Int) {
      self.process = process
      self.cv = cv
      self.pairs = pairs
    }
  }

  /// How long requests are.
  public struct SizesFinding: Codable, Hashable, Sendable {
    /// Requests whose size is in the log.
    public var requests: Int
    public var mean: Double
    public var p50: Int
    public var p99: Int
    public var largest: Int

    public init(requests: Int, mean: Double, p50: Int, p99: Int, largest: Int) {
      self.requests = requests
      self.mean = mean
      self.p50 = p50
      self.p99 = p99
      self.largest = largest
    }
  }

  /// A model with its requests.
  public struct Model: Codable, Hashable, Sendable {
    public var name: String
    public var ratePerSecond: Estimate

    public init(name: String, ratePerSecond: Estimate) {
      self.name = name
      self.ratePerSecond = ratePerSecond
    }
  }

  /// Models of one architecture.
  public struct Group: Codable, Hashable, Sendable {
    public var name: String
    public var models: Int
    /// Models of the repository that the log never asks.
    public var modelsNeverAsked: Int
    /// Models with so few requests that their own rates are hardly known.
    public var modelsSeldomAsked: Int
    public var requests: Int
    public var ratePerSecond: Estimate
    /// Rate within the busiest part of the log.
    public var busiestRatePerSecond: Double?
    /// The most asked models, the first of all first.
    public var hottest: [Model]
    public var popularity: PopularityFinding
    public var arrivals: ArrivalsFinding
    /// What the log says of sizes; nil where it has none.
    public var sizes: SizesFinding?

    public init(
      name: String, models: Int, modelsNeverAsked: Int, modelsSeldomAsked: Int, requests: Int, ratePerSecond: Estimate,
      busiestRatePerSecond: Double?, hottest: [Model], popularity: PopularityFinding, arrivals: ArrivalsFinding,
      sizes: SizesFinding?
    ) {
      self.name = name
      self.models = models
      self.modelsNeverAsked = modelsNeverAsked
      self.modelsSeldomAsked = modelsSeldomAsked
      self.requests = requests
      self.ratePerSecond = ratePerSecond
      self.busiestRatePerSecond = busiestRatePerSecond
      self.hottest = hottest
      self.popularity = popularity
      self.arrivals = arrivals
      self.sizes = sizes
    }
  }

  /// Fewer requests than these say little of a model's own rate.
  public static let seldom = 10

  public var log: String
  public var format: String
  public var lines: Int
  public var requests: Int
  /// Time from the first request that counts to the last.
  public var durationSeconds: Double
  public var ratePerSecond: Estimate
  public var busiest: Busiest?
  /// What the workload's rates are of: mean or busiest.
  public var window: String
  public var leftOut: [LeftOut]
  public var groups: [Group]
  /// Groups of the repository without a request, which a workload cannot hold.
  public var groupsNeverAsked: [String]
  /// Keys of the workload that a log knows nothing of, and that are still to be filled in.
  public var blanks: [String] = []
  /// The workload with the tables beside it.
  public var files: [String] = []

  public init(
    log: String, format: String, lines: Int, requests: Int, durationSeconds: Double, ratePerSecond: Estimate,
    busiest: Busiest?, window: String, leftOut: [LeftOut], groups: [Group], groupsNeverAsked: [String]
  ) {
    self.log = log
    self.format = format
    self.lines = lines
    self.requests = requests
    self.durationSeconds = durationSeconds
    self.ratePerSecond = ratePerSecond
    self.busiest = busiest
    self.window = window
    self.leftOut = leftOut
    self.groups = groups
    self.groupsNeverAsked = groupsNeverAsked
  }
}
