/// The conditions under which a time was measured, or is asked for: equal conditions may be compared, others not.
public struct Conditions: Codable, Hashable, Sendable {
  /// Size of each request, in tokens.
  public var tokens: Int
  /// What each request carries. The bare engine is always given token ids.
  public var input: RequestInput
  /// Requests that are computed together in one pass.
  public var batch: Int
  /// Threads that compute one pass.
  public var threads: Int
  /// Workers that may compute at once, the measured one included; 1 is a worker alone.
  public var coRunners: Int

  public init(tokens: Int, input: RequestInput, batch: Int = 1, threads: Int, coRunners: Int) {
    self.tokens = tokens
    self.input = input
    self.batch = batch
    self.threads = threads
    self.coRunners = coRunners
  }

  /// Whether every count is above 0.
  public var isPossible: Bool { tokens > 0 && batch > 0 && threads > 0 && coRunners > 0 }

  /// Every combination of these values, sizes in the outer loop and threads in the inner one.
  public static func grid(
    tokens: [Int], input: RequestInput = .tokens, batch: Int = 1, threads: [Int], coRunners: Int
  ) -> [Conditions] {
    tokens.flatMap { tokens in
      threads.map { Conditions(tokens: tokens, input: input, batch: batch, threads: $0, coRunners: coRunners) }
    }
  }
}

extension Conditions: CustomStringConvertible {
  /// `32 tokens as text, batch 1, 2 × 1 threads`, where 2 is the number of workers.
  public var description: String {
    "\(tokens) tokens as \(input.rawValue), batch \(batch), \(coRunners) × \(threads) threads"
  }
}

/// The keys that profiles of version 1 use in the place of conditions.
private enum Version1Key: String, CodingKey { case tokens, input, batch, threads, concurrency, workers }

extension Conditions {
  /// Reads the conditions of a cell. They stand among the cell's other keys, in the form of version 2 or of version 1.
  ///
  /// Version 1 had no `input` in a cell of the bare engine, which is given token ids, and no `batch` in a cell of the
  /// server, whose passes were of one request.
  static func read(from decoder: any Decoder) throws -> Conditions {
    let box = try decoder.container(keyedBy: Version1Key.self)
    let workers = try box.decodeIfPresent(Int.self, forKey: .concurrency)
    guard let coRunners = try workers ?? box.decodeIfPresent(Int.self, forKey: .workers) else {
      return try Conditions(from: decoder)
    }
    return Conditions(
      tokens: try box.decode(Int.self, forKey: .tokens),
      input: try box.decodeIfPresent(RequestInput.self, forKey: .input) ?? .tokens,
      batch: try box.decodeIfPresent(Int.self, forKey: .batch) ?? 1,
      threads: try box.decode(Int.self, forKey: .threads), coRunners: coRunners)
  }
}
