import Foundation
import PlannerCore
import PlannerFiles
import TestSupport
import Testing
import Yams

/// The schemas of scenarios and workloads, which people write, agree with the readers of these files.
@Suite struct YAMLSchemaTests {
  static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  static let head = "duration: 20s\n"
  static let model = "models: [{arrivals: {ratePerSecond: 1}, service: 1ms}]\n"
  static let node = "nodes: [{workers: 1}]\n"
  /// What a group needs beside its size and rate.
  static let usual = "models: 2, targetP99: 1s"

  /// A workload of one group with these keys.
  static func group(_ keys: String) -> String { "groups: [{architecture: x, \(keys)}]\n" }

  /// What the reader of that kind of file reports.
  private static func problems(_ kind: String, _ text: String) throws -> [FileProblem] {
    let folder = try TemporaryFolder()
    _ = try folder.file("trace.csv", "seconds,model\n0.5,m\n0.75,recorded\n")
    _ = try folder.file("shares.csv", "model,share\nhome,0.75\nnews,0.25\n")
    _ = try folder.file("sizes.csv", "size,weight\n8,3\n64,1\n")
    _ = try folder.file("names.csv", "model\na\nb\n")
    let path = try folder.file("f.yaml", text)
    do throws(FileError) {
      if kind == "scenario" { _ = try ScenarioFile.read(path) } else { _ = try WorkloadFile.read(path) }
      return []
    } catch {
      return error.problems
    }
  }

  private static func violations(_ kind: String, _ text: String) throws -> [SchemaViolation] {
    let value = try #require(try Yams.load(yaml: text))
    return try SchemaValidator.shipped(kind).violations(in: JSONValue(yaml: value))
  }

  @Test(arguments: [
    ("scenario", head + model + node), ("workload", "name: x\n"), ("workload", "targetP99: 1.5s\nmodels: 3\n"),
    ("workload", "targetP99: 1s\n" + group("size: 3, rate: {perModel: 2}, models: 3")),
    ("workload", group("rate: {total: 2, popularity: {zipf: 1.5}}, models: 3, input: tensors, targetP99: 3s")),
    ("workload", group("rate: {total: 2}, names: [a, b], size: {histogram: sizes.csv}, targetP99: 3s, replicas: 2")),
    ("workload", group("rate: {total: 2}, names: {file: names.csv}, size: 3, arrivals: deterministic, targetP99: 3s")),
    (
      "workload",
      group(
        "rate: {perModel: 2, popularity: {file: shares.csv}}, targetP99: 3s, precisions: [bf16, int8], "
          + "size: {distribution: lognormal, mean: 4, cv: 0.5, max: 9}, arrivals: {process: gamma, cv: 2}")
    ),
    ("workload", group("name: m, models: 3, arrivals: {process: trace, file: trace.csv}, size: 3, targetP99: 3s")),
    ("scenario", head + model + "nodes: [{queue: 0}, {queue: unbounded}]\n"),
    ("scenario", head + "models: [{name: m, arrivals: {process: trace, file: trace.csv}, service: 1ms}]\n" + node),
    ("scenario", head + "models: [{arrivals: {process: gamma, ratePerSecond: 2, cv: 0.5}, service: 1ms}]\n" + node),
    (
      "scenario",
      head + "models: [{arrivals: {ratePerSecond: 2}, service: 1ms, patience: 2s, retries: {max: 2, backoff: 1s}}]\n"
        + node
    ),
    (
      "scenario",
      head + "priority: -3\nplacement: all\nrouting: twoChoices\nreplications: 2\nnetworkDelay: 1ms\nwarmup: 1s\n"
        + "models: [{arrivals: {ratePerSecond: .5}, service: {mean: 1.e1ms, distribution: gamma, cv: 0}}]\n"
        + "nodes: [{batch: {max: 4, wait: 2ms, marginalCost: 0}}]\n"
    ),
  ])
  func bothAccept(_ kind: String, _ text: String) throws {
    #expect(try Self.problems(kind, text).isEmpty)
    #expect(try Self.violations(kind, text).isEmpty)
  }

