import PlannerCore

/// Reads catalogues of instance types: CSV with a header line that names the columns, in any order.
public enum CatalogFile {
  static let embeddedName = "instances-us-east-1.csv (built in)"
  static let embeddedSourceName = "instances-us-east-1.json (built in)"

  /// What holds for a catalogue as a whole: JSON of kind `catalog-source` beside the built-in table.
  struct Source: Codable {
    var schemaVersion: Int
    var kind: String
    /// Whose prices these are, where they were read, and of which day.
    var source: String
    /// Day of the prices, ISO 8601.
    var date: String
    /// The cloud's name of the place that the prices hold for.
    var region: String
    /// What a cluster costs beside its nodes, dollars an hour.
    var clusterCostPerHour: Double
  }

  static func embeddedSource() throws(FileError) -> Source {
    try JSONFile.decode(
      Source.self, from: String(decoding: PackageResources.instances_us_east_1_json, as: UTF8.self),
      path: embeddedSourceName, kind: "catalog-source", schemaVersion: 1)
  }

  /// The types and prices that ship with the program.
  ///
  /// - Throws: `FileError` if the program was built with a file that is not in order.
  public static func embedded() throws(FileError) -> Catalog {
    let about = try embeddedSource()
    return try parse(
      String(decoding: PackageResources.instances_us_east_1_csv, as: UTF8.self), name: embeddedName,
      provenance: Provenance(.published, source: about.source))
  }

  /// A user's file with the same columns. What a cluster costs and runs on its nodes is as built in.
  ///
  /// - Throws: `FileError` with every line that cannot be used.
  public static func read(_ path: String) throws(FileError) -> Catalog {
    try parse(try AtomicFile.read(path), name: path, provenance: Provenance(.published, source: path))
  }

  static let requiredColumns = [
    "instanceType", "onDemandDollarsPerHour", "architecture", "vcpus", "memoryMiB", "allocatableCPU",
    "allocatableMemory",
  ]
  static let optionalColumns = [
    "cpuManufacturer", "sustainedClockMHz", "pods", "accelerator", "acceleratorCount", "acceleratorMemoryMiB", "region",
    "spotDollarsPerHour", "reservedDollarsPerHour",
  ]
  /// `resource.NAME` is what pods may use of a resource that has no column of its own.
  static let resourcePrefix = "resource."

  /// - Parameter name: of the file, for messages.
  public static func parse(_ text: String, name: String, provenance: Provenance) throws(FileError) -> Catalog {
    var problems: [FileProblem] = []
    func report(_ line: Int, _ column: String?, _ message: String, _ remedy: String) {
      problems.append(FileProblem(file: name, line: line, key: column, message: message, remedy: remedy))
    }
    // A byte order mark, as spreadsheets write it, is not part of the first column's name. "\r\n" is one character.
    let body = text.hasPrefix("\u{FEFF}") ? text.dropFirst() : text[...]
    let lines = body.split(separator: "\n", omittingEmptySubsequences: false).flatMap {
      $0.split(separator: "\r\n", omittingEmptySubsequences: false)
    }
    let header = fields(lines.first ?? "") ?? []
    for column in requiredColumns where !header.contains(column) {
      report(
        1, column, "is not among the columns", "add it to the header line: \(requiredColumns.joined(separator: ","))")
    }
    for (index, column) in header.enumerated() {
      if !isKnown(column) {
        report(
          1, column, "is not a known column",
          "leave it out, or use \(optionalColumns.joined(separator: ", ")), resource.NAME")
      } else if header[..<index].contains(column) {
        report(1, column, "is there twice", "keep one of them")
      }
    }
    guard problems.isEmpty else { throw FileError(.badData, problems) }

    var types: [InstanceType] = []
    // Looked up only.
    var lineOf: [String: Int] = [:]
    for (index, line) in lines.enumerated().dropFirst() where !line.allSatisfy(\.isWhitespace) {
      guard let fields = fields(line) else {
        report(index + 1, nil, "has a quotation mark that does not close", "close it, or leave it out")
        continue
      }
      guard fields.count == header.count else {
        report(
          index + 1, nil, "has \(fields.count) fields where the header has \(header.count)", "add or remove commas")
        continue
      }
      var row = Row(header: header, fields: fields, line: index + 1, report: report)
      guard let type = row.instanceType() else { continue }
      if let first = lineOf[type.name] {
        report(index + 1, "instanceType", "'\(type.name)' was already on line \(first)", "remove one of the two")
        continue
      }
      lineOf[type.name] = index + 1
      types.append(type)
    }
    if types.isEmpty, problems.isEmpty { report(1, nil, "holds no instance type", "add a line for each") }
    guard problems.isEmpty else { throw FileError(.badData, problems) }
    return Catalog(
      provenance: provenance, types: types, clusterCostPerHour: try embeddedSource().clusterCostPerHour,
      nodeAgents: try NodeAgentsFile.embedded())
  }

