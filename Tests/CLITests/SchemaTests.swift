import Foundation
import TestSupport
import Testing

/// What the program writes fits the schemas that it ships.
@Suite struct CommandSchemaTests {
  /// What the shipped schema does not allow in a command's output.
  static func violations(_ name: String, _ text: String) throws -> [SchemaViolation] {
    try SchemaValidator.shipped(name).violations(in: text)
  }

  @Test func plansFit() throws {
    let place = try Workplace()
    for arguments in [["--models", "100"], ["--budget", "0.05"], ["--instances", "c7g.4xlarge"]] {
      let text = try place.run(["optimize", "--json"] + arguments).output
      #expect(try Self.violations("plan", text) == [])
      // Every key that scripts may rely on is required by the schema.
      let without = text.replacingOccurrences(of: "\"lowerBoundPerHour\"", with: "\"other\"")
      #expect(try Self.violations("plan", without).map(\.path).contains("lowerBoundPerHour"))
    }
    #expect(try Self.violations("check", place.planner("check", "plan.json", "--json").output) == [])
    #expect(try Self.violations("catalog", place.planner("catalog", "show", "--json").output) == [])
  }

  @Test func simulationsFit() throws {
    let place = try Workplace()
    let usual = PlanningCommandTests.scenario
    // Nothing arrives in so short a time: figures are null.
    let empty = usual.replacingOccurrences(of: "200s", with: "2ms").replacingOccurrences(of: "10s", with: "1ms")
    for text in [usual, empty] {
      _ = try place.file("s.yaml", text)
      let output = try place.planner("simulate", "--scenario", "s.yaml", "--json").output
      #expect(try Self.violations("simulation", output) == [])
    }
  }
}
