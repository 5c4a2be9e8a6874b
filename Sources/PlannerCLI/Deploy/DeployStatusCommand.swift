import ArgumentParser
import Executor
import PlannerFiles
import Reporting

struct DeployStatusCommand: PlannerCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Show what is deployed, or one deployment node by node.",
    discussion: "Exit code 0 where every node of the deployment is ready, 3 where one is not.")

  @Argument(help: "Deployment, or the plan that it was made of; default: list all.") var deployment: String?
  @OptionGroup var place: RuntimeOptions
  @Flag(help: "Print one JSON object.") var json = false

  func execute() async throws -> PlannerExit {
    let runtime = try await place.choice().open()
    guard let deployment else { return try await list(runtime) }
    let id = try NamedDeployment.id(deployment)
    let observed = try await runtime.observe(id)
    let report = DeploymentReport(observed, on: runtime, notes: try await runtime.notes(on: id))
    try DeploymentReport.show(report, json: json)
    return report.isReady ? .done : .failed
  }

  private func list(_ runtime: any Runtime) async throws -> PlannerExit {
    var list = DeploymentList(runtime: runtime.name, deployments: [])
    for id in try await runtime.deployments() {
      // One may go while the others are looked at.
      let replicas = try await runtime.observeOrEmpty(id).replicas
      guard !replicas.isEmpty else { continue }
      list.deployments.append(
        .init(deployment: id.text, nodes: replicas.count, ready: replicas.count { $0.phase.isReady }))
    }
    if json {
      Output.result(try JSONFile.encode(list))
    } else if list.deployments.isEmpty {
      Output.result("nothing is deployed (runtime \(runtime.name))")
    } else {
      var table = TextTable(columns: [.init("deployment"), .init("nodes", .trailing), .init("ready", .trailing)])
      for entry in list.deployments {
        table.append([entry.deployment, Format.count(entry.nodes), Format.count(entry.ready)])
      }
      Output.result(table.render(style: Output.style))
    }
    return .done
  }
}
