import Executor
import LoadTest
import PlannerCore
import Proof
import Reporting

/// Proofs in a cluster: its pods are asked from this machine.
extension ExecuteCommand {
  func measureInCluster(_ plan: Plan, on place: RuntimeChoice) async throws -> ProofRun.Outcome {
    let startedAt = Timestamp.now()
    let whole = try DeployedNodes(of: plan, count: nodes).excerpt
    let source = try ModelSource(models, on: place.name)
    let opened = try await place.open(
      for: .init(cpus: { _ in [] }, lifetime: keep ? .kept : .run, image: image, pods: pods))
    let excerpt = try await placed(whole, of: plan) { excerpt in
      let settings = try await source.settings(of: excerpt, image: opened.image)
      try await opened.runtime.check(
        DesiredDeployment(deployment(of: plan, startedAt: startedAt), settings: settings))
    }
    if let reason = excerpt.reason { Output.note("slice: \(reason)") }
    let cost = excerpt.nodes.reduce(0) { $0 + $1.costPerHour }
    Output.note(
      "\(Format.count(excerpt.nodes.count, "node", "nodes")) of the cluster, "
        + "\(Format.money(cost)) an hour by the plan, are asked from this machine: what lies between is measured "
        + "with them, and calibration predicts it")
    let requests = try PlacedModels(of: excerpt)
    let settings = try await source.settings(of: excerpt, image: opened.image)
    let run = ProofRun(on: opened.runtime, stallLimit: pods.stallLimit) { addresses in
      let templates = addresses.map { RequestTemplate(host: $0.host, port: $0.port) }
      return PodSender(
        sender: HTTPLoadSender(addresses: addresses, cpus: .joined([])) {
          try requests.request($0, to: templates[$0.target])
        })
    } report: {
      ExecuteNotes.show($0)
    }
    return try await carry(
      out: run, of: plan, excerpt, settings: settings, host: try HostInfo.fingerprint(), startedAt: startedAt)
  }

  /// All nodes that were asked for, where the cluster has a place for each; one of each kind where nobody said how many
  /// and it has not.
  private func placed(
    _ whole: Excerpt, of plan: Plan, check: (Excerpt) async throws -> Void
  ) async throws -> Excerpt {
    do {
      try await check(whole)
      return whole
    } catch let error as RuntimeError where error.kind == .noCapacity {
      guard nodes == nil, whole.nodes.count > plan.nodes.count else { throw error }
      let reason = "the cluster has no place for all \(whole.nodes.count) nodes of the plan (\(error.message))"
      let slice = try Excerpt(of: plan, oneOfEachKindSince: reason)
      try await check(slice)
      return slice
    }
  }
}

/// Says what to do where pods have addresses that this machine does not reach.
private struct PodSender: LoadSender {
  let sender: HTTPLoadSender

  func send(
    _ load: RoutedSchedule, warmupSeconds: Double, progress: @escaping @Sendable (LoadProgress) -> Void
  ) async throws -> LoadResult {
    do {
      return try await sender.send(load, warmupSeconds: warmupSeconds, progress: progress)
    } catch let error as LoadTestError {
      guard case .connect(let host, let port, let reason) = error else { throw error }
      throw Failure(
        .unavailable,
        "the pod at \(host):\(port) cannot be reached from this machine (\(reason)): run planner on a machine of the "
          + "cluster's network, or in a pod of the cluster, whose account it then uses")
    }
  }
}

/// Requests to models whose manifest lies where only pods see it: what their workload says of them has to do.
private struct PlacedModels {
  private let excerpt: Excerpt
  /// Names of the models, one for each copy in the order of the layout.
  private let names: [String]

  /// - Throws: `Failure` where a group takes tensors, whose names and shapes only a manifest knows.
  init(of excerpt: Excerpt) throws {
    self.excerpt = excerpt
    let all = PlanDeployment.names(of: excerpt.demand)
    names = excerpt.layout.copies.map { all[$0.group][$0.model] }
    if let group = excerpt.demand.groups.first(where: { $0.requests.input == .tensors }) {
      throw Failure(
        .unavailable,
        "group '\(group.name)' is asked with tensors, which a manifest describes that lies where only pods see it; "
          + "prove the plan with the models at hand (--runtime local or docker), and deploy it with planner deploy run")
    }
  }

  /// The bytes of a request to a copy at its size.
  func request(_ rendering: AddressedSchedule.Rendering, to template: RequestTemplate) throws -> RequestBytes {
    let copy = excerpt.layout.copies[rendering.model]
    let group = excerpt.demand.groups[copy.group]
    let size = rendering.size > 0 ? rendering.size : group.requests.tokens
    let name = names[rendering.model]
    guard group.requests.input == .tokens else {
      return try template.text(model: name, tokens: max(size, RequestTemplate.fewestTextTokens), index: copy.model)
    }
    return template.tokens(model: name, tokens: size, vocabulary: group.vocabularySize, index: copy.model)
  }
}
