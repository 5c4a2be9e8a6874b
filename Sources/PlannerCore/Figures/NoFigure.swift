/// Why no measurement and no publication speaks for a model on a machine.
public enum NoFigure: Error, Hashable, Sendable, CustomStringConvertible {
  /// The profile of the machine at hand has not measured these models on so many of its cores.
  case notInProfileAtHand(ModelName, size: Int, cores: Int)
  /// What was published on that instance family ends at shorter requests.
  case onlyShorter(architecture: String, instanceFamily: String, longest: Int, size: Int)
  /// There is a profile of that type, of other models.
  case notInProfile(instanceType: String, ModelName, size: Int)
  /// Something was published, but not what a plan needs to know.
  case notUsable(architecture: String, instanceFamily: String)
  case nothingKnown(architecture: String, instanceFamily: String)

  /// An architecture, and a vocabulary where the workload names one.
  public struct ModelName: Hashable, Sendable, CustomStringConvertible {
    public var architecture: String
    public var vocabulary: Int?

    public init(architecture: String, vocabulary: Int?) {
      self.architecture = architecture
      self.vocabulary = vocabulary
    }

    public var description: String {
      vocabulary.map { "\(architecture) with a vocabulary of \($0)" } ?? architecture
    }
  }

  public var description: String {
    switch self {
    case .notInProfileAtHand(let model, let size, let cores):
      "the profile of this machine has no \(model) served at \(size) or more tokens on "
        + "\(cores) of its cores; run `planner profile` with such models"
    case .onlyShorter(let architecture, let family, let longest, let size):
      "figures of \(architecture) on \(family) end at \(longest) tokens, \(size) are needed"
    case .notInProfile(let type, let model, let size):
      "the profile of \(type) has no \(model) served at \(size) or more tokens"
    case .notUsable(let architecture, let family):
      "the figures of \(architecture) on \(family) cannot be planned with"
    case .nothingKnown(let architecture, let family):
      "no measured or published latency of \(architecture) on \(family)"
    }
  }
}

/// The latency that a plan rests on, as reasons quote it.
public enum FigureLabel: Hashable, Sendable, CustomStringConvertible {
  case measured(p99Seconds: Double, size: Int, precision: Precision, workers: Int, threads: Int)
  /// `quantile` is the one nearest to p99 that was published: `p99`, `p95`, … or `mean`.
  case published(quantile: String, seconds: Double, size: Int, precision: Precision, measuredOn: String)

  public var description: String {
    switch self {
    case .measured(let p99, let size, let precision, let workers, let threads):
      "measured p99 \(NumberText.milliseconds(p99)) at \(size) tokens, \(precision.rawValue), "
        + "\(workers) × \(threads) threads"
    case .published(let quantile, let seconds, let size, let precision, let machine):
      "published \(quantile) \(NumberText.milliseconds(seconds)) at \(size) tokens, \(precision.rawValue) on \(machine)"
    }
  }
}
