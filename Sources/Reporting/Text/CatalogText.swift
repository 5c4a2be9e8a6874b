import PlannerCore

/// What `planner catalog show` tells a person.
public enum CatalogText {
  /// Instance types with their prices, then the published latencies; lines are at most `style.width` cells wide.
  public static func render(_ catalog: Catalog, _ figures: [PublishedBenchmark], style: TextStyle = .plain) -> String {
    var page = TextPage(style)
    page.heading(Format.count(catalog.types.count, "instance type", "instance types"))
    page.paragraph("Prices, \(catalog.provenance.kind.rawValue): \(catalog.provenance.source)", isDim: true)
    page.table(types(catalog.types))
    page.heading(Format.count(figures.count, "published latency", "published latencies"))
    if !figures.isEmpty { page.table(latencies(figures)) }
    var sources: [String] = []
    for figure in figures where !sources.contains(figure.source) { sources.append(figure.source) }
    for source in sources { page.item(source, isDim: true) }
    return page.text
  }

  private static func types(_ types: [InstanceType]) -> TextTable {
    var table = TextTable(columns: [
      .init("type"), .init("$/h", .trailing), .init("vCPUs", .trailing), .init("memory", .trailing, dispensability: 2),
      .init("for pods", .trailing), .init("CPU", dispensability: 3), .init("arch", dispensability: 4),
      .init("clock", .trailing, dispensability: 5), .init("accelerators"),
    ])
    for type in types {
      let accelerator = type.accelerator.map {
        "\(Format.count($0.count)) × \($0.name) of \(Format.bytes($0.memoryBytes))"
      }
      table.append([
        type.name, "$\(Format.decimal(type.costPerHour, places: 4))", Format.count(type.vcpus),
        Format.bytes(type.memoryBytes),
        Format.bytes(type.allocatableMemoryBytes), type.cpuManufacturer, type.architecture,
        type.sustainedClockMHz.map { "\(Format.decimal(Double($0) / 1000, places: 1)) GHz" } ?? Format.missing,
        accelerator ?? "",
      ])
    }
    return table
  }

  private static func latencies(_ figures: [PublishedBenchmark]) -> TextTable {
    var table = TextTable(columns: [
      .init("model"), .init("precision"), .init("tokens", .trailing), .init("batch", .trailing, dispensability: 2),
      .init("taken on"), .init("good for", dispensability: 1), .init("mean", .trailing, dispensability: 3),
      .init("p50", .trailing), .init("p95", .trailing), .init("p99", .trailing),
    ])
    for figure in figures {
      func seconds(_ key: String) -> String { figure.seconds[key].map(Format.duration) ?? Format.missing }
      table.append([
        figure.architecture, figure.precision.rawValue, Format.count(figure.tokens), Format.count(figure.batch),
        figure.measuredOn, figure.instanceFamilies.joined(separator: ", "), seconds("mean"), seconds("p50"),
        seconds("p95"), seconds("p99"),
      ])
    }
    return table
  }
}
