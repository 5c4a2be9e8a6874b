/// The time of a request that is not computing: HTTP, parsing, tokenizer, hand-over.
struct Overhead: Hashable {
  var seconds: QuantileTable
  var provenance: Provenance

  /// Stands in where no profile has measured requests of that kind: 0.5 ms at p50, 2 ms at p99.
  static let allowanceProbabilities: [Double] = [0, 0.5, 0.9, 0.99, 1]
  static let allowanceSeconds: [Double] = [0.0002, 0.0005, 0.001, 0.002, 0.004]

  static func allowance(_ input: RequestInput) -> Overhead? {
    guard
      let table = QuantileTable(probabilities: allowanceProbabilities, seconds: allowanceSeconds, sampleCount: 0)
    else { return nil }
    return Overhead(
      seconds: table,
      provenance: Provenance(
        .estimated,
        source: "no profile has measured \(input.rawValue) requests: an allowance for HTTP, parsing and tokenizer of "
          + "0.5 ms at p50 and 2 ms at p99; `planner profile` measures it"))
  }

  /// The best measurement at hand for `machine`: its own, else the newest one of another machine, labelled so.
  ///
  /// Within a profile the cell of that input kind whose length is nearest, longer before shorter, fewest workers.
  static func best(for machine: String, query: FigureQuery, profiles: [Profile]) -> Overhead? {
    for isOwn in [true, false] {
      for profile in Figures.ranked(profiles.filter { ($0.host.instanceType == machine) == isOwn }) {
        if let found = nearest(in: profile, query: query, isOwn: isOwn) { return found }
      }
    }
    return allowance(query.input)
  }

  static func nearest(in profile: Profile, query: FigureQuery, isOwn: Bool) -> Overhead? {
    // The architecture asked for first: its answers have its size.
    let models =
      profile.models.filter { $0.architecture == query.architecture }
      + profile.models.filter { $0.architecture != query.architecture }
    for model in models {
      let cells = model.served.filter { $0.input == query.input }
      guard let cell = cells.min(by: { rank($0, query) < rank($1, query) }) else { continue }
      let place = isOwn ? "" : "; measured on another machine"
      return Overhead(
        seconds: cell.overheadSeconds,
        provenance: Provenance(
          .measured,
          source: "HTTP, parsing and \(cell.input == .text ? "tokenizer" : "token ids") of \(cell.tokens) tokens, "
            + "\(model.architecture), on \(profile.provenance.source)\(place)"))
    }
    return nil
  }

  private static func rank(_ cell: ServedCell, _ query: FigureQuery) -> (Int, Int, Int, Int) {
    let distance = cell.tokens - query.size
    return (abs(distance), distance < 0 ? 1 : 0, cell.workers, cell.threads)
  }
}
