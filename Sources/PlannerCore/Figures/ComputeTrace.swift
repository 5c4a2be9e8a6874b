/// Compute times of one served cell in the order in which they were measured.
///
/// A machine is slow in spells, and draws that are independent of each other would make queues look shorter than they
/// are: a simulation follows this order. Times are whole ticks of 100 ns, so that a trace read from a file is exactly
/// the one that was written. The distribution of the cell follows from its trace and is not kept beside it.
public struct ComputeTrace: Hashable, Sendable {
  /// Name of the cell that was measured.
  public var cell: String
  /// Ticks of 100 ns, one list for each round of the measurement.
  public var rounds: [[Int]]

  public static let ticksPerSecond = 1e7
  /// A longer time than this is damage: an hour, in ticks of 100 ns.
  public static let mostTicks = 36_000_000_000

  public init(cell: String, rounds: [[Int]]) {
    self.cell = cell
    self.rounds = rounds
  }

  /// - Parameter seconds: compute times in order, one list for each round; rounded to 100 ns.
  public init(cell: String, seconds: [[Double]]) {
    self.init(cell: cell, rounds: seconds.map { $0.map { Int(($0 * Self.ticksPerSecond).rounded()) } })
  }

  public var sampleCount: Int { rounds.reduce(0) { $0 + $1.count } }

  /// All of its times, seconds, in order.
  public var seconds: [Double] { rounds.flatMap { $0.map { Double($0) / Self.ticksPerSecond } } }

  /// The distribution of all of its times; nil where there is none.
  public var table: QuantileTable? { QuantileTable(samples: seconds) }

  /// Enough for the spells of a machine.
  public static let mostSimulated = 4_000

  /// The times that simulations follow, seconds: of each round as many, from its start and without a gap, and at most
  /// `mostSimulated` together.
  public var simulatedSeconds: [Double] {
    let share = Self.mostSimulated / max(1, rounds.count)
    return rounds.flatMap { $0.prefix(share).map { Double($0) / Self.ticksPerSecond } }
  }

  public var reference: TraceReference {
    TraceReference(cell: cell, samples: sampleCount, checksum: checksum)
  }

  /// `StableHash` of the length of each round and its ticks, as 16 hexadecimal digits: it tells damage and files of
  /// other measurements apart from the trace that was meant.
  public var checksum: String {
    var hash = StableHash()
    for round in rounds {
      hash.mix(round.count)
      for ticks in round { hash.mix(ticks) }
    }
    return hash.hexadecimal
  }
}

/// Which trace belongs to a cell, a plan or a run: enough to find it among files of traces, and to see that it
/// is whole.
public struct TraceReference: Codable, Hashable, Sendable {
  /// Name of the cell that was measured.
  public var cell: String
  /// Times in the trace.
  public var samples: Int
  /// `ComputeTrace.checksum` of the trace.
  public var checksum: String

  public init(cell: String, samples: Int, checksum: String) {
    self.cell = cell
    self.samples = samples
    self.checksum = checksum
  }
}

extension [Profile] {
  /// The compute times that a reference stands for, seconds, as simulations follow them; nil where no cell of these
  /// profiles has that trace, or where they were read without their traces.
  ///
  /// Complexity: O(n) in the number of cells.
  public func computeTraceSeconds(_ reference: TraceReference) -> [Double]? {
    for model in self.lazy.flatMap(\.models) {
      if let cell = model.served.first(where: { $0.trace == reference && $0.computeTraceSeconds != nil }) {
        return cell.computeTraceSeconds
      }
    }
    return nil
  }
}
