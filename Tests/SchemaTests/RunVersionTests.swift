import Foundation
import PlannerCore
import PlannerFiles
import Testing

/// Runs of version 1, and what version 2 left out.
@Suite struct RunVersionTests {
  private static let trace = [0.001, 0.002, 0.003]

  /// A run as version 1 was written: the same keys, and the single times of the node in both places.
  private static func versionOne() throws -> String {
    let text = try JSONFile.encode(Samples.run)
    var run = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    func traced(_ node: Any?) throws -> [String: Any] {
      var node = try #require(node as? [String: Any])
      var service = try #require(node["service"] as? [String: Any])
      service["computeTraceSeconds"] = trace
      node["service"] = service
      return node
    }
    run["schemaVersion"] = 1
    run["node"] = try traced(run["node"])
    var plan = try #require(run["plan"] as? [String: Any])
    plan["nodes"] = try (plan["nodes"] as? [Any] ?? []).map(traced)
    run["plan"] = plan
    return String(decoding: try JSONSerialization.data(withJSONObject: run), as: UTF8.self)
  }

  private static func read(_ text: String) throws -> RunRecord {
    try JSONFile.decode(
      RunRecord.self, from: text, path: "run.json", kind: RunRecord.kind, schemaVersion: RunRecord.schemaVersion,
      oldest: RunRecord.oldestVersion)
  }

  @Test func versionOneIsRead() throws {
    let old = try Self.read(try Self.versionOne())
    #expect(old.ran.node.service.computeTraceSeconds == Self.trace)
    #expect(old.asked.plan.nodes.allSatisfy { $0.service.computeTraceSeconds == Self.trace })
    // Written again it is version 2, and all but the traces is there.
    #expect(try JSONFile.encode(old) == JSONFile.encode(Samples.run))
  }

  @Test func versionTwoIsReadAsItWasWritten() throws {
    for text in try Samples.documents("run") {
      #expect(try JSONFile.encode(Self.read(text)) == text)
      #expect(!text.contains("computeTraceSeconds"))
    }
  }

  @Test func laterVersionsAreRefusedByName() throws {
    let later = try JSONFile.encode(Samples.run).replacingOccurrences(
      of: "\"schemaVersion\" : 2", with: "\"schemaVersion\" : 3")
    let error = #expect(throws: FileError.self) { try Self.read(later) }
    #expect(error?.description.contains("is 3; this program reads 1 to 2; use a newer planner") == true)
  }

  /// An unknown scope is no slice and no full run.
  @Test func aScopeThatIsNoneIsRefused() throws {
    let text = try JSONFile.encode(Samples.run).replacingOccurrences(of: "\"full\"", with: "\"half\"")
    let error = #expect(throws: FileError.self) { try Self.read(text) }
    #expect(error?.description.contains("scope") == true)
  }
}
