import Foundation
import PlannerCore

/// Published latency figures: JSON of kind `figures`, with source and date.
public struct FiguresFile: Codable, Sendable {
  public static let schemaVersion = 1

  public var schemaVersion: Int
  public var kind: String
  /// Where the figures come from as a whole; each one names its own source, too.
  public var source: String
  /// Day on which they were read there, ISO 8601.
  public var date: String
  public var figures: [PublishedBenchmark]
  /// Sizes of architectures that are no presets; none where the file says nothing.
  public var architectures: [PublishedArchitecture]
  /// What models on accelerators keep of their host's memory; none where the file says nothing.
  public var hostMemory: [HostMemoryRule]

  private enum CodingKeys: String, CodingKey {
    case schemaVersion, kind, source, date, figures, architectures, hostMemory
  }

  public init(from decoder: any Decoder) throws {
    let box = try decoder.container(keyedBy: CodingKeys.self)
    schemaVersion = try box.decode(Int.self, forKey: .schemaVersion)
    kind = try box.decode(String.self, forKey: .kind)
    source = try box.decode(String.self, forKey: .source)
    date = try box.decode(String.self, forKey: .date)
    figures = try box.decode([PublishedBenchmark].self, forKey: .figures)
    architectures = try box.decodeIfPresent([PublishedArchitecture].self, forKey: .architectures) ?? []
    hostMemory = try box.decodeIfPresent([HostMemoryRule].self, forKey: .hostMemory) ?? []
  }

  static let embeddedName = "figures.json (built in)"

  /// The figures that ship with the program.
  ///
  /// - Throws: `FileError` if the program was built with a file that is not in order.
  public static func embedded() throws(FileError) -> FiguresFile {
    let file: FiguresFile
    do {
      file = try JSONDecoder().decode(FiguresFile.self, from: Data(PackageResources.figures_json))
    } catch {
      throw FileError(.badData, [FileProblem(file: embeddedName, message: "cannot be read: \(error)")])
    }
    try file.check(embeddedName)
    return file
  }

  /// A user's file of the same form.
  ///
  /// - Throws: `FileError` with everything that is wrong in it.
  public static func read(_ path: String) throws(FileError) -> FiguresFile {
    let file = try JSONFile.read(FiguresFile.self, from: path, kind: "figures", schemaVersion: schemaVersion)
    try file.check(path)
    return file
  }

  private func check(_ name: String) throws(FileError) {
    var problems: [FileProblem] = []
    for (index, figure) in figures.enumerated() {
      func report(_ key: String, _ message: String, _ remedy: String) {
        problems.append(FileProblem(file: name, key: "figures[\(index)].\(key)", message: message, remedy: remedy))
      }
      if figure.instanceFamilies.isEmpty {
        report("instanceFamilies", "is empty", "name the families that have this processor, such as \"inf2\"")
      }
      if figure.tokens < 1 { report("tokens", "is \(figure.tokens)", "give at least 1") }
      if figure.batch < 1 { report("batch", "is \(figure.batch)", "give at least 1") }
      if !(1...1024).contains(figure.coresPerAccelerator) {
        report("coresPerAccelerator", "is \(figure.coresPerAccelerator)", "give 1 to 1024; a CPU has 1")
      }
      if figure.source.isEmpty { report("source", "is empty", "say where the figure was published") }
      checkSeconds(figure, report)
    }
    for (index, architecture) in architectures.enumerated()
    where !(1...1_000_000_000_000).contains(architecture.parameters) {
      problems.append(
        FileProblem(
          file: name, key: "architectures[\(index)].parameters", message: "is \(architecture.parameters)",
          remedy: "give the number of weights of one model"))
    }
    for (index, rule) in hostMemory.enumerated() {
      problems += Self.problems(rule, file: name, key: "hostMemory[\(index)]")
    }
    if !problems.isEmpty { throw FileError(.badData, problems) }
  }

  private static func problems(_ rule: HostMemoryRule, file: String, key: String) -> [FileProblem] {
    var problems: [FileProblem] = []
    func require(_ holds: Bool, _ part: String, _ message: String, _ remedy: String) {
      if holds { return }
      problems.append(FileProblem(file: file, key: "\(key).\(part)", message: message, remedy: remedy))
    }
    let bytes: ClosedRange<Int64> = 0...(1 << 50)
    require(!rule.instanceFamilies.isEmpty, "instanceFamilies", "is empty", "name families such as \"inf2\"")
    require(bytes.contains(rule.processBytes), "processBytes", "is \(rule.processBytes)", "give bytes from 0 on")
    for (part, share) in [("low", rule.low), ("high", rule.high)] {
      let isGood = (0...1000).contains(share.weightFactor) && bytes.contains(share.fixedBytes)
      require(isGood, part, "is out of range", "give a factor of 0 to 1000 and bytes from 0 on")
    }
    let isAscending = rule.low.weightFactor <= rule.high.weightFactor && rule.low.fixedBytes <= rule.high.fixedBytes
    require(isAscending, "high", "lies below the low end", "check which is which")
    require(!rule.source.isEmpty, "source", "is empty", "say where it was published")
    return problems
  }

  private func checkSeconds(_ figure: PublishedBenchmark, _ report: (String, String, String) -> Void) {
    let keys = ["mean", "p50", "p90", "p95", "p99"]
    for key in figure.seconds.keys.sorted() where !keys.contains(key) {
      report("seconds.\(key)", "is not known", "use \(keys.joined(separator: ", "))")
    }
    for key in keys {
      if let value = figure.seconds[key], !(value > 0 && value.isFinite) {
        report("seconds.\(key)", "is \(value)", "give seconds above 0")
      }
    }
    if figure.seconds["mean"] == nil, figure.seconds["p50"] == nil {
      report("seconds", "has neither mean nor p50", "give one of them")
    }
    let quantiles = keys.dropFirst().compactMap { figure.seconds[$0] }
    if !zip(quantiles, quantiles.dropFirst()).allSatisfy({ $0 <= $1 }) {
      report("seconds", "has quantiles that do not ascend", "check which is which")
    }
  }
}
