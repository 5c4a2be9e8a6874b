import Foundation
import PlannerCore
import Yams

/// Reads scenario files (YAML; the format is in docs/files.md).
public enum ScenarioFile {
  private static let modelKeys = [
    "name", "count", "arrivals", "service", "priority", "deadline", "networkDelay", "memory", "load",
    "patience", "retries",
  ]
  private static let nodeKeys = ["name", "count", "workers", "queue", "batch", "memory", "loadThreads", "loadsWaiting"]
  private static let topKeys = [
    "seed", "duration", "warmup", "replications", "models", "nodes", "placement", "routing", "networkDelay", "batch",
    "deadline", "priority",
  ]
  /// Copies of models and of nodes, each: what a scenario may ask for.
  private static let maxCopies = 1_000_000

  /// - Throws: `FileError` with everything that is wrong in the file.
  public static func read(_ path: String) throws(FileError) -> Scenario {
    let (reader, top) = try YAMLReader.open(path)
    top.allow(topKeys)
    let seed = top.integer("seed", in: 0...Int.max, fallback: 0)
    let duration = top.requiredSeconds("duration") ?? 1
    let warmup = top.seconds("warmup") ?? 0
    if duration <= 0 { reader.report(top.node("duration"), "duration", "must be longer than 0") }
    if warmup >= duration { reader.report(top.node("warmup"), "warmup", "must be shorter than the duration") }
    let defaults = Defaults(
      priority: top.integer("priority", in: -1000...1000, fallback: 0), deadline: top.seconds("deadline"),
      networkDelay: time(top, "networkDelay"), batch: batch(top, fallback: .single))
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    let models = top.maps("models").map { model($0, defaults, folder) }
    let nodes = top.maps("nodes").map { node($0, defaults) }
    for (key, total) in [("models", models.reduce(0) { $0 + $1.count }), ("nodes", nodes.reduce(0) { $0 + $1.count })]
    where total > maxCopies {
      reader.report(top.node(key), key, "has \(total) copies in all; at most \(maxCopies) can be simulated")
    }
    checkMemory(top, models, nodes)
    let routing = choice(top, "routing", RoutingPolicy.allCases.map { ($0.rawValue, $0) }, fallback: .random)
    let placement = choice(top, "placement", [("spread", .spread), ("all", ScenarioPlacement.all)], fallback: .spread)
    let replications = top.integer("replications", in: 1...10_000, fallback: 1)
    try reader.check()
    return Scenario(
      seed: UInt64(seed), durationSeconds: duration, warmupSeconds: warmup, replications: replications,
      models: models, nodes: nodes, placement: placement, routing: routing)
  }

  /// What the top of the file says for all models and nodes.
  private struct Defaults {
    var priority: Int
    var deadline: Double?
    var networkDelay: TimeDistribution?
    var batch: BatchPolicy
  }

  private static func model(_ map: YAMLMap, _ defaults: Defaults, _ folder: String) -> ScenarioModel {
    map.allow(modelKeys)
    return ScenarioModel(
      name: map.text("name") ?? map.path, count: map.integer("count", in: 1...maxCopies, fallback: 1),
      arrivals: ArrivalReader.arrivals(map, folder: folder),
      service: map.required("service").flatMap { _ in time(map, "service") } ?? .deterministic(mean: 1),
      priority: map.integer("priority", in: -1000...1000, fallback: defaults.priority),
      deadlineSeconds: map.seconds("deadline") ?? defaults.deadline,
      networkDelay: time(map, "networkDelay") ?? defaults.networkDelay, memoryBytes: bytes(map, "memory") ?? 0,
      load: time(map, "load"), patience: time(map, "patience"), retries: retries(map))
  }

  private static func retries(_ model: YAMLMap) -> ClientRetries? {
    guard let map = model.map("retries") else { return nil }
    map.allow(["max", "backoff"])
    guard map.required("max") != nil else { return nil }
    return ClientRetries(
      max: map.integer("max", in: 1...1000, fallback: 1), backoffSeconds: map.seconds("backoff") ?? 0)
  }

  /// Where a node has a budget, what a model takes and how long it loads must be known.
  private static func checkMemory(_ top: YAMLMap, _ models: [ScenarioModel], _ nodes: [ScenarioNode]) {
    guard !models.isEmpty, nodes.contains(where: { $0.residency != nil }) else { return }
    for (map, model) in zip(top.maps("models"), models) {
      for (key, isThere) in [("memory", model.memoryBytes > 0), ("load", model.load != nil)] where !isThere {
        map.reader.report(map.node, map.key(key), "is missing", "a node has a memory budget, so every model needs it")
      }
    }
  }

