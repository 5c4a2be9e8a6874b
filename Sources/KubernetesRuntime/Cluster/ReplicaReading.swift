import Executor
import Foundation

/// What a cluster's objects say of a deployment: a pure function of them.
package struct DeploymentReading {
  var deployments: [DeploymentObject]
  var pods: [PodObject]
  var services: [ServiceObject]

  package init(deployments: [DeploymentObject], pods: [PodObject], services: [ServiceObject]) {
    self.deployments = deployments
    self.pods = pods
    self.services = services
  }

  /// The replicas, and the Deployments that are them. What cannot be read as a replica, although it bears this
  /// program's labels, is left out.
  package func replicas() -> [(object: DeploymentObject, replica: ObservedReplica)] {
    deployments.compactMap { object in
      guard let node = object.metadata.labels?[KubernetesName.nodeLabel].flatMap(NodeID.init),
        let annotation = object.metadata.annotations?[KubernetesName.settingsAnnotation],
        let settings = NodeManifests.settings(
          annotation: annotation,
          models: object.spec?.template?.metadata?.annotations?[KubernetesName.modelsAnnotation]),
        let name = object.metadata.name
      else { return nil }
      let id = ReplicaID(node, settings)
      let own = pods(ofSlot: name, revision: id.revision)
      let latest = Self.latest(own)
      return (
        object,
        ObservedReplica(
          id: id, settings: settings, phase: phase(object, latest, all: own),
          handle: latest?.metadata.name.map { "pod \($0)" } ?? "deployment \(name)")
      )
    }
  }

  /// The latest pod of a Deployment that was not told to go; else one that is going.
  func pod(of replica: ReplicaID) -> PodObject? {
    guard let object = replicas().first(where: { $0.replica.id == replica })?.object, let name = object.metadata.name
    else { return nil }
    return Self.latest(pods(ofSlot: name, revision: replica.revision))
  }

  private func pods(ofSlot slot: String, revision: String) -> [PodObject] {
    pods.filter {
      $0.metadata.labels?[KubernetesName.slotLabel] == slot
        && $0.metadata.labels?[KubernetesName.revisionLabel] == revision
    }
  }

  /// Ready ones first, then those that run, then by age.
  private static func latest(_ pods: [PodObject]) -> PodObject? {
    func rank(_ pod: PodObject) -> (Int, String, String) {
      let ends = pod.status?.phase == "Failed" || pod.status?.phase == "Succeeded"
      let isGoing = pod.metadata.deletionTimestamp != nil
      return (
        pod.isReady ? 3 : isGoing ? 0 : ends ? 1 : 2, pod.metadata.creationTimestamp ?? "", pod.metadata.name ?? ""
      )
    }
    return pods.max { rank($0) < rank($1) }
  }

  private func phase(_ object: DeploymentObject, _ pod: PodObject?, all: [PodObject]) -> ReplicaPhase {
    if object.metadata.deletionTimestamp != nil { return .stopping }
    let node = object.metadata.labels?[KubernetesName.nodeLabel]
    guard services.contains(where: { $0.metadata.labels?[KubernetesName.nodeLabel] == node }) else { return .pending }
    guard let pod, pod.metadata.deletionTimestamp == nil else {
      return .starting(PodProblem.refused(object.status?.conditions) ?? PodProblem.evicted(all))
    }
    if pod.isReady, let address = pod.status?.podIP, !address.isEmpty {
      return .ready(NodeAddress(host: address, port: KubernetesName.port))
    }
    if let problem = PodProblem.failure(pod) { return .failed(problem) }
    return .starting(PodProblem.waiting(pod) ?? PodProblem.evicted(all))
  }
}

/// Why a pod does not answer, in the user's words.
enum PodProblem {
  /// The cluster takes no pod of a Deployment: a quota, or a rule.
  static func refused(_ conditions: [KubeCondition]?) -> NodeProblem? {
    guard let failure = conditions?.first(where: { $0.type == "ReplicaFailure" && $0.status == "True" }) else {
      return nil
    }
    let message = KubeFailure.oneLine(failure.message ?? failure.reason ?? "")
    if message.contains("exceeded quota") {
      return NodeProblem(
        .noCapacity, "a quota of the namespace is used up: \(message)",
        remedy: "have the quota raised, or deploy fewer nodes")
    }
    return NodeProblem(
      .noCapacity, "the cluster makes no pod: \(message)",
      remedy: "see what refuses it with: kubectl describe replicasets")
  }

  /// A pod before was moved off its machine.
  static func evicted(_ pods: [PodObject]) -> NodeProblem? {
    guard let pod = pods.first(where: { $0.status?.reason == "Evicted" }) else { return nil }
    return NodeProblem(
      .evicted, "it was moved off its machine: \(KubeFailure.oneLine(pod.status?.message ?? "no reason is given"))",
      remedy: "keep other pods off the machine, or plan with more memory for what else runs there")
  }

