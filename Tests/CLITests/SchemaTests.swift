import Foundation
import Testing

/// What the program writes fits the schemas that it ships.
@Suite struct SchemaTests {
  static func validator(_ name: String) throws -> SchemaValidator {
    try SchemaValidator(file: Workplace.repository + "/docs/schemas/\(name).schema.json")
  }

  static func problems(_ name: String, _ json: [String: Any]) throws -> [String] {
    try validator(name).problems(json)
  }

  @Test func theValidatorRefuses() {
    let schema: [String: Any] = [
      "type": "object", "required": ["a"],
      "properties": [
        "a": ["type": "integer"], "b": ["anyOf": [["type": "string"], ["type": "null"]]],
        "c": ["type": "array", "items": ["$ref": "#/$defs/d"]], "e": ["enum": ["x", "y"]], "f": ["type": "boolean"],
      ], "$defs": ["d": ["type": "number"]],
    ]
    func count(_ text: String) throws -> Int {
      let value = try JSONSerialization.jsonObject(with: Data(text.utf8))
      return SchemaValidator(schema: schema).problems(value).count
    }
    for (text, expected) in [
      (#"{"a":1,"b":null,"c":[1,2.5],"e":"x","f":true}"#, 0), ("{}", 1), (#"{"a":1.5}"#, 1), (#"{"a":true}"#, 1),
      (#"{"a":1,"b":2}"#, 1), (#"{"a":1,"c":[1,"2",null]}"#, 2), (#"{"a":1,"e":"z"}"#, 1), (#"{"a":1,"f":1}"#, 1),
      ("[]", 1),
    ] { #expect((try? count(text)) == expected, "\(text)") }
  }

  @Test func plansFit() throws {
    let place = try Workplace()
    for arguments in [["--models", "100"], ["--budget", "0.05"], ["--instances", "c7g.4xlarge"]] {
      let (process, output, _) = try place.start(["optimize", "--json"] + arguments)
      process.waitUntilExit()
      let text = try String(contentsOfFile: output, encoding: .utf8)
      let json = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
      #expect(try Self.problems("plan", json) == [])
      // Every key that scripts may rely on is required by the schema.
      var without = json
      without["lowerBoundPerHour"] = nil
      #expect(try Self.problems("plan", without) == ["$.lowerBoundPerHour: is missing"])
    }
    #expect(try Self.problems("check", place.planner("check", "plan.json", "--json").json()) == [])
    #expect(try Self.problems("catalog", place.planner("catalog", "show", "--json").json()) == [])
  }

  @Test func simulationsFit() throws {
    let place = try Workplace()
    let usual = PlanningCommandTests.scenario
    // Nothing arrives in so short a time: figures are null.
    let empty = usual.replacingOccurrences(of: "200s", with: "2ms").replacingOccurrences(of: "10s", with: "1ms")
    for text in [usual, empty] {
      _ = try place.file("s.yaml", text)
      #expect(try Self.problems("simulation", place.planner("simulate", "--scenario", "s.yaml", "--json").json()) == [])
    }
  }
}