  private static func bytes(_ map: YAMLMap, _ name: String) -> Int64? {
    guard let text = map.text(name) else { return nil }
    if let bytes = Quantity.bytes(text), bytes > 0 { return bytes }
    map.reader.report(map.node(name), map.key(name), "'\(text)' is not a size such as 17.6MiB or 2GiB")
    return nil
  }

  private static func node(_ map: YAMLMap, _ defaults: Defaults) -> ScenarioNode {
    map.allow(nodeKeys)
    var capacity: Int?
    if let queue = map.text("queue"), queue != "unbounded" {
      if let count = Int(queue), count >= 0 {
        capacity = count
      } else {
        map.reader.report(map.node("queue"), map.key("queue"), "is neither 'unbounded' nor a whole number ≥ 0")
      }
    }
    return ScenarioNode(
      name: map.text("name") ?? map.path, count: map.integer("count", in: 1...maxCopies, fallback: 1),
      workers: map.integer("workers", in: 1...100_000, fallback: 1), queueCapacity: capacity,
      batch: batch(map, fallback: defaults.batch), residency: residency(map))
  }

  private static func residency(_ map: YAMLMap) -> ResidencyPolicy? {
    let threads = map.integer("loadThreads", in: 1...1000, fallback: 1)
    let waiting = map.node("loadsWaiting") == nil ? nil : map.integer("loadsWaiting", in: 0...Int.max, fallback: 0)
    guard map.node("memory") != nil else {
      for key in ["loadThreads", "loadsWaiting"] where map.node(key) != nil {
        map.reader.report(map.node(key), map.key(key), "needs a memory budget", "add memory: 2GiB, for example")
      }
      return nil
    }
    return ResidencyPolicy(budgetBytes: bytes(map, "memory") ?? 1, concurrentLoads: threads, maxWaiting: waiting)
  }

  /// A distribution of a time: a mapping, or just a time for one that is always the same.
  private static func time(_ parent: YAMLMap, _ name: String) -> TimeDistribution? {
    guard let node = parent.node(name) else { return nil }
    if node.scalar != nil { return parent.seconds(name).map { .deterministic(mean: $0) } }
    guard let map = parent.map(name) else { return nil }
    map.allow(["distribution", "mean", "cv"])
    guard let mean = map.requiredSeconds("mean") else { return nil }
    if mean <= 0 {
      map.reader.report(map.node("mean"), map.key("mean"), "must be longer than 0")
      return nil
    }
    let distribution = map.text("distribution") ?? "deterministic"
    switch distribution {
    case "deterministic": return .deterministic(mean: mean)
    case "exponential": return .exponential(mean: mean)
    case "lognormal": return map.number("cv", above: 0, inclusive: true).map { .lognormal(mean: mean, cv: $0) }
    case "gamma": return map.number("cv", above: 0, inclusive: true).map { .gamma(mean: mean, cv: $0) }
    case "hyperexponential": return map.number("cv", above: 1).map { .hyperexponential(mean: mean, cv: $0) }
    default:
      map.reader.report(
        map.node("distribution"), map.key("distribution"), "'\(distribution)' is not a distribution",
        "use exponential, deterministic, lognormal, gamma or hyperexponential")
      return nil
    }
  }

  private static func batch(_ parent: YAMLMap, fallback: BatchPolicy) -> BatchPolicy {
    guard let map = parent.map("batch") else { return fallback }
    map.allow(["max", "wait", "marginalCost", "preferred"])
    let marginal = map.node("marginalCost") == nil ? 1 : map.number("marginalCost", above: 0, inclusive: true) ?? 1
    let max = map.integer("max", in: 1...10_000, fallback: 1)
    return BatchPolicy(
      max: max, wait: Nanoseconds(seconds: map.seconds("wait") ?? 0), batchCostFactor: marginal,
      preferred: preferred(map, max: max))
  }

  private static func preferred(_ map: YAMLMap, max: Int) -> [Int] {
    guard let node = map.node("preferred") else { return [] }
    let sizes = node.sequence.map { $0.map { $0.scalar.flatMap { Int($0.string) } ?? 0 } } ?? [0]
    if sizes.allSatisfy({ (1...max).contains($0) }) { return sizes }
    map.reader.report(node, map.key("preferred"), "is not a list of whole numbers from 1 to max, which is \(max)")
    return []
  }

  private static func choice<Value>(
    _ map: YAMLMap, _ name: String, _ values: [(String, Value)], fallback: Value
  ) -> Value {
    guard let text = map.text(name) else { return fallback }
    if let value = values.first(where: { $0.0 == text }) { return value.1 }
    map.reader.report(
      map.node(name), map.key(name), "'\(text)' is not known", "use \(values.map(\.0).joined(separator: ", "))")
    return fallback
  }
}
