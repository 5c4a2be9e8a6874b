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
      return .trace(trace(map, AtomicFile.path(of: file, beside: folder), model: model.text("name")))
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

  /// The process of a group of a workload, whose rate stands beside it: a name, or a mapping as at a scenario's model.
  ///
  /// - Parameters:
  ///   - folder: where a trace with a relative path lies.
  ///   - model: which lines of a trace are the group's.
  static func process(_ group: YAMLMap, folder: String, model: String?) -> ArrivalProcess {
    guard let node = group.node("arrivals") else { return .poisson }
    guard case .mapping = node, let map = group.map("arrivals") else {
      return plain(group, "arrivals", fallback: .poisson)
    }
    map.allow(["process", "cv", "file"])
    let name = map.text("process") ?? "poisson"
    if name != "gamma", let cv = map.node("cv") { map.reader.report(cv, map.key("cv"), "is of gamma arrivals alone") }
    if name != "trace", let file = map.node("file") { map.reader.report(file, map.key("file"), "is of a trace alone") }
    if let plain = ArrivalProcess.plain.first(where: { $0.name == name }) { return plain.process }
    switch name {
    case "gamma":
      let cv = map.number("cv", above: 0)
      if let cv, cv > 100 { map.reader.report(map.node("cv"), map.key("cv"), "is above 100") }
      return .gamma(cv: cv ?? 1)
    case "trace":
      guard map.required("file") != nil, let file = map.text("file") else { return .poisson }
      return .trace(trace(map, AtomicFile.path(of: file, beside: folder), model: model))
    default:
      map.reader.report(
        map.node("process"), map.key("process"), "'\(name)' is not an arrival process",
        "use poisson, deterministic, gamma or trace")
      return .poisson
    }
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
    var latest = 0.0
    for (number, line) in TextLines.numbered(text) {
      if number == 1, line.hasPrefix("seconds") { continue }
      guard let fields = TextLines.fields(line), fields.count >= 2, let time = Double(fields[0]), time.isFinite,
        time >= latest
      else {
        map.reader.report(
          map.node("file"), map.key("file"), "line \(number) of \(path) is not 'seconds,model' in ascending time")
        return []
      }
      latest = time
      if model == nil || fields[1] == model ?? "" { times.append(time) }
    }
    if times.isEmpty {
      map.reader.report(map.node("file"), map.key("file"), "\(path) has no arrival for model '\(model ?? "")'")
    }
    return times
  }
}
