import Foundation
import PlannerCore

/// What a workload file leaves to a person to fill in: written as `?`, which the reader refuses with an example.
public struct WorkloadBlanks: OptionSet, Hashable, Sendable {
  public var rawValue: Int

  public init(rawValue: Int) { self.rawValue = rawValue }

  public static let architecture = WorkloadBlanks(rawValue: 1)
  public static let size = WorkloadBlanks(rawValue: 2)
  public static let target = WorkloadBlanks(rawValue: 4)
}

extension WorkloadFile {
  /// Writes a workload with `groups`, and beside it the tables that it names: `shop.yaml` with `shop.1.models.csv`,
  /// `shop.1.sizes.csv` and `shop.1.arrivals.csv` for its first group, where that has such. `read` returns the same
  /// workload.
  ///
  /// The tables are in place before the file that names them.
  /// - Parameters:
  ///   - notes: lines of comment at the head of the file.
  ///   - blanks: what is written as still to be filled in, whatever the workload holds.
  /// - Returns: paths of all files, the workload's last.
  /// - Throws: `FileError` (`unavailable`).
  @discardableResult
  public static func write(
    _ workload: Workload, to path: String, notes: [String] = [], blanks: WorkloadBlanks = []
  ) throws(FileError) -> [String] {
    let stem = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
    // As it was given, so that what is printed can be found from where the user stands.
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    var paths: [String] = []
    var text = notes.map { "# \($0)\n" }.joined()
    text += "name: \(quoted(workload.name))\nsource: \(quoted(workload.source))\n"
    if blanks.contains(.target) { text += "targetP99: \"?\"\n" }
    if workload.isProxied { text += "proxy: true\n" }
    text += "groups:\n"
    for (index, group) in workload.groups.enumerated() {
      var writer = GroupWriter(group: group, blanks: blanks, stem: "\(stem).\(index + 1)")
      text += writer.text()
      for table in writer.tables {
        try AtomicFile.write(table.text, to: folder + table.name)
        paths.append(folder + table.name)
      }
    }
    try AtomicFile.write(text, to: path)
    return paths + [path]
  }

  /// A scalar in double quotes, whatever it holds.
  fileprivate static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": quoted += "\\" + String(scalar)
      case _ where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || isUnprintable(scalar):
        let digits = String(scalar.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }

  /// Line separators, the byte order mark, and what is no character: YAML wants them escaped.
  private static func isUnprintable(_ scalar: Unicode.Scalar) -> Bool {
    [0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF].contains(scalar.value)
  }
}

/// The lines of one group, and the tables beside them.
private struct GroupWriter {
  let group: ModelGroup
  let blanks: WorkloadBlanks
  /// The tables' names begin with it.
  let stem: String
  private(set) var tables: [(name: String, text: String)] = []

  init(group: ModelGroup, blanks: WorkloadBlanks, stem: String) {
    self.group = group
    self.blanks = blanks
    self.stem = stem
  }

  mutating func text() -> String {
    var lines = ["name: \(WorkloadFile.quoted(group.name))"]
    lines.append(
      "architecture: " + (blanks.contains(.architecture) ? "\"?\"" : WorkloadFile.quoted(group.architecture)))
    if let vocabulary = group.vocabulary { lines.append("vocabulary: \(vocabulary)") }
    lines.append("models: \(group.models)")
    if let names = names() { lines.append("names: \(names)") }
    if let sizes = sizes() { lines.append("size: \(sizes)") }
    if let rate = rate() { lines.append("rate: \(rate)") }
    lines.append("arrivals: \(arrivals())")
    if !blanks.contains(.target) { lines.append("targetP99: \(Self.time(group.targetP99Seconds))") }
    if let precisions = group.precisions {
      lines.append("precisions: [\(precisions.map(\.rawValue).joined(separator: ", "))]")
    }
    if group.leastReplicas > 1 { lines.append("replicas: \(group.leastReplicas)") }
    lines.append("input: \(group.requests.input.rawValue)")
    return lines.enumerated().map { ($0 == 0 ? "  - " : "    ") + $1 + "\n" }.joined()
  }

  private mutating func table(_ kind: String, header: String, _ rows: some Sequence<String>) -> String {
    let name = "\(stem).\(kind).csv"
    tables.append((name, header + "\n" + rows.map { $0 + "\n" }.joined()))
    return "{\(kind == "sizes" ? "histogram" : "file"): \(WorkloadFile.quoted(name))}"
  }

  /// Few names stand in the file itself; those that have listed shares stand beside them.
  private mutating func names() -> String? {
    guard let names = group.modelNames else { return nil }
    if case .shares = group.popularity { return nil }
    if names.count <= 8 { return "[\(names.map(WorkloadFile.quoted).joined(separator: ", "))]" }
    return table("models", header: "model", names.map(TextLines.field))
  }

  private mutating func sizes() -> String? {
    if blanks.contains(.size) { return "\"?\"" }
    switch group.requests.sizes {
    case .none: return nil
    case .fixed(let size): return "\(size)"
    case .lognormal(let mean, let cv, let most):
      return "{distribution: lognormal, mean: \(Self.number(mean)), cv: \(Self.number(cv)), max: \(most)}"
    case .histogram(let bins):
      return table("sizes", header: "size,weight", bins.map { "\($0.size),\(Self.number($0.weight))" })
    }
  }

  private mutating func rate() -> String? {
    if case .trace = group.arrivals { return nil }
    let total = group.totalRatePerSecond
    // The total says more where models differ, if it leads back to the same mean.
    let isExact = group.popularity != .uniform && total / Double(group.models) == group.ratePerModelPerSecond
    let rate = isExact ? "total: \(Self.number(total))" : "perModel: \(Self.number(group.ratePerModelPerSecond))"
    switch group.popularity {
    case .uniform: return "{\(rate)}"
    case .zipf(let exponent): return "{\(rate), popularity: {zipf: \(Self.number(exponent))}}"
    case .shares(let shares):
      let file: String
      if let names = group.modelNames {
        file = table("models", header: "model,share", zip(names, shares).map { "\(TextLines.field($0)),\($1)" })
      } else {
        file = table("models", header: "share", shares.map { "\($0)" })
      }
      return "{\(rate), popularity: \(file)}"
    }
  }

  private mutating func arrivals() -> String {
    switch group.arrivals {
    case .poisson, .deterministic: return "{process: \(group.arrivals.name)}"
    case .gamma(let cv): return "{process: gamma, cv: \(Self.number(cv))}"
    case .trace(let times):
      // A single model's trace goes by its own name, any other by the group's.
      let owner = group.modelNames?.count == 1 ? group.modelNames?.first : group.name
      let name = TextLines.field(owner ?? group.name)
      let file = table("arrivals", header: "seconds,model", times.map { "\($0),\(name)" })
      return "{process: trace, " + file.dropFirst()
    }
  }

  /// The shortest text that reads back to the same number, whole numbers without a point.
  private static func number(_ value: Double) -> String {
    let text = "\(value)"
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }

  /// A time as people write it, if that reads back to the same one.
  private static func time(_ seconds: Double) -> String {
    let milliseconds = number((seconds * 1e3 * 1e6).rounded() / 1e6) + "ms"
    return seconds < 1 && Quantity.seconds(milliseconds) == seconds ? milliseconds : number(seconds) + "s"
  }
}
