import ArgumentParser
import Executor
import KubernetesRuntime
import PlannerFiles

struct DeployDiffCommand: PlannerCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Show what planner deploy run would change, node by node.",
    discussion: """
      It takes what run takes, and changes nothing that runs. For a cluster it also shows how objects would become \
      different, as the cluster itself says it (a server-side dry run). Exit code 0 where nothing would change, 1 \
      where something would.
      """)

  @OptionGroup var wanted: WantedDeployment
  @Flag(help: "Print one JSON object.") var json = false

  var interruptedNote: String? { nil }

  func execute() async throws -> PlannerExit {
    let opened = try await wanted.open()
    let observed = try await opened.runtime.observeOrEmpty(opened.desired.id)
    var report = DeploymentDiffReport(
      DeploymentDiff(from: observed, to: opened.desired), of: opened.desired.id, on: opened.runtime)
    if let cluster = opened.runtime as? KubernetesRuntime {
      report.objects = try await cluster.dryRun(opened.desired).map(DeploymentDiffReport.Object.init)
    }
    Output.result(json ? try JSONFile.encode(report) : report.text)
    return report.isEmpty ? .done : .differs
  }
}
