import ArgumentParser
import Executor
import PlannerFiles
import Reporting

struct DeployProxyCommand: PlannerCommand {
  static let configuration = CommandConfiguration(
    commandName: "proxy",
    abstract: "Write the files of a proxy that leads each model's requests to the nodes that hold it.",
    discussion: """
      For an HAProxy of your own in front of nodes of any runtime: haproxy -C DIR -f haproxy.cfg
      They say where nodes answer now; write them again, and reload it, when the deployment has changed. On this \
      machine planner deploy run --proxy does all that itself.
      """)

  @Argument(help: "Deployment, or the plan that it was made of; default: the only one.") var deployment: String?
  @OptionGroup var place: RuntimeOptions
  @Option(help: "Address and port that clients ask.") var listen = "0.0.0.0:8080"
  @Option(parsing: .unconditional, help: "Threads of the proxy.", transform: Arguments.count) var threads = 1
  @Option(help: "Folder to write to.") var out = "proxy"
  /// Address of a server that stands in for a deployment of model0, model1, …, for scripts/bench-proxy.
  @Option(help: .hidden) var benchNode: String?
  @Option(help: .hidden) var benchModels = 3000

  func validate() throws {
    guard let address = ProxyOptions.address(listen), address.port > 0 else {
      throw ValidationError("--listen must be a port, or an address such as 0.0.0.0:8080 or [::1]:8080")
    }
    if threads > 64 { throw ValidationError("--threads must be at most 64") }
  }

  func execute() async throws -> PlannerExit {
    guard let address = ProxyOptions.address(listen) else { throw Failure(.usage, "--listen is no address") }
    let table = RoutingTable(try await observed())
    var place = HAProxyFiles.Place(bind: address)
    place.threads = threads
    place.resolvesNames = table.targets.contains { target in
      target.address.host.contains(where: \.isLetter) && !target.address.host.contains(":")
    }
    let files = try HAProxyFiles(table, at: place)
    try AtomicFile.write(files.map, to: "\(out)/\(HAProxyFiles.mapName)")
    try AtomicFile.write(files.configuration, to: "\(out)/\(HAProxyFiles.configurationName)")
    let models = Format.count(table.models.count, "model", "models")
    let nodes = Format.count(table.targets.count, "node", "nodes")
    Output.result("\(models) on \(nodes): haproxy -C \(out) -f \(HAProxyFiles.configurationName)")
    return .done
  }

  private func observed() async throws -> ObservedDeployment {
    if let benchNode, let address = ProxyOptions.address(benchNode) {
      let settings = NodeSettings(
        repository: "", models: (0..<benchModels).map { "model\($0)" }, workers: 1, threadsPerWorker: 1)
      let replica = ObservedReplica(
        id: ReplicaID(NodeID(index: 0), settings), settings: settings, phase: .ready(address), handle: "")
      return ObservedDeployment(id: DeploymentID(ofPlan: "bench"), replicas: [replica])
    }
    let runtime = try await place.choice().open()
    return try await runtime.observe(try await NamedDeployment.id(deployment, in: runtime))
  }
}
