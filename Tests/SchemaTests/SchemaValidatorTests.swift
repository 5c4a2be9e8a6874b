import TestSupport
import Testing

/// The validator by itself: each keyword accepts what it should and refuses what it should not.
@Suite struct SchemaValidatorTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var schema: String
    var good: [String]
    var bad: [String]
    var testDescription: String { schema }
  }

  static let cases = [
    Case(schema: "true", good: ["null", "{}"], bad: []),
    Case(schema: "false", good: [], bad: ["null", "{}"]),
    Case(schema: #"{"type": "integer"}"#, good: ["3", "-3", "3.0"], bad: ["3.5", "\"3\"", "true", "null", "[3]"]),
    Case(schema: #"{"type": "number"}"#, good: ["3", "3.5", "1e9"], bad: ["true", "false", "\"3\"", "null"]),
    Case(schema: #"{"type": "boolean"}"#, good: ["true", "false"], bad: ["0", "1", "\"true\"", "null"]),
    Case(schema: #"{"type": "string"}"#, good: ["\"\"", "\"3\""], bad: ["3", "null", "{}"]),
    Case(schema: #"{"type": ["object", "null"]}"#, good: ["{}", "null"], bad: ["[]", "0", "\"\""]),
    Case(schema: #"{"enum": ["a", null, 1]}"#, good: ["\"a\"", "null", "1"], bad: ["\"b\"", "2", "true"]),
    Case(schema: #"{"const": "plan"}"#, good: ["\"plan\""], bad: ["\"run\"", "null"]),
    Case(schema: #"{"const": 1}"#, good: ["1", "1.0"], bad: ["2", "\"1\"", "true"]),
    Case(schema: #"{"minimum": 0, "maximum": 1}"#, good: ["0", "1", "\"x\""], bad: ["-0.1", "1.1"]),
    Case(
      schema: #"{"exclusiveMinimum": 0, "exclusiveMaximum": 1}"#, good: ["0.5"], bad: ["0", "1", "-1"]),
    Case(schema: #"{"minLength": 2}"#, good: ["\"ab\"", "\"äb\""], bad: ["\"a\"", "\"\""]),
    Case(schema: #"{"pattern": "^[0-9]+ms$"}"#, good: ["\"10ms\"", "10"], bad: ["\"ms\"", "\"10ms \"", "\"10s\""]),
    Case(schema: #"{"minItems": 1, "maxItems": 2}"#, good: ["[1]", "[1, 2]", "{}"], bad: ["[]", "[1, 2, 3]"]),
    Case(schema: #"{"items": {"type": "integer"}}"#, good: ["[]", "[1]", "{}"], bad: ["[1, null]", "[[1]]"]),
    Case(
      schema: #"{"required": ["a"], "properties": {"a": {"type": "integer"}}}"#,
      good: [#"{"a": 1}"#, #"{"a": 1, "b": "anything"}"#, "3"], bad: ["{}", #"{"a": null}"#, #"{"b": 1}"#]),
    Case(
      schema: #"{"properties": {"a": true}, "additionalProperties": false}"#, good: ["{}", #"{"a": 1}"#],
      bad: [#"{"b": 1}"#]),
    Case(
      schema: #"{"additionalProperties": {"type": "string"}}"#, good: ["{}", #"{"a": "x"}"#], bad: [#"{"a": 1}"#]),
    Case(
      schema: ##"{"$ref": "#/$defs/a", "$defs": {"a": {"type": "integer"}}, "minimum": 3}"##, good: ["3"],
      bad: ["2", "\"3\""]),
    Case(
      schema: #"{"anyOf": [{"type": "integer", "minimum": 5}, {"type": "null"}]}"#, good: ["5", "null"],
      bad: ["4", "\"5\"", "{}"]),
    Case(
      schema: ##"{"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}}"##,
      good: ["[]", "[[], [[]]]"], bad: ["[[], [1]]"]),
  ]

  @Test(arguments: cases)
  func keywords(_ one: Case) throws {
    let validator = try SchemaValidator(schema: one.schema)
    for document in one.good {
      let violations = try validator.violations(in: document)
      #expect(violations.isEmpty, "\(document): \(violations)")
    }
    for document in one.bad { #expect(try !validator.violations(in: document).isEmpty, "\(document)") }
  }

  @Test(arguments: [
    (#"{"types": "integer"}"#, "types"), (#"{"type": "whole"}"#, "type"), (#"{"type": []}"#, "type"),
    (#"{"items": [1]}"#, "items"), (#"{"properties": {"a": {"minimun": 0}}}"#, "properties/a/minimun"),
    (##"{"$ref": "#/$defs/a"}"##, "$ref"), (##"{"$ref": "other.json", "$defs": {}}"##, "$ref"),
    (#"{"minimum": "0"}"#, "minimum"), (#"{"required": "a"}"#, "required"), (#"{"enum": []}"#, "enum"),
    (#"{"pattern": "("}"#, "pattern"), (#"{"anyOf": []}"#, "anyOf"), (#"{"anyOf": [{"x": 1}]}"#, "anyOf/0/x"),
    (#"{"$defs": {"a": {"oneOf": []}}}"#, "$defs/a/oneOf"), (#"{"properties": []}"#, "properties"), ("3", "#"),
  ])
  func badSchemasAreRefused(_ schema: String, _ place: String) throws {
    let error = try #require(throws: SchemaError.self) { try SchemaValidator(schema: schema) }
    #expect(error.problems.count == 1 && error.description.contains(place), "\(error)")
  }

  @Test(arguments: ["", "{", "{\"a\": 1", "nul", "[1 2]"])
  func whatIsNoJSONIsAnError(_ text: String) throws {
    #expect(throws: DecodingError.self) { try SchemaValidator(schema: text) }
    let validator = try SchemaValidator(schema: "true")
    #expect(throws: DecodingError.self) { try validator.violations(in: text) }
  }

  @Test func violationsNameTheirPlace() throws {
    let validator = try SchemaValidator(
      schema: #"""
        {"properties": {"nodes": {"items": {"anyOf": [
          {"type": "object", "required": ["count"], "properties": {"count": {"type": "integer"}}}, {"type": "null"}]}}}}
        """#)
    #expect(
      try validator.violations(in: #"{"nodes": [null, {"count": 1}, {"count": "x"}, {}]}"#).map(\.description) == [
        "nodes[2].count: is not of type integer", "nodes[3].count: is missing",
      ])
    #expect(try validator.violations(in: #"{"nodes": [3]}"#).map(\.path) == ["nodes[0]"])
  }

  @Test func strictReportsWhatIsNotDescribed() throws {
    let validator = try SchemaValidator(
      schema: #"{"properties": {"a": {"properties": {"b": true}}}, "additionalProperties": true}"#)
    let document = #"{"a": {"b": 1, "c": 2}, "d": 3}"#
    #expect(try validator.violations(in: document).isEmpty)
    #expect(try validator.violations(in: document, strict: true).map(\.path) == ["a.c", "d"])
  }
}
