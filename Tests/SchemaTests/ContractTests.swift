import TestSupport
import Testing

/// What scripts may rely on is required by the schemas: the keys of the command line's contract.
@Suite struct ContractTests {
  struct Promise: Sendable, CustomTestStringConvertible {
    var schema: String
    /// Path of properties from the top; `[]` goes into a list.
    var place: [String] = []
    var keys: [String]
    var testDescription: String { ([schema] + place).joined(separator: ".") }
  }

  static let estimate = ["estimate", "low", "high"]
  static let figures = ["p50Seconds", "p90Seconds", "p95Seconds", "p99Seconds", "throughputPerSecond", "memoryBytes"]

  static let promises = [
    Promise(
      schema: "simulation", keys: ["latencySeconds", "waitSeconds", "requests", "utilization", "simulatedSeconds"]),
    Promise(schema: "simulation", place: ["latencySeconds"], keys: ["mean", "p50", "p90", "p95", "p99"]),
    Promise(schema: "simulation", place: ["latencySeconds", "p99"], keys: estimate),
    Promise(schema: "simulation", place: ["waitSeconds"], keys: ["mean"]),
    Promise(schema: "simulation", place: ["waitSeconds", "mean"], keys: estimate),
    Promise(
      schema: "simulation", place: ["requests"], keys: ["arrived", "completed", "rejected", "timedOut", "inFlight"]),
    Promise(
      schema: "plan",
      keys: [
        "feasible", "costPerHour", "costPerMonth", "lowerBoundPerHour", "gap", "models", "budgetPerHour",
        "latencySeconds", "nodes", "binding", "bestExecutable", "alternatives", "groups",
      ]),
    Promise(
      schema: "plan", place: ["groups", "[]"], keys: ["name", "models", "replicas", "targetP99Seconds", "p99Seconds"]),
    Promise(schema: "plan", place: ["nodes", "[]", "placed", "[]"], keys: ["group", "variant", "models"]),
    Promise(schema: "plan", place: ["latencySeconds", "p99"], keys: estimate),
    Promise(
      schema: "plan", place: ["nodes", "[]"],
      keys: [
        "instanceType", "count", "modelsPerNode", "variant", "workers", "threadsPerWorker", "costPerHour",
        "provenance", "executable", "placed",
      ]),
    Promise(
      schema: "plan", place: ["bestExecutable"], keys: ["costPerHour", "costPerMonth", "latencySeconds", "nodes"]),
    Promise(
      schema: "plan", place: ["alternatives", "[]"],
      keys: ["instanceType", "feasible", "nodes", "costPerHour", "p99Seconds", "binding", "provenance"]),
    Promise(
      schema: "run",
      keys: [
        "scope", "runtime", "predicted", "measured", "prediction", "requests", "verdict", "confidence", "valid",
      ]),
    Promise(schema: "run", place: ["predicted"], keys: figures),
    Promise(schema: "run", place: ["measured"], keys: figures),
    Promise(schema: "run", place: ["prediction"], keys: ["errorP50", "errorP99", "withinInterval"]),
    Promise(schema: "run", place: ["requests"], keys: ["sent", "completed", "rejected", "timedOut", "failed"]),
  ]

  @Test(arguments: promises)
  func promisedKeysAreRequired(_ promise: Promise) throws {
    let root = try SchemaValidator.shipped(promise.schema).schema
    var schema = root
    for step in promise.place {
      schema = resolved(try #require(step == "[]" ? schema["items"] : schema["properties"]?[step]), in: root)
    }
    let required = Set((schema["required"]?.elements ?? []).compactMap(\.text))
    #expect(Set(promise.keys).subtracting(required).isEmpty, "\(promise)")
  }

  /// What may be null, and in no other way be missing.
  @Test(arguments: [
    ("plan", "costPerHour"), ("plan", "costPerMonth"), ("plan", "lowerBoundPerHour"), ("plan", "gap"),
    ("plan", "budgetPerHour"), ("plan", "latencySeconds"), ("plan", "bestExecutable"),
    ("plan", "bestExecutableReason"), ("run", "invalidReason"), ("run", "scopeReason"),
    ("simulation", "latencySeconds"),
  ])
  func nullIsAllowed(_ name: String, _ key: String) throws {
    let validator = try SchemaValidator.shipped(name)
    let document = try JSONValue(parsing: try #require(try Samples.documents(name).first))
    var members = try #require(document.members)
    members[key] = .null
    #expect(validator.violations(in: .object(members)).isEmpty)
    members[key] = nil
    #expect(validator.violations(in: .object(members)).map(\.path) == [key])
  }

  /// What a reference, alone or beside null, stands for.
  private func resolved(_ schema: JSONValue, in root: JSONValue) -> JSONValue {
    let references = [schema] + (schema["anyOf"]?.elements ?? [])
    for reference in references.compactMap({ $0["$ref"]?.text }) {
      if let target = root["$defs"]?[String(reference.dropFirst("#/$defs/".count))] { return target }
    }
    return schema
  }
}
