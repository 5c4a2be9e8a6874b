import Foundation
import PlannerCore
import PlannerFiles
import TestSupport
import Testing

/// The schemas under `docs/schemas` and what the program writes say the same.
@Suite struct ShippedSchemaTests {
  /// Schemas of files that people write; `YAMLSchemaTests` compares them with their readers.
  static let ofYAML = ["scenario", "workload"]
  static let names = [
    "catalog", "check", "deploy-manifests", "deployment", "deployment-diff", "deployment-stopped", "deployments",
    "figures", "image-build", "image-transfer",
    "model-index", "model-inspect", "model-synth", "model-variants", "plan", "profile", "profile-check", "ready",
    "repository", "run", "scenario", "simulation", "trace", "workload", "workload-from-log",
  ]
  /// Versions above 1.
  static let versions = ["profile": 2, "plan": Plan.schemaVersion, "run": RunRecord.schemaVersion]
  static let ofJSON = names.filter { !ofYAML.contains($0) }

  @Test func noSchemaIsMissingOrUnknown() throws {
    #expect(try SchemaValidator.shippedNames() == Self.names)
  }

  @Test(arguments: names)
  func aSchemaSaysWhatItIs(_ name: String) throws {
    let schema = try SchemaValidator.shipped(name).schema
    #expect(schema["$schema"]?.text == "https://json-schema.org/draft/2020-12/schema")
    #expect(schema["$id"]?.text == "urn:planner:schema:\(name):\(Self.versions[name] ?? 1)")
    #expect(schema["title"]?.text?.isEmpty == false && schema["description"]?.text?.isEmpty == false)
    // Readers of what is printed pass over what a later version adds; a typing error in a file is no addition.
    #expect(schema["additionalProperties"] == .bool(!Self.ofYAML.contains(name)))
  }

  /// Suffix of a key, and the word for its unit that the key's description has to have.
  static let units = [
    ("Seconds", "second"), ("PerSecond", "second"), ("Bytes", "byte"), ("PerHour", "dollar"), ("PerMonth", "dollar"),
    ("MHz", "megahertz"), ("MilliCPU", "thousandth"), ("tokens", "token"), ("utilization", "share"), ("CV", "share"),
  ]

  @Test(arguments: names)
  func everyKeyIsDescribedWithItsUnit(_ name: String) throws {
    let walk = SchemaWalk(try .shipped(name))
    for (place, schema) in walk.objects() {
      for (key, property) in schema["properties"]?.members ?? [:] {
        let description = property["description"]?.text ?? ""
        #expect(description.count > 3, "\(name) \(place) \(key)")
        for (suffix, unit) in Self.units where key.hasSuffix(suffix) && key != "guidanceModelsPerNode" {
          #expect(description.lowercased().contains(unit), "\(name) \(place) \(key): \(description)")
        }
      }
      for required in schema["required"]?.elements ?? [] {
        #expect(schema["properties"]?[required.text ?? ""] != nil, "\(name) \(place) requires \(required)")
      }
    }
  }

  /// One word for one thing: what two schemas define under one name is the same.
  @Test func definitionsAgree() throws {
    var known: [String: JSONValue] = [:]
    for name in Self.names {
      for (key, definition) in try SchemaValidator.shipped(name).schema["$defs"]?.members ?? [:] {
        #expect(known[key] ?? definition == definition, "\(key) of \(name)")
        known[key] = definition
      }
    }
    #expect(known.count > 20)
  }

  // MARK: Against what is written

  @Test(arguments: ofJSON)
  func whatIsWrittenIsValidAndDescribed(_ name: String) throws {
    let validator = try SchemaValidator.shipped(name)
    let documents = try Samples.documents(name)
    #expect(!documents.isEmpty)
    for document in documents {
      let violations = try validator.violations(in: document, strict: true)
      #expect(violations.isEmpty, "\(name): \(violations)")
    }
  }