  @Test(arguments: [
    ("scenario", model + node), ("scenario", head + model), ("scenario", head + node),
    ("scenario", "duration: 20\n" + model + node), ("scenario", "duration: -1s\n" + model + node),
    ("scenario", head + "seed: -1\n" + model + node), ("scenario", head + "seed: 1.5\n" + model + node),
    ("scenario", head + "replications: 0\n" + model + node), ("scenario", head + "priority: 1001\n" + model + node),
    ("scenario", head + "placement: none\n" + model + node), ("scenario", head + "routing: best\n" + model + node),
    ("scenario", head + "models: []\n" + node), ("scenario", head + "models: 3\n" + node),
    ("scenario", head + "models: [{service: 1ms}]\n" + node),
    ("scenario", head + "models: [{arrivals: {ratePerSecond: 0}, service: 1ms}]\n" + node),
    ("scenario", head + "models: [{arrivals: {process: x, ratePerSecond: 1}, service: 1ms}]\n" + node),
    ("scenario", head + "models: [{arrivals: {ratePerSecond: 1}}]\n" + node),
    ("scenario", head + "models: [{arrivals: {ratePerSecond: 1}, service: 10}]\n" + node),
    ("scenario", head + "models: [{arrivals: {ratePerSecond: 1}, service: {distribution: x, mean: 1s}}]\n" + node),
    ("scenario", head + "models: [{arrivals: {ratePerSecond: 1}, service: 1ms, count: 0}]\n" + node),
    ("scenario", head + "models: [{arrivals: {ratePerSecond: 1}, service: 1ms, retries: {backoff: 1s}}]\n" + node),
    ("scenario", head + model + "nodes: [{workers: 0}]\n"), ("scenario", head + model + "nodes: [{queue: -1}]\n"),
    ("scenario", head + model + "nodes: [{queue: some}]\n"),
    ("scenario", head + model + "nodes: [{batch: {max: 0}}]\n"),
    ("scenario", head + model + "nodes: [{batch: {marginalCost: -1}}]\n"),
    ("workload", "tokens: 0\n"), ("workload", "tokens: 513\n"), ("workload", "models: many\n"),
    ("workload", "family: \"\"\n"), ("workload", "input: speech\n"), ("workload", "arrivals: gamma\n"),
    ("workload", "groups: [{models: 3}]\n"), ("workload", "groups: []\n"), ("workload", "groups: {}\n"),
    ("workload", group(usual + ", size: 0")), ("workload", group(usual + ", size: {max: 0}")),
    ("workload", group(usual + ", rate: {total: 0}")), ("workload", group(usual + ", rate: {popularity: {zipf: 11}}")),
    ("workload", group(usual + ", rate: {total: 3, popularity: some}")), ("workload", group(usual + ", replicas: 0")),
    ("workload", group(usual + ", arrivals: bursts")), ("workload", group(usual + ", arrivals: {process: x}")),
    ("workload", group(usual + ", arrivals: {process: gamma, cv: 0}")), ("workload", group(usual + ", input: speech")),
    ("workload", group(usual + ", precisions: [fp64]")), ("workload", group(usual + ", names: []")),
    ("workload", "groups: [{architecture: x, models: 0}]\n"), ("workload", group(usual + ", vocabulary: 3")),
    ("workload", "ratePerModelPerSecond: 0\n"), ("workload", "targetP99: 10\n"), ("workload", "vocabulary: 100\n"),
  ])
  func bothRefuse(_ kind: String, _ text: String) throws {
    #expect(try !Self.problems(kind, text).isEmpty)
    #expect(try !Self.violations(kind, text).isEmpty)
  }

