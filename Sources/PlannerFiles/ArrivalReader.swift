import PlannerCore

/// Reads arrival processes: the one place that knows their names and keys in YAML files.
enum ArrivalReader {
  /// The mapping `arrivals` of a model: `process`, and the keys that the process needs.
  ///
  /// - Parameter folder: where a trace with a relative path lies.
  static func arrivals(_ model: YAMLMap, folder: String) -> Arrivals {
    let unread = Arrivals.poisson(ratePerSecond: 1)
    guard let map = model.requiredMap("arrivals") else { return unread }
    map.allow(["process", "ratePerSecond", "cv", "file"])
    let name = map.text("process") ?? "poisson"
    if name == "trace" {
      guard let file = map.text("file") else {
        map.reader.report(map.node, map.key("file"), "is missing")
        return unread
      }
      return .trace(trace(map, file.hasPrefix("/") ? file : folder + "/" + file, model: model.text("name")))
    }
    guard let rate = map.number("ratePerSecond", above: 0) else { return unread }
    if let plain = ArrivalProcess.plain.first(where: { $0.name == name }) {
      return Arrivals(plain.process, ratePerSecond: rate)
    }
    if name == "gamma" { return .gamma(ratePerSecond: rate, cv: map.number("cv", above: 0) ?? 1) }
    map.reader.report(
      map.node("process"), map.key("process"), "'\(name)' is not an arrival process",
      "use poisson, deterministic, gamma or trace")
    return unread
  }

  /// A process that is given by its name alone, beside a rate that another key gives.
  static func plain(_ map: YAMLMap, _ key: String, fallback: ArrivalProcess) -> ArrivalProcess {
    guard let text = map.text(key) else { return fallback }
    if let plain = ArrivalProcess.plain.first(where: { $0.name == text }) { return plain.process }
    let names = ArrivalProcess.plain.map(\.name).joined(separator: ", ")
    map.reader.report(map.node(key), map.key(key), "'\(text)' is not known", "use \(names)")
    return fallback
  }

  /// Times of a CSV `seconds,model[,tokens]`; those for `model`, or all where no model is named.
  private static func trace(_ map: YAMLMap, _ path: String, model: String?) -> [Double] {
    let text: String
    do {
      text = try AtomicFile.read(path)
    } catch {
      for problem in error.problems { map.reader.report(map.node("file"), map.key("file"), problem.description) }
      return []
    }
    var times: [Double] = []
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let trimmed = line.hasSuffix("\r") ? line.dropLast() : line
      if trimmed.isEmpty || (index == 0 && trimmed.hasPrefix("seconds")) { continue }
      let fields = trimmed.split(separator: ",", omittingEmptySubsequences: false)
      guard fields.count >= 2, let time = Double(fields[0]), time.isFinite, time >= times.last ?? 0 else {
        map.reader.report(
          map.node("file"), map.key("file"), "line \(index + 1) of \(path) is not 'seconds,model' in ascending time")
        return []
      }
      if model == nil || fields[1] == model ?? "" { times.append(time) }
    }
    if times.isEmpty {
      map.reader.report(map.node("file"), map.key("file"), "\(path) has no arrival for model '\(model ?? "")'")
    }
    return times
  }
}
