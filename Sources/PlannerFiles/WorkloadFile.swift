import PlannerCore

/// Reads workload files: YAML of one group of models, whose keys each fall back to the guidance's case.
public enum WorkloadFile {
  /// - Throws: `FileError` with everything that is wrong in the file.
  public static func read(_ path: String) throws(FileError) -> Workload {
    let (reader, top) = try YAMLReader.open(path)
    top.allow([
      "name", "family", "vocabulary", "models", "tokens", "input", "ratePerModelPerSecond", "arrivals", "targetP99",
      "source",
    ])
    var workload = Workload.guidance
    workload.name = top.text("name") ?? path
    workload.groups[0].name = workload.name
    workload.source = top.text("source") ?? path
    // Any name may be planned that a profile or a publication knows; the planner says which those are.
    workload.architecture = top.text("family") ?? workload.architecture
    workload.models = top.integer("models", in: 1...1_000_000, fallback: workload.models)
    workload.tokens = top.integer("tokens", in: 1...512, fallback: workload.tokens)
    if top.node("vocabulary") != nil {
      workload.vocabulary = top.integer("vocabulary", in: 200...1_000_000, fallback: 200)
    }
    if top.node("ratePerModelPerSecond") != nil {
      workload.ratePerModelPerSecond = top.number("ratePerModelPerSecond", above: 0) ?? workload.ratePerModelPerSecond
    }
    workload.input = one(of: RequestInput.allCases, top, "input", fallback: workload.input)
    workload.arrivals = ArrivalReader.plain(top, "arrivals", fallback: workload.arrivals)
    if let target = top.seconds("targetP99") {
      if target > 0 {
        workload.targetP99Seconds = target
      } else {
        reader.report(top.node("targetP99"), "targetP99", "must be longer than 0")
      }
    }
    try reader.check()
    return workload
  }

  private static func one<Value: RawRepresentable<String>>(
    of values: [Value], _ map: YAMLMap, _ key: String, fallback: Value
  ) -> Value {
    guard let text = map.text(key) else { return fallback }
    if let value = values.first(where: { $0.rawValue == text }) { return value }
    map.reader.report(
      map.node(key), key, "'\(text)' is not known", "use \(values.map(\.rawValue).joined(separator: ", "))")
    return fallback
  }
}