  /// The reader names the keys that it knows where it meets one that it does not.
  @Test(arguments: [
    ("scenario", "zzz: 1\n" + head + model + node, "zzz", []),
    (
      "scenario", head + "models: [{zzz: 1, arrivals: {ratePerSecond: 1}, service: 1ms}]\n" + node, "models[0].zzz",
      ["models", "[]"]
    ),
    (
      "scenario", head + "models: [{arrivals: {zzz: 1, ratePerSecond: 1}, service: 1ms}]\n" + node,
      "models[0].arrivals.zzz", ["models", "[]", "arrivals"]
    ),
    (
      "scenario", head + "models: [{arrivals: {ratePerSecond: 1}, service: {zzz: 1, mean: 1ms}}]\n" + node,
      "models[0].service.zzz", ["models", "[]", "service"]
    ),
    ("scenario", head + model + "nodes: [{zzz: 1}]\n", "nodes[0].zzz", ["nodes", "[]"]),
    ("scenario", head + model + "nodes: [{batch: {zzz: 1}}]\n", "nodes[0].batch.zzz", ["nodes", "[]", "batch"]),
    ("workload", "zzz: 1\n", "zzz", []),
    ("workload", group("zzz: 1, " + usual), "groups[0].zzz", ["groups", "[]"]),
    ("workload", group(usual + ", size: {zzz: 1}"), "groups[0].size.zzz", ["groups", "[]", "size"]),
    ("workload", group(usual + ", rate: {zzz: 1}"), "groups[0].rate.zzz", ["groups", "[]", "rate"]),
    (
      "workload", group(usual + ", rate: {total: 1, popularity: {zzz: 1}}"), "groups[0].rate.popularity.zzz",
      ["groups", "[]", "rate", "popularity"]
    ),
    ("workload", group(usual + ", arrivals: {zzz: 1}"), "groups[0].arrivals.zzz", ["groups", "[]", "arrivals"]),
    ("workload", group(usual + ", names: {zzz: 1}"), "groups[0].names.zzz", ["groups", "[]", "names"]),
  ])
  func theSameKeysAreKnown(_ kind: String, _ text: String, _ key: String, _ place: [String]) throws {
    let problem = try #require(try Self.problems(kind, text).first { $0.key == key })
    let known = try #require(problem.remedy?.split(separator: ": ").last).split(separator: ", ").map(String.init)
    let root = try SchemaValidator.shipped(kind).schema
    var schema = root
    for step in place {
      schema = try #require(step == "[]" ? schema["items"] : schema["properties"]?[step])
      if let name = schema["$ref"]?.text?.split(separator: "/").last {
        schema = try #require(root["$defs"]?[String(name)])
      }
      // A time may be written as text or as a distribution; the keys are the distribution's.
      for branch in schema["anyOf"]?.elements ?? [] {
        let named = branch["$ref"]?.text?.split(separator: "/").last.flatMap { root["$defs"]?[String($0)] }
        if let found = [branch, named].compactMap({ $0 }).first(where: { $0["properties"] != nil }) { schema = found }
      }
    }
    #expect(Set(known) == Set(try #require(schema["properties"]?.members).keys))
    #expect(try Self.violations(kind, text).map(\.path).contains(key))
  }

  @Test func examplesAreValid() throws {
    let folder = Self.repository + "/examples"
    var seen: Set<String> = []
    for name in try FileManager.default.contentsOfDirectory(atPath: folder).sorted() where name.hasSuffix(".yaml") {
      let text = try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
      let kind = text.contains("\nnodes:") ? "scenario" : "workload"
      #expect(try Self.violations(kind, text).isEmpty, "\(name)")
      // Where it stands: it may name files beside it.
      if kind == "scenario" {
        _ = try ScenarioFile.read("\(folder)/\(name)")
      } else {
        _ = try WorkloadFile.read("\(folder)/\(name)")
      }
      seen.insert(kind)
    }
    #expect(seen == ["scenario", "workload"])
  }

  /// docs/files.md shows each kind of file once, with every key that it may have.
  @Test(arguments: ["scenario", "workload"])
  func theReferenceIsCompleteAndValid(_ kind: String) throws {
    let page = try String(contentsOfFile: Self.repository + "/docs/files.md", encoding: .utf8)
    let section = try #require(page.components(separatedBy: "\n## ").first { $0.lowercased().hasPrefix(kind) })
    let blocks = section.components(separatedBy: "```yaml\n").dropFirst()
    #expect(!blocks.isEmpty)
    for block in blocks {
      let text = try #require(block.components(separatedBy: "```").first)
      #expect(try Self.problems(kind, text).isEmpty)
      #expect(try Self.violations(kind, text).isEmpty)
    }
    let walk = SchemaWalk(try .shipped(kind))
    for (place, schema) in walk.objects() {
      for key in (schema["properties"]?.members ?? [:]).keys {
        #expect(section.contains("\(key):") || section.contains("`\(key)`"), "\(place) \(key)")
      }
    }
  }
}

extension JSONValue {
  /// - Throws: where YAML has a value that JSON has not.
  init(yaml value: Any) throws {
    switch value {
    case let value as Bool: self = .bool(value)
    case let value as Int: self = .number(Double(value))
    case let value as Double: self = .number(value)
    case let value as String: self = .string(value)
    case let value as [Any]: self = .array(try value.map(JSONValue.init(yaml:)))
    case let value as [AnyHashable: Any]:
      var members: [String: JSONValue] = [:]
      for (key, member) in value { members[try #require(key as? String)] = try JSONValue(yaml: member) }
      self = .object(members)
    case is NSNull: self = .null
    default:
      Issue.record("\(type(of: value)) is not in JSON")
      self = .null
    }
  }
}