  /// What real measurements look like, beside what tests make up.
  @Test func profilesThatShipAreValid() throws {
    let folder = YAMLSchemaTests.repository + "/profiles"
    let validator = try SchemaValidator.shipped("profile")
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".json") }
    for name in names.sorted() {
      let text = try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
      #expect(try validator.violations(in: text, strict: true).isEmpty, "\(name)")
    }
  }

  /// Over samples with everything and samples with no more than they must have: a key is required exactly where it is
  /// always there, and described exactly where it is ever there.
  @Test(arguments: ofJSON)
  func requiredIsWhatIsAlwaysThere(_ name: String) throws {
    var walk = SchemaWalk(try .shipped(name))
    for document in try Samples.documents(name) { walk.visit(try JSONValue(parsing: document)) }
    for (place, schema) in walk.objects() {
      let required = Set((schema["required"]?.elements ?? []).compactMap(\.text))
      let described = Set((schema["properties"]?.members ?? [:]).keys)
      let always = try #require(walk.keysInAll[place], "\(name) \(place) was in no sample")
      let ever = try #require(walk.keysInAny[place])
      #expect(always == required, "\(name) \(place): \(always.symmetricDifference(required).sorted())")
      #expect(ever == described, "\(name) \(place): \(ever.symmetricDifference(described).sorted())")
    }
  }

  @Test(arguments: ofJSON)
  func withoutARequiredKeyADocumentIsRefused(_ name: String) throws {
    let validator = try SchemaValidator.shipped(name)
    for document in try Samples.documents(name) {
      let whole = try JSONValue(parsing: document)
      var refused = 0
      for (path, variant) in whole.variants(changing: { _, _ in [nil] }) {
        for violation in validator.violations(in: variant) {
          #expect(violation.path == path && violation.message == "is missing", "\(name): \(violation)")
          refused += 1
        }
      }
      #expect(refused >= (whole["kind"] == nil ? 3 : 4), "\(name)")
    }
  }

  /// Each value in turn becomes one of another type.
  @Test(arguments: ofJSON)
  func aValueOfAnotherTypeIsRefused(_ name: String) throws {
    let validator = try SchemaValidator.shipped(name)
    for document in try Samples.documents(name) {
      let variants = try JSONValue(parsing: document).variants { _, value in
        switch value {
        case .number: [.string("3"), .bool(true), .array([])]
        case .string: [.number(3), .array([]), .object([:])]
        case .bool: [.number(1), .string("true")]
        case .array: [.object([:]), .null, .number(3)]
        case .object: [.array([]), .number(3)]
        case .null: [.array([.null])]
        }
      }
      #expect(variants.count > 3)
      for (path, variant) in variants {
        #expect(!validator.violations(in: variant).isEmpty, "\(name): \(path) may be anything")
      }
    }
  }

  /// Counts, times, sizes and prices are never negative; the few figures that may be are named here.
  @Test(arguments: ofJSON)
  func aNegativeFigureIsRefused(_ name: String) throws {
    let signed = ["gap", "errorP50", "errorP99", "memoryCapacityBytes", "worstCosine", "meanCosine"]
    let validator = try SchemaValidator.shipped(name)
    for document in try Samples.documents(name) {
      let variants = try JSONValue(parsing: document).variants { path, value in
        // Of a tensor's sizes, -1 is any.
        let isSigned = signed.contains(where: path.hasSuffix) || path.contains(".shape[")
        guard case .number = value, !isSigned else { return [] }
        return [.number(-1)]
      }
      for (path, variant) in variants {
        #expect(!validator.violations(in: variant).isEmpty, "\(name): \(path) may be -1")
      }
    }
  }

  /// JSON has no infinity; where one is written all the same, as text, the document is not what was promised.
  @Test func figuresAreFinite() throws {
    var run = Samples.run
    run.figures.measured.p99Seconds = .infinity
    run.figures.measuredCurve.seconds[2] = .nan
    let violations = try SchemaValidator.shipped("run").violations(in: JSONFile.encode(run))
    #expect(violations.map(\.path) == ["measured.p99Seconds", "measuredCurve.seconds[2]"])
  }
}
