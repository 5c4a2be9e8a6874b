import PlannerCore
import Yams

/// Reads one entry of a workload's `groups`.
struct WorkloadGroupReader {
  /// Stands for what whoever wrote the file could not know, such as a log's reader: to be filled in by a person.
  static let blank = "?"
  /// What stands in for what is missing or wrong, which is reported: no value of it gets out.
  private static let unread = 1

  let map: YAMLMap
  /// Where files with relative paths lie.
  let folder: String
  /// Target of groups that name none, seconds.
  let usualTarget: Double?

  private static let keys = [
    "name", "architecture", "vocabulary", "models", "names", "size", "rate", "arrivals", "targetP99", "precisions",
    "replicas", "input",
  ]

  func group() -> ModelGroup {
    map.allow(Self.keys)
    let architecture = architecture()
    let name = map.text("name") ?? architecture
    if let problem = ModelNames.problem(name) { map.reader.report(map.node("name"), map.key("name"), problem) }
    let input = map.choice("input", RequestInput.allCases, fallback: .text)
    let names = names()
    let process = ArrivalReader.process(map, folder: folder, model: names?.count == 1 ? names?.first : name)
    let rate = rate(process, names)
    return ModelGroup(
      name: name, architecture: architecture,
      vocabulary: map.node("vocabulary").map { _ in
        map.integer("vocabulary", in: WorkloadLimits.vocabulary, fallback: Self.unread)
      },
      precisions: precisions(), models: rate.models, modelNames: rate.names,
      requests: RequestMix(sizes: sizes(input), input: input), ratePerModelPerSecond: rate.perModel,
      popularity: rate.popularity, arrivals: process, targetP99Seconds: target(),
      leastReplicas: map.integer("replicas", in: WorkloadLimits.replicas, fallback: 1))
  }

  // MARK: What may be left blank

  /// Reports a value that is still to be filled in.
  ///
  /// - Returns: whether it is one.
  private static func isBlank(_ map: YAMLMap, _ key: String, _ question: String, _ example: String) -> Bool {
    guard map.node(key)?.scalar?.string == blank else { return false }
    map.reader.report(map.node(key), map.key(key), "is still to be filled in: \(question)", "write \(example)")
    return true
  }

  private func architecture() -> String {
    let example = "architecture: bert-base"
    if Self.isBlank(map, "architecture", "which models are these?", "for instance \(example)") { return Self.blank }
    guard map.required("architecture") != nil else { return Self.blank }
    return map.text("architecture") ?? Self.blank
  }

  /// The target of a group or of the whole file, seconds; nil where the key is missing, or wrong and reported.
  static func target(_ map: YAMLMap) -> Double? {
    if isBlank(map, "targetP99", "how fast must 99 of 100 answers be?", "for instance targetP99: 10ms") {
      // One problem is enough for all groups.
      return 1
    }
    guard let target = map.seconds("targetP99") else { return nil }
    if target > 0 { return target }
    map.reader.report(map.node("targetP99"), map.key("targetP99"), "must be longer than 0")
    return nil
  }

  private func target() -> Double {
    if map.node("targetP99") != nil { return Self.target(map) ?? 1 }
    if let usualTarget { return usualTarget }
    map.reader.report(
      map.node, map.key("targetP99"), "is missing", "write it here or once for all groups, such as targetP99: 10ms")
    return 1
  }

  // MARK: Sizes

