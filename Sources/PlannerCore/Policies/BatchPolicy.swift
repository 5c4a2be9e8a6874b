/// Which waiting requests share a forward pass, and how long they wait for one another.
///
/// One case for each kind of policy; its knobs are one value, and its state machine is one file beside this one.
/// `WaitingRequests` forwards to that machine. Continuous batching or a budget of tokens would be a case each.
public enum BatchPolicy: Hashable, Sendable {
  /// Requests of one model and one key start together once a preferred size of them waits, or once the oldest of
  /// them has waited long enough.
  case grouped(GroupedBatching)

  /// The policy that groups requests of one model.
  ///
  /// - Parameters:
  ///   - max: most requests in one forward pass.
  ///   - wait: longest that a free worker leaves a request waiting for company.
  ///   - batchCostFactor: see `GroupedBatching.batchCostFactor`.
  ///   - preferred: sizes that start at once; those outside 1 ... `max` are left out.
  public init(max: Int, wait: Nanoseconds, batchCostFactor: Double = 1, preferred: [Int] = []) {
    self = .grouped(
      GroupedBatching(max: max, wait: wait, batchCostFactor: batchCostFactor, preferred: preferred))
  }

  /// Every request is computed alone.
  public static let single = BatchPolicy(max: 1, wait: .zero)

  /// Most requests in one forward pass.
  public var max: Int {
    switch self {
    case .grouped(let knobs): knobs.max
    }
  }

  /// Longest that a free worker leaves a request waiting for company.
  public var wait: Nanoseconds {
    switch self {
    case .grouped(let knobs): knobs.wait
    }
  }

  /// Sizes of a batch that start without waiting for more requests, ascending.
  public var preferred: [Int] {
    switch self {
    case .grouped(let knobs): knobs.preferred
    }
  }

  /// Seconds of a pass, from the times that its requests would take alone: what the simulator charges for a batch.
  ///
  /// - Parameters:
  ///   - first: seconds that the oldest request of the batch takes alone.
  ///   - others: seconds of each other request, alone.
  public func passSeconds(first: Double, others: some Sequence<Double>) -> Double {
    switch self {
    case .grouped(let knobs): others.reduce(first) { $0 + knobs.batchCostFactor * $1 }
    }
  }
}

/// The knobs of `BatchPolicy.grouped`, whose machine is `BatchQueue`.
public struct GroupedBatching: Hashable, Sendable {
  /// Most requests in one forward pass.
  public let max: Int
  /// Longest that a free worker leaves a request waiting for company.
  public let wait: Nanoseconds
  /// Time of each further request of a batch, as a share of its time alone: 1 gains nothing, 0 is free.
  public let batchCostFactor: Double
  /// Sizes that start as soon as so many requests wait, ascending; `max` is always one of them.
  public let preferred: [Int]

  /// - Parameter preferred: those outside 1 ... `max` are left out.
  public init(max: Int, wait: Nanoseconds, batchCostFactor: Double = 1, preferred: [Int] = []) {
    self.max = max
    self.wait = wait
    self.batchCostFactor = batchCostFactor
    self.preferred = Set(preferred.filter { (1..<max).contains($0) } + [max]).sorted()
  }

  /// Fewest requests that need not wait for more.
  var smallestFull: Int { preferred.first ?? max }

  /// Requests to take of so many that may start: the largest preferred size among them; all where there is none.
  func size(waiting: Int) -> Int { preferred.last { $0 <= waiting } ?? waiting }
}