  /// What a pod waits for; nil where it is on its way.
  static func waiting(_ pod: PodObject) -> NodeProblem? {
    if let scheduled = pod.condition("PodScheduled"), scheduled.status == "False" {
      return unscheduled(KubeFailure.oneLine(scheduled.message ?? scheduled.reason ?? ""))
    }
    if let waiting = pod.server?.state?.waiting, waiting.reason == "ErrImagePull" { return image(waiting.message) }
    // Its container runs and is well as far as anybody knows; it is the machine that is not heard of.
    if pod.condition("Ready")?.status != "True", pod.server?.ready == true, let machine = pod.spec?.nodeName {
      return NodeProblem(
        .lost, "its machine \(machine) cannot be reached",
        remedy: "wait until the cluster replaces it, or see what is wrong with: kubectl describe node \(machine)")
    }
    return nil
  }

  /// Reasons of the scheduler, one for each machine that it tried.
  private static func unscheduled(_ message: String) -> NodeProblem {
    func has(_ words: String...) -> Bool { words.contains { message.contains($0) } }
    let remedy =
      if has("didn't match node selector", "didn't match Pod's node affinity", "node(s) didn't match") {
        "add machines of the plan's type to the cluster, or plan with the types that it has "
          + "(kubectl get nodes -L node.kubernetes.io/instance-type)"
      } else if has("Insufficient memory") {
        "add machines, or stop what else asks for memory on them (kubectl describe nodes)"
      } else if has("Insufficient cpu", "Too many pods") {
        "add machines, or stop what else runs on them (kubectl describe nodes)"
      } else if has("taint") {
        "accept the machines' taints with --toleration, or take them away"
      } else if has("persistentvolumeclaim") {
        "make the volume's claim first (kubectl get pvc)"
      } else {
        "see why with: kubectl describe pods"
      }
    return NodeProblem(
      .noCapacity, "no machine takes it: \(message.isEmpty ? "no reason is given" : message)", remedy: remedy)
  }

  private static func image(_ message: String?) -> NodeProblem {
    NodeProblem(
      .image, "its image cannot be had: \(KubeFailure.oneLine(message ?? "no reason is given"))",
      remedy:
        "check the image's name, whether it was pushed, and the credentials (imagePullSecrets, the machine's role)")
  }

  /// Why a pod has failed; nil where it has not.
  static func failure(_ pod: PodObject) -> NodeProblem? {
    if pod.status?.phase == "Failed", pod.status?.reason == "Evicted" { return evicted([pod]) }
    guard let server = pod.server else { return nil }
    if let waiting = server.state?.waiting {
      switch waiting.reason {
      case "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError":
        return image(waiting.message)
      case "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
        return NodeProblem(
          .notReady, "its container cannot be made: \(KubeFailure.oneLine(waiting.message ?? ""))",
          remedy: "see why with: kubectl describe pod \(pod.metadata.name ?? "")")
      default: break
      }
    }
    // One that runs and has been ready again is not what failed.
    let isBack = server.state?.running != nil && server.started == true
    guard let end = server.state?.terminated ?? (isBack ? nil : server.lastState?.terminated) else { return nil }
    return ended(end, of: pod, restarts: server.restartCount ?? 0)
  }

  private static func ended(
    _ end: PodObject.Status.Container.State.Terminated, of pod: PodObject, restarts: Int
  ) -> NodeProblem {
    let said = logEnd(end.message)
    if end.reason == "OOMKilled" {
      return NodeProblem(
        .outOfMemory, "it was ended for lack of memory; the plan's figure is too small for its models",
        remedy: "measure the models' memory with: planner profile, and plan again; " + said)
    }
    let how = end.signal.map { $0 == 0 ? nil : "signal \($0)" } ?? nil
    let status = how ?? "exit code \(end.exitCode ?? -1)"
    let again = restarts > 0 ? ", \(restarts) times by now" : ""
    if wasReady(pod, before: end) {
      return NodeProblem(.crashed, "the server ended unexpectedly (\(status)\(again))", remedy: said)
    }
    return NodeProblem(.notReady, "the server ended before it was ready (\(status)\(again))", remedy: said)
  }

  /// A pod that has never been ready has been "not ready" since before its container started.
  private static func wasReady(_ pod: PodObject, before end: PodObject.Status.Container.State.Terminated) -> Bool {
    guard let change = pod.condition("Ready")?.lastTransitionTime.flatMap(KubeTime.seconds),
      let start = end.startedAt.flatMap(KubeTime.seconds)
    else { return false }
    return change > start
  }

  private static func logEnd(_ message: String?) -> String {
    let lines = (message ?? "").split(separator: "\n").suffix(12).map { KubeFailure.oneLine(String($0)) }
    return lines.isEmpty
      ? "read on in its log" : "the end of its log:\n  " + lines.joined(separator: "\n  ")
  }
}