  private func sizes(_ input: RequestInput) -> RequestSizes {
    if Self.isBlank(map, "size", "how long are requests?", "for instance size: 40, or {histogram: sizes.csv}") {
      return .none
    }
    guard let node = map.node("size") else {
      if input == .tensors { return .none }
      map.reader.report(
        map.node, map.key("size"), "is missing; \(input.rawValue) have a length",
        "write for instance size: 40, or input: tensors for models whose requests have none")
      return .none
    }
    guard case .mapping = node else {
      return .fixed(map.integer("size", in: WorkloadLimits.sizes, fallback: Self.unread))
    }
    guard let size = map.map("size") else { return .none }
    size.allow(["distribution", "mean", "cv", "max", "histogram"])
    guard size.node("histogram") == nil else { return histogram(size) }
    guard let distribution = size.text("distribution"), distribution == "lognormal" else {
      size.reader.report(
        size.node("distribution") ?? size.node, size.key("distribution"),
        size.node("distribution") == nil ? "is missing" : "is not known",
        "write {distribution: lognormal, mean: 40, cv: 0.8, max: 128} or {histogram: FILE}")
      return .none
    }
    let mean = size.number("mean", above: 0)
    let cv = size.number("cv", above: 0)
    if let cv, cv > 100 { size.reader.report(size.node("cv"), size.key("cv"), "is above 100") }
    guard size.node("max") != nil else {
      size.reader.report(
        size.node, size.key("max"), "is missing", "say the longest size that the models take, such as max: 512")
      return .none
    }
    let most = size.integer("max", in: WorkloadLimits.sizes, fallback: WorkloadLimits.sizes.upperBound)
    if let mean, mean > Double(most) {
      size.reader.report(size.node("mean"), size.key("mean"), "is above max, to which longer requests are cut")
    }
    return .lognormal(mean: mean ?? 1, cv: cv ?? 1, max: most)
  }

  private func histogram(_ size: YAMLMap) -> RequestSizes {
    for key in ["distribution", "mean", "cv", "max"] where size.node(key) != nil {
      size.reader.report(size.node(key), size.key(key), "stands beside a histogram, which says all of it")
    }
    guard let file = size.text("histogram") else { return .none }
    do throws(FileError) {
      return .histogram(try WorkloadTables.histogram(place(file)))
    } catch {
      size.reader.report(error)
      return .none
    }
  }

  // MARK: Rates

  private struct Rate {
    var models = WorkloadGroupReader.unread
    var names: [String]?
    /// Requests a second, in the mean over the models.
    var perModel = 1.0
    var popularity = Popularity.uniform
  }

  /// Number and names of the models with their rates: each of them may be said in more than one place.
  private func rate(_ process: ArrivalProcess, _ names: [String]?) -> Rate {
    var rate = Rate()
    rate.names = names
    var table: WorkloadTables.Shares?
    let rateMap = map.node("rate") == nil ? nil : map.map("rate")
    if let rateMap {
      rateMap.allow(["perModel", "total", "popularity"])
      (rate.popularity, table) = popularity(rateMap)
    }
    if let listed = table?.names { rate.names = ordered(&rate.popularity, listed, names) }
    rate.models = models(rate.names, table)
    if case .trace(let times) = process {
      rate.perModel = ArrivalProcess.meanRate(ofTrace: times)
      if map.node("rate") != nil {
        map.reader.report(map.node("rate"), map.key("rate"), "stands beside a trace, which has its own", "leave it out")
      }
      return rate
    }
    guard map.required("rate") != nil else { return rate }
    guard let rateMap else { return rate }
    let keys = ["perModel", "total"].filter { rateMap.node($0) != nil }
    guard keys.count == 1, let key = keys.first else {
      rateMap.reader.report(
        rateMap.node, rateMap.path, keys.isEmpty ? "says no rate" : "says the rate twice",
        "write {perModel: 0.5} or {total: 600}, in requests a second")
      return rate
    }
    guard let number = rateMap.number(key, above: 0) else { return rate }
    if number > 1e9 { rateMap.reader.report(rateMap.node(key), rateMap.key(key), "is above 1e9 a second") }
    rate.perModel = key == "total" ? number / Double(rate.models) : number
    return rate
  }

