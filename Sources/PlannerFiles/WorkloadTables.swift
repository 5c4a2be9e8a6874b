import PlannerCore

/// The small tables that a workload file names: shares of models, names of models, sizes of requests.
enum WorkloadTables {
  /// Most mistakes of a table that are told one by one; the rest is counted.
  private static let mostProblems = 20

  struct Shares {
    /// Names beside the shares; nil where the file has shares alone.
    var names: [String]?
    var shares: [Double]
  }

  /// Collects what is wrong with one table.
  private struct Table {
    let path: String
    var problems: [FileProblem] = []
    var passedOver = 0

    mutating func report(_ line: Int?, _ message: String, _ remedy: String? = nil) {
      if problems.count < WorkloadTables.mostProblems {
        problems.append(FileProblem(file: path, line: line, message: message, remedy: remedy))
      } else {
        passedOver += 1
      }
    }

    func check() throws(FileError) {
      guard !problems.isEmpty else { return }
      let rest = FileProblem(file: path, message: "\(passedOver) more lines are wrong")
      throw FileError(.badData, problems + (passedOver > 0 ? [rest] : []))
    }
  }

  /// A CSV `model,share`, or one share a line; the first line may be a header.
  ///
  /// - Throws: `FileError` with all that is wrong in it: shares have to sum to 1 within a thousandth.
  static func shares(_ path: String) throws(FileError) -> Shares {
    var table = Table(path: path)
    var names: [String] = []
    var shares: [Double] = []
    var known: Set<String> = []
    var columns: Int?
    for (number, line) in TextLines.numbered(try AtomicFile.read(path)) {
      guard let fields = TextLines.fields(line), fields.count <= 2 else {
        table.report(number, "is neither 'model,share' nor a share", "a name with a comma stands in quotation marks")
        continue
      }
      if columns == nil, fields == ["model", "share"] || fields == ["share"] {
        columns = fields.count
        continue
      }
      if fields.count != columns ?? fields.count {
        table.report(number, "has \(fields.count) columns and the lines before it have \(columns ?? 0)")
        continue
      }
      columns = fields.count
      guard let share = Double(fields[fields.count - 1]), share >= 0, share <= 1 else {
        table.report(
          number, "'\(fields[fields.count - 1])' is not a share from 0 to 1",
          "write 0.25 for a quarter of all requests")
        continue
      }
      if fields.count == 2 {
        check(name: fields[0], number, &known, &table)
        names.append(fields[0])
      }
      shares.append(share)
    }
    let sum = shares.reduce(0, +)
    if shares.isEmpty, table.problems.isEmpty {
      table.report(nil, "has no share", "write model,share, one model a line")
    }
    if table.problems.isEmpty, (sum - 1).magnitude > 0.001 {
      table.report(nil, "has shares that sum to \(sum)", "shares sum to 1; divide each of them by \(sum)")
    }
    try table.check()
    return Shares(names: columns == 2 ? names : nil, shares: shares)
  }

  /// Names of models, one a line; what stands after a comma is passed over, so that a table of shares serves too.
  ///
  /// - Throws: `FileError` with all that is wrong in it.
  static func names(_ path: String) throws(FileError) -> [String] {
    var table = Table(path: path)
    var names: [String] = []
    var known: Set<String> = []
    for (number, line) in TextLines.numbered(try AtomicFile.read(path)) {
      guard let fields = TextLines.fields(line) else {
        table.report(number, "has a quotation mark that does not close")
        continue
      }
      if names.isEmpty, fields == ["model", "share"] || fields == ["model"] { continue }
      check(name: fields[0], number, &known, &table)
      names.append(fields[0])
    }
    if names.isEmpty, table.problems.isEmpty { table.report(nil, "has no name", "write the models' names, one a line") }
    try table.check()
    return names
  }

  private static func check(name: String, _ line: Int, _ known: inout Set<String>, _ table: inout Table) {
    if let problem = ModelNames.problem(name) { table.report(line, problem) }
    if !known.insert(name).inserted { table.report(line, "names '\(name)' a second time") }
  }

  /// A CSV `size,weight`; the first line may be a header. Sizes come back ascending.
  ///
  /// - Throws: `FileError` with all that is wrong in it.
  static func histogram(_ path: String) throws(FileError) -> [SizeWeight] {
    var table = Table(path: path)
    var bins: [SizeWeight] = []
    var known: Set<Int> = []
    for (number, line) in TextLines.numbered(try AtomicFile.read(path)) {
      let fields = TextLines.fields(line) ?? []
      if bins.isEmpty, fields == ["size", "weight"] { continue }
      guard fields.count == 2 else {
        table.report(number, "is not 'size,weight'", "write for instance 40,0.25: a quarter of all requests has 40")
        continue
      }
      guard let size = Int(fields[0]), WorkloadLimits.sizes.contains(size) else {
        table.report(number, "'\(fields[0])' is not a size from 1 to \(WorkloadLimits.sizes.upperBound)")
        continue
      }
      guard let weight = Double(fields[1]), weight >= 0, weight <= 1e15 else {
        table.report(number, "'\(fields[1])' is not a weight from 0 to 1e15")
        continue
      }
      if !known.insert(size).inserted { table.report(number, "has the size \(size) a second time") }
      bins.append(SizeWeight(size: size, weight: weight))
    }
    if table.problems.isEmpty, !bins.contains(where: { $0.weight > 0 }) {
      table.report(nil, "has no weight above 0", "write size,weight, one size a line")
    }
    try table.check()
    return bins.sorted { $0.size < $1.size }
  }
}

/// What a workload may ask for.
enum WorkloadLimits {
  /// How many models one group may have, and all groups together.
  static let models = 1...1_000_000
  static let sizes = 1...100_000
  /// Tokens of a request in a file of one group without `groups`.
  static let flatTokens = 1...512
  static let vocabulary = 200...1_000_000
  static let replicas = 1...1000
  static let groups = 1000
}
