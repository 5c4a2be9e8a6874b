import Foundation
import Optimizer
import PlannerCore
import PlannerFiles
import Simulator
import Testing

/// A plan holds all that its own prediction was made from.
@Suite struct PlanPredictionTests {
  private func again(_ node: NodeGroup, of plan: Plan) -> NodePrediction? {
    NodeSimulation.predict(node.spec, plan.workload, node.figures, seed: plan.seed, effort: .final)
  }

  private func readBack(_ plan: Plan) throws -> Plan {
    try JSONDecoder().decode(Plan.self, from: Data(try JSONFile.encode(plan).utf8))
  }

  @Test func aNodeOfTheCloudIsPredictedTheSameAgain() throws {
    let plan = try readBack(try Optimizer.optimize(try Fixture.mission(models: 53, budget: nil, target: 0.020)))
    #expect(plan.nodes.count == 2)
    for node in plan.nodes {
      let prediction = try #require(again(node, of: plan))
      #expect(prediction.latencySeconds.p99 == node.latencySeconds.p99)
      #expect(prediction.utilization == node.utilization)
    }
  }

  /// With everything that a profile may know of a node: gaps, waking, times in their order.
  @Test func aProfiledNodeIsPredictedTheSameAgain() throws {
    var profile = try Fixture.profile([.init(cells: [.init(computeSeconds: 0.002)])])
    var random = RandomStream(seed: 1, stream: "trace")
    profile.models[0].served[0].times.dispatchGapSeconds = 0.0004
    profile.models[0].served[0].times.wakeUpSeconds = 0.0003
    profile.models[0].served[0].attach(
      ComputeTrace(cell: "traced", seconds: [(0..<1000).map { _ in 0.0018 + 0.0006 * random.uniform() }]))
    let problem = try Fixture.local(models: 200, profile: profile, cores: 1, memoryBytes: 16 << 30)
    let plan = try readBack(try Optimizer.optimize(problem))
    let node = try #require(plan.nodes.first)
    let prediction = try #require(again(node, of: plan))
    #expect(prediction.latencySeconds.p99 == node.latencySeconds.p99)
    // Each of them counts.
    for change: (inout ServiceModel) -> Void in [
      { $0.dispatchGapSeconds = nil }, { $0.wakeUpSeconds = nil }, { $0.computeTraceSeconds = nil },
      { $0.betweenRunCV = 0.2 },
    ] {
      var other = node
      change(&other.figures.entries[0].service)
      #expect(again(other, of: plan)?.latencySeconds.p99 != node.latencySeconds.p99)
    }
  }

  // MARK: Files of version 1

  /// As the version before wrote it: nothing that version 2 added.
  private func versionOne(_ plan: Plan) throws -> String {
    let data = Data(try JSONFile.encode(plan).utf8)
    var top = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    top["schemaVersion"] = 1
    for key in ["groups", "certificate", "clusterCostPerHour"] { top[key] = nil }
    func bare(_ nodes: Any?) -> [[String: Any]] {
      (nodes as? [[String: Any]] ?? []).map { node in
        var node = node
        node["placed"] = nil
        return node
      }
    }
    top["nodes"] = bare(top["nodes"])
    if var executable = top["bestExecutable"] as? [String: Any] {
      executable["nodes"] = bare(executable["nodes"])
      top["bestExecutable"] = executable
    }
    return String(decoding: try JSONSerialization.data(withJSONObject: top), as: UTF8.self)
  }

  private func read(_ text: String) throws -> Plan {
    let path = NSTemporaryDirectory() + "plan-\(UUID().uuidString).json"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return try PlanFile.read(path)
  }

  @Test func aPlanOfVersionOneIsReadAndHolds() throws {
    let profile = try Fixture.profile([.init(cells: [.init(computeSeconds: 0.001)])])
    for problem in [
      try Fixture.mission(), try Fixture.local(models: 20, profile: profile, cores: 1, memoryBytes: 1000 << 20),
    ] {
      let plan = try Optimizer.optimize(problem)
      let old = try read(try versionOne(plan))
      #expect(try JSONFile.encode(old) == (try JSONFile.encode(plan)))
      #expect(PlanChecker.check(old, against: Fixture.evidence(problem)).isEmpty)
    }
  }

  @Test func aPlanOfALaterVersionIsRefused() throws {
    let text = try JSONFile.encode(try Optimizer.optimize(try Fixture.mission()))
    let error = #expect(throws: FileError.self) {
      try read(text.replacing("\"schemaVersion\" : 2", with: "\"schemaVersion\" : 3"))
    }
    #expect(error?.description.contains("use a newer planner") == true)
  }

  @Test func aNodeThatHoldsOtherModelsThanItSaysIsRefused() throws {
    let text = try JSONFile.encode(try Optimizer.optimize(try Fixture.mission()))
    for models in ["49", "-50", "0", "9223372036854775807"] {
      let error = #expect(throws: FileError.self) {
        try read(text.replacing("\"models\" : 300,", with: "\"models\" : \(models),"))
      }
      #expect(error?.description.contains("nodes[0].placed") == true, "\(error?.description ?? "")")
    }
  }

  // MARK: Several groups

  @Test func aWorkloadOfSeveralGroupsIsReadBackTheSame() throws {
    var workload = Workload.guidance
    var second = workload.groups[0]
    second.name = "others"
    second.precisions = [.int8]
    second.vocabulary = 2000
    workload.groups.append(second)
    let text = try JSONFile.encode(workload)
    #expect(try JSONDecoder().decode(Workload.self, from: Data(text.utf8)) == workload)
    let flat = try JSONFile.encode(Workload.guidance)
    #expect(!flat.contains("groups") && flat.contains("\"family\" : \"bert-base\""))
    #expect(try JSONDecoder().decode(Workload.self, from: Data(flat.utf8)) == .guidance)
  }
}