  private func popularity(_ rate: YAMLMap) -> (Popularity, WorkloadTables.Shares?) {
    let key = "popularity"
    guard let node = rate.node(key) else { return (.uniform, nil) }
    guard case .mapping = node else {
      if node.scalar?.string != "uniform" {
        rate.reader.report(node, rate.key(key), "is not known", "use uniform, {zipf: 1.1} or {file: FILE}")
      }
      return (.uniform, nil)
    }
    guard let law = rate.map(key) else { return (.uniform, nil) }
    law.allow(["zipf", "file"])
    if law.node("zipf") != nil, law.node("file") == nil {
      guard let exponent = law.number("zipf", above: 0) else { return (.uniform, nil) }
      if exponent > 10 { law.reader.report(law.node("zipf"), law.key("zipf"), "is above 10") }
      return (.zipf(exponent: exponent), nil)
    }
    guard law.node("zipf") == nil, let file = law.text("file") else {
      law.reader.report(law.node, law.path, "is neither {zipf: 1.1} nor {file: FILE}")
      return (.uniform, nil)
    }
    do throws(FileError) {
      let table = try WorkloadTables.shares(place(file))
      return (.shares(table.shares), table)
    } catch {
      law.reader.report(error)
      return (.uniform, nil)
    }
  }

  /// Names that stand both in `names` and beside the shares: the shares are put into the order of `names`.
  private func ordered(_ popularity: inout Popularity, _ listed: [String], _ names: [String]?) -> [String] {
    guard let names, names != listed, case .shares(let shares) = popularity else { return listed }
    let places = Dictionary(zip(listed, shares), uniquingKeysWith: { first, _ in first })
    let found = names.map { places[$0] }
    guard names.count == listed.count, found.allSatisfy({ $0 != nil }) else {
      map.reader.report(
        map.node("names"), map.key("names"), "are not the models that the shares are listed for", "leave names out")
      return listed
    }
    popularity = .shares(found.compactMap { $0 })
    return names
  }

  private func models(_ names: [String]?, _ table: WorkloadTables.Shares?) -> Int {
    let known = names?.count ?? table?.shares.count
    guard map.node("models") != nil else {
      // A list that could not be read has been reported.
      if known == nil, map.node("names") == nil, map.node("rate")?.mapping?["popularity"]?.mapping?["file"] == nil {
        map.reader.report(map.node, map.key("models"), "is missing", "say how many there are, such as models: 1200")
      }
      return known ?? Self.unread
    }
    let models = map.integer("models", in: WorkloadLimits.models, fallback: known ?? Self.unread)
    if let known, known != models {
      map.reader.report(
        map.node("models"), map.key("models"), "is \(models), and \(known) are listed", "leave models out")
    }
    return known ?? models
  }

  /// A list of names, or `{file: FILE}`.
  private func names() -> [String]? {
    guard let node = map.node("names") else { return nil }
    let reader = map.reader
    switch node {
    case .mapping:
      guard let source = map.map("names") else { return nil }
      source.allow(["file"])
      guard source.required("file") != nil, let file = source.text("file") else { return nil }
      do throws(FileError) { return try WorkloadTables.names(place(file)) } catch { reader.report(error) }
    case .sequence(let entries) where !entries.isEmpty:
      var known: Set<String> = []
      let names = entries.map { $0.scalar?.string ?? "" }
      for (index, name) in names.enumerated() {
        let key = "\(map.key("names"))[\(index)]"
        if let problem = ModelNames.problem(name) { reader.report(entries[index], key, problem) }
        if !known.insert(name).inserted { reader.report(entries[index], key, "names '\(name)' a second time") }
      }
      return names
    default: reader.report(node, map.key("names"), "is neither a list of names nor {file: FILE}")
    }
    return nil
  }

  // MARK: Small things

  private func precisions() -> [Precision]? {
    guard let node = map.node("precisions") else { return nil }
    let names = node.sequence.map { $0.map { $0.scalar?.string ?? "" } } ?? []
    let precisions = names.compactMap { Precision(rawValue: $0) }
    if names.isEmpty || precisions.count != names.count || Set(precisions).count != names.count {
      map.reader.report(
        node, map.key("precisions"), "is not a list of precisions, each once",
        "write for instance [\(Precision.allCases.map(\.rawValue).joined(separator: ", "))]")
    }
    return precisions
  }

  private func place(_ file: String) -> String { AtomicFile.path(of: file, beside: folder) }
}