  /// A resource's name begins with a letter and is not one that has columns of its own.
  private static func isKnown(_ column: String) -> Bool {
    if requiredColumns.contains(column) || optionalColumns.contains(column) { return true }
    guard column.hasPrefix(resourcePrefix), let initial = column.dropFirst(resourcePrefix.count).first else {
      return false
    }
    let own: [ResourceName] = [.cpu, .memory, .pods, .accelerators, .acceleratorMemory]
    return initial.isLetter && !own.contains(ResourceName(rawValue: String(column.dropFirst(resourcePrefix.count))))
  }

  /// The fields of one line: separated by commas, trimmed; a field in double quotes may hold commas, and a quotation
  /// mark written twice.
  ///
  /// - Returns: nil where a quotation mark does not close.
  static func fields(_ line: Substring) -> [String]? {
    var fields: [String] = []
    var field = ""
    var isQuoted = false
    var characters = line.makeIterator()
    var next = characters.next()
    while let character = next {
      next = characters.next()
      if isQuoted {
        if character != "\"" {
          field.append(character)
        } else if next == "\"" {
          field.append("\"")
          next = characters.next()
        } else {
          isQuoted = false
        }
      } else if character == "\"", field.allSatisfy(\.isWhitespace) {
        field = ""
        isQuoted = true
      } else if character == "," {
        fields.append(trimmed(field))
        field = ""
      } else {
        field.append(character)
      }
    }
    if isQuoted { return nil }
    fields.append(trimmed(field))
    return fields
  }

  private static func trimmed(_ text: String) -> String {
    let start = text.drop(while: \.isWhitespace)
    guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
    return String(start[...last])
  }
}

/// One line of a catalogue; reports what is wrong with its fields.
private struct Row {
  let header: [String]
  let fields: [String]
  let line: Int
  let report: (Int, String?, String, String) -> Void
  var isGood = true

  init(
    header: [String], fields: [String], line: Int, report: @escaping (Int, String?, String, String) -> Void
  ) {
    self.header = header
    self.fields = fields
    self.line = line
    self.report = report
  }

  /// - Returns: nil where something was reported.
  mutating func instanceType() -> InstanceType? {
    let name = text("instanceType")
    if name.isEmpty { fail("instanceType", "is empty", "give the type's name, such as c7g.4xlarge") }
    if name == "local" { fail("instanceType", "'local' is the name of the machine at hand", "choose another name") }
    let onDemand = price("onDemandDollarsPerHour")
    let architecture = text("architecture")
    if architecture != "amd64", architecture != "arm64" {
      fail("architecture", "is '\(architecture)'", "give amd64 or arm64")
    }
    let vcpus = whole("vcpus", atLeast: 1)
    let memory = whole("memoryMiB", atLeast: 1)
    let milliCPU = number("allocatableCPU", "cores, or thousandths of one such as 3920m", Self.milliCPU)
    let allocatable = number("allocatableMemory", "a size such as 27322Mi") { Quantity.bytes($0) }
    let clock = text("sustainedClockMHz").isEmpty ? nil : whole("sustainedClockMHz", atLeast: 1)
    let pods = text("pods").isEmpty ? 110 : whole("pods", atLeast: 1)
    let accelerator = self.accelerator()
    if let memory, let allocatable, allocatable > Int64(memory) * 1_048_576 {
      fail("allocatableMemory", "is more than memoryMiB", "give what is left for pods")
    }
    let offerings = offerings(onDemand)
    let others = otherResources()
    guard isGood, let onDemand, let vcpus, let memory, let milliCPU, let allocatable, let pods else { return nil }
    var type = InstanceType(
      name: name, costPerHour: onDemand, architecture: architecture, cpuManufacturer: text("cpuManufacturer"),
      sustainedClockMHz: clock, vcpus: vcpus, memoryBytes: Int64(memory) * 1_048_576, allocatableMilliCPU: milliCPU,
      allocatableMemoryBytes: allocatable, maxPods: pods, accelerator: accelerator)
    type.offerings = offerings
    for name in others.names { type.allocatable[name] = others[name] }
    return type
  }

