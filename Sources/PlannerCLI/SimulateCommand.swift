import ArgumentParser
import PlannerCore
import PlannerFiles
import Reporting
import Simulator

struct SimulateCommand: ComputingCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate", abstract: "Simulate a scenario file, or the worst node of a plan.")

  @Option(help: "Scenario file (YAML).") var scenario: String?
  @Option(help: "Plan file, as `planner optimize` writes it.") var plan: String?
  @Option(parsing: .unconditional, help: "Replaces the seed of the scenario or plan.") var seed: UInt64?
  @Flag(help: "Print one JSON object.") var json = false

  func validate() throws {
    if (scenario == nil) == (plan == nil) { throw ValidationError("name either --scenario FILE or --plan PLAN") }
  }

  func compute() throws -> PlannerExit {
    let summary: SimulationSummary
    if let scenario {
      var scenario = try ScenarioFile.read(scenario)
      if let seed { scenario.seed = seed }
      summary = scenario.simulate()
    } else {
      summary = try simulate(planAt: plan ?? "plan.json")
    }
    Output.result(json ? try JSONFile.encode(summary) : SimulationText.render(summary, style: Output.style))
    return .done
  }

  /// The node with the highest p99, alone: a plan's latency is its worst node's. With the plan's seed this is the
  /// figure that the plan holds.
  private func simulate(planAt path: String) throws -> SimulationSummary {
    let plan = try PlanFile.read(path)
    guard let node = plan.nodes.max(by: { $0.latencySeconds.p99.estimate < $1.latencySeconds.p99.estimate }) else {
      throw Failure(.badData, "\(path): nodes: is empty, because \(plan.bindingReason); there is nothing to simulate")
    }
    guard let prediction = predict(node, of: plan) else {
      throw Failure(.badData, "\(path): the offered load reaches the capacity of \(node.instanceType)")
    }
    return prediction.summary
  }

  /// The fullest device of the node; of many kinds of models, the one with the highest p99.
  private func predict(_ node: NodeGroup, of plan: Plan) -> NodePrediction? {
    let seed = seed ?? plan.seed
    guard plan.isMixed, let placement = plan.placement else {
      return NodeSimulation.predict(node.spec, plan.workload, node.figures, seed: seed, effort: .final)
    }
    let devices = placement.devices.filter { plan.nodes[$0.kind] == node }
    return devices.max { $0.busyWorkers(of: node) < $1.busyWorkers(of: node) }.flatMap {
      NodeSimulation.predict($0, of: node, plan.workload, seed: seed, effort: .final)
    }
  }
}
