import PlannerCore

/// What `planner profile diff` tells a person.
public enum ProfileDiffText {
  /// The figures of `new` beside those of `old` where both have them; lines are at most `style.width` cells wide.
  public static func render(_ old: Profile, _ new: Profile, style: TextStyle = .plain) -> String {
    var page = TextPage(style)
    page.heading("Profiles compared")
    page.facts([
      ("Old", title(old)), ("New", title(new)),
      (
        "Machines",
        old.host.isSameProcessor(as: new.host)
          ? "the same processor" : "different processors: the ratios say how they differ, not that anything changed"
      ),
      (
        "Settings",
        old.settings == new.settings
          ? ProfileText.name(new.settings)
          : "\(ProfileText.name(old.settings)) → \(ProfileText.name(new.settings))"
      ),
    ])
    memory(old, new, &page)
    times(old, new, &page)
    return page.text
  }

  private static func title(_ profile: Profile) -> String {
    "\(profile.host.cpuModel), \(Format.count(profile.host.cores, "core", "cores")), "
      + "\(Format.date(profile.measuredAt))\(profile.quick ? ", quick" : "")"
  }

  private struct Variant: Hashable {
    var architecture: String
    var precision: Precision
    var vocabulary: Int

    init(_ model: ModelProfile) {
      architecture = model.architecture
      precision = model.precision
      vocabulary = model.vocabulary
    }
  }

  private static func memory(_ old: Profile, _ new: Profile, _ page: inout TextPage) {
    var table = TextTable(columns: [
      .init("memory"), .init("precision"), .init("vocabulary", .trailing, dispensability: 1), .init("old", .trailing),
      .init("new", .trailing), .init("change", .trailing),
    ])
    func row(_ head: [String], _ before: Int64, _ after: Int64) {
      let change = before > 0 ? Double(after) / Double(before) - 1 : .nan
      table.append(head + [Format.bytes(before), Format.bytes(after), Format.signedPercent(change)])
    }
    row(["server without models", "", ""], old.serverMemoryBytes, new.serverMemoryBytes)
    for model in new.models {
      guard let before = old.models.first(where: { Variant($0) == Variant(model) }) else { continue }
      row(
        [model.architecture, model.precision.rawValue, Format.count(model.vocabulary)], before.memoryPerModelBytes,
        model.memoryPerModelBytes)
    }
    page.gap()
    page.table(table)
  }

  /// A place in the measurement matrix.
  private struct Place: Hashable {
    var variant: Variant
    var kind: String
    var tokens: Int
    var shape: [Int]
  }

  private struct Measured {
    var place: Place
    var table: QuantileTable
  }

  private static func places(_ profile: Profile) -> [Measured] {
    profile.models.flatMap { model in
      model.forward.map { cell in
        Measured(
          place: Place(
            variant: Variant(model), kind: "forward", tokens: cell.tokens,
            shape: [cell.batch, cell.threads, cell.concurrency, cell.residentModels]),
          table: cell.serviceSeconds)
      }
        + model.served.flatMap { cell -> [Measured] in
          let shape = [1, cell.threads, cell.workers, cell.residentModels]
          let variant = Variant(model)
          let name = cell.input.rawValue
          return [
            Measured(
              place: Place(variant: variant, kind: "\(name) compute", tokens: cell.tokens, shape: shape),
              table: cell.computeSeconds),
            Measured(
              place: Place(variant: variant, kind: "\(name) HTTP", tokens: cell.tokens, shape: shape),
              table: cell.overheadSeconds),
          ]
        }
    }
  }

  private static func times(_ old: Profile, _ new: Profile, _ page: inout TextPage) {
    let (before, after) = (places(old), places(new))
    var known: [Place: QuantileTable] = [:]
    for measured in before { known[measured.place] = measured.table }
    var table = TextTable(columns: [
      .init("model"), .init("precision"), .init("time"), .init("tokens", .trailing),
      .init("threads", .trailing), .init("at once", .trailing, dispensability: 1),
      .init("old", .trailing, group: "p50"), .init("new", .trailing, group: "p50"),
      .init("ratio", .trailing, group: "p50"), .init("old", .trailing, dispensability: 3, group: "p99"),
      .init("new", .trailing, dispensability: 3, group: "p99"),
      .init("ratio", .trailing, dispensability: 2, group: "p99"),
    ])
    var ratios: [Double] = []
    for measured in after {
      guard let earlier = known[measured.place] else { continue }
      let (place, later) = (measured.place, measured.table)
      let middle = (earlier.quantile(0.5), later.quantile(0.5))
      let tail = (earlier.quantile(0.99), later.quantile(0.99))
      if middle.0 > 0 { ratios.append(middle.1 / middle.0) }
      table.append([
        place.variant.architecture, place.variant.precision.rawValue, place.kind, Format.count(place.tokens),
        Format.count(place.shape[1]), Format.count(place.shape[2]), Format.duration(middle.0),
        Format.duration(middle.1), Format.ratio(middle.1 / middle.0), Format.duration(tail.0),
        Format.duration(tail.1), Format.ratio(tail.1 / tail.0),
      ])
    }
    page.gap()
    if table.isEmpty {
      page.paragraph("No time was measured in both.")
    } else {
      page.table(table)
      if !ratios.isEmpty {
        let typical = ratios.sorted().quantile(0.5)
        page.paragraph(
          "New over old at p50: \(Format.ratio(typical)) in the middle of \(Format.count(ratios.count)) times.")
      }
    }
    let shared = after.count { known[$0.place] != nil }
    let (gone, added) = (before.count - shared, after.count - shared)
    if gone > 0 || added > 0 {
      page.paragraph("\(Format.count(gone)) times are only in the old one, \(Format.count(added)) only in the new one.")
    }
  }
}