  private mutating func price(_ column: String) -> Double? {
    let price = number(column, "dollars an hour, such as 0.58") { Double($0) }
    // The bound keeps the cost of a million nodes, in billionths of a dollar, within 64 bits.
    if let price, !(price >= 0 && price <= 5000) {
      fail(column, "is \(price)", "give dollars an hour, 0 to 5000")
    }
    return price
  }

  private mutating func offerings(_ onDemand: Double?) -> [Offering] {
    let region = text("region").isEmpty ? Offering.usualRegion : text("region")
    var all = onDemand.map { [Offering(region: region, costPerHour: $0)] } ?? []
    let others: [(String, Offering.Purchase)] = [
      ("spotDollarsPerHour", .spot), ("reservedDollarsPerHour", .reserved),
    ]
    for (column, purchase) in others where !text(column).isEmpty {
      if let price = price(column) { all.append(Offering(region: region, purchase: purchase, costPerHour: price)) }
    }
    return all
  }

  /// Quantities of the columns `resource.NAME`: a count, or a size such as 96Gi; an empty field is none.
  private mutating func otherResources() -> ResourceList {
    var list = ResourceList()
    for column in header where column.hasPrefix(CatalogFile.resourcePrefix) && !text(column).isEmpty {
      let quantity = number(column, "a whole number or a size such as 96Gi") { text in
        (Int64(text) ?? Quantity.bytes(text)).flatMap { $0 >= 0 && $0 <= 1 << 50 ? $0 : nil }
      }
      let name = ResourceName(rawValue: String(column.dropFirst(CatalogFile.resourcePrefix.count)))
      if let quantity { list[name] = quantity }
    }
    return list
  }

  private mutating func accelerator() -> InstanceType.Accelerator? {
    let name = text("accelerator")
    guard !name.isEmpty else {
      for column in ["acceleratorCount", "acceleratorMemoryMiB"] where !text(column).isEmpty {
        fail(column, "is given without an accelerator", "name the accelerator, or leave it empty")
      }
      return nil
    }
    let count = whole("acceleratorCount", atLeast: 1, atMost: 1024)
    let memory = whole("acceleratorMemoryMiB", atLeast: 1)
    guard let count, let memory else { return nil }
    // The tables give the memory of one device: inf2.24xlarge has 6 with 32,768 MiB each.
    return InstanceType.Accelerator(name: name, count: count, memoryBytes: Int64(memory) * 1_048_576)
  }

  private func text(_ column: String) -> String {
    header.firstIndex(of: column).map { fields[$0] } ?? ""
  }

  private mutating func fail(_ column: String, _ message: String, _ remedy: String) {
    isGood = false
    report(line, column, message, remedy)
  }

  private mutating func number<Value>(
    _ column: String, _ form: String, _ parse: (String) -> Value?
  ) -> Value? {
    let text = text(column)
    if let value = parse(text) { return value }
    fail(column, text.isEmpty ? "is empty" : "'\(text)' is not a number", "give \(form)")
    return nil
  }

  /// Up to a billion, so that sizes in bytes stay within 64 bits.
  private mutating func whole(_ column: String, atLeast least: Int, atMost most: Int = 1_000_000_000) -> Int? {
    guard let value = number(column, "a whole number", { Int($0) }) else { return nil }
    if value >= least, value <= most { return value }
    fail(column, "is \(value)", "give a whole number from \(least) to \(most)")
    return nil
  }

  /// `3920m` or `4`, as Kubernetes writes it.
  private static func milliCPU(_ text: String) -> Int? {
    let value = text.hasSuffix("m") ? Int(text.dropLast()) : Int(text).flatMap { $0 < 1_000_000 ? $0 * 1000 : nil }
    return value.flatMap { $0 > 0 && $0 <= 1_000_000_000 ? $0 : nil }
  }
}
