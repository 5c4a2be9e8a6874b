import Executor
import Foundation
import KubernetesRuntime
import Testing

/// What a cluster's objects mean, from objects as clusters write them.
@Suite struct ReplicaReadingTests {
  private static let settings = NodeSettings(
    repository: "/models", models: ["a", "b c"], workers: 1, threadsPerWorker: 1)

  /// A Deployment as the program applies it, read back with what a cluster adds.
  private static func deployment(status: String = "{}", deleted: Bool = false) throws -> DeploymentObject {
    let desired = DesiredDeployment(DeploymentID("shop")!, nodes: [DesiredNode(NodeID(index: 0), settings)])
    let manifest = try #require(try DeploymentManifests(desired, usual()).objects("Deployment").first)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let json = String(decoding: try encoder.encode(manifest), as: UTF8.self)
    let more = #"{"status":\#(status),"metadata":{"#
    return try decoded(
      more + (deleted ? #""deletionTimestamp":"2026-01-01T00:00:00Z","# : "")
        + json.dropFirst(json.distance(from: json.startIndex, to: json.range(of: "\"metadata\":{")!.upperBound))
        .description)
  }

  private static func service() throws -> ServiceObject {
    try decoded(
      #"{"metadata":{"name":"shop-0","labels":{"planner/node":"node-0"}},"#
        + #""spec":{"selector":{"planner/slot":"shop-0"}}}"#
    )
  }

  /// A pod of it; times are those of its container's start and of the change of its readiness.
  private static func pod(
    _ name: String = "shop-0-x", phase: String = "Running", conditions: String = "", container: String = "",
    more: String = "", created: String = "2026-01-01T00:00:00Z", deleted: Bool = false
  ) throws -> PodObject {
    let revision = settings.revision
    let gone = deleted ? #","deletionTimestamp":"2026-01-01T00:01:00Z""# : ""
    let status = container.isEmpty ? "" : #","containerStatuses":[{"name":"model-server",\#(container)}]"#
    return try decoded(
      #"{"metadata":{"name":"\#(name)","creationTimestamp":"\#(created)"\#(gone),"labels":{"planner/slot":"shop-0","#
        + #""planner/revision":"\#(revision)"}},"spec":{"nodeName":"machine-1","containers":[]},"#
        + #""status":{"phase":"\#(phase)""#
        + #","conditions":[\#(conditions)]\#(status)\#(more)}}"#)
  }

  private static func phase(
    _ pods: [PodObject], status: String = "{}", deleted: Bool = false, hasService: Bool = true
  ) throws -> ReplicaPhase? {
    let reading = DeploymentReading(
      deployments: [try deployment(status: status, deleted: deleted)], pods: pods,
      services: hasService ? [try service()] : [])
    return reading.replicas().first?.replica.phase
  }

  private static let notReady = #"{"type":"Ready","status":"False","lastTransitionTime":"2026-01-01T00:00:00Z"}"#

  @Test func settingsComeBackAsTheyWere() throws {
    let reading = DeploymentReading(deployments: [try Self.deployment()], pods: [], services: [try Self.service()])
    let replica = try #require(reading.replicas().first?.replica)
    #expect(replica.settings == Self.settings)
    #expect(replica.id == ReplicaID(NodeID(index: 0), Self.settings))
    #expect(replica.phase == .starting(nil) && replica.handle == "deployment shop-0")
  }

  @Test func aPodThatIsReadyAnswersAtItsAddress() throws {
    let ready = try Self.pod(
      conditions: #"{"type":"Ready","status":"True"}"#, container: #""ready":true,"started":true"#,
      more: #","podIP":"10.1.2.3""#)
    #expect(try Self.phase([ready]) == .ready(NodeAddress(host: "10.1.2.3", port: 8080)))
    // One before it that is going, or that has failed, is not it.
    let going = try Self.pod("shop-0-w", conditions: Self.notReady, deleted: true)
    #expect(try Self.phase([going, ready])?.isReady == true)
    #expect(try Self.phase([going]) == .starting(nil))
    #expect(try Self.phase([ready], deleted: true) == .stopping)
    #expect(try Self.phase([ready], hasService: false) == .pending)
  }

  /// Sentences of schedulers of 1.20 and of 1.30, and of kubelets.
  @Test(arguments: [
    (
      "0/4 nodes are available: 4 node(s) didn't match Pod's node affinity/selector. preemption: 0/4 nodes",
      "type"
    ),
    ("0/3 nodes are available: 3 node(s) didn't match node selector.", "type"),
    ("0/3 nodes are available: 3 Insufficient memory.", "memory"),
    ("0/3 nodes are available: 3 Insufficient cpu.", "what else runs"),
    ("0/1 nodes are available: 1 node(s) had taint {a: b}, that the pod didn't tolerate.", "toleration"),
    ("persistentvolumeclaim \"models\" not found", "claim"),
  ])
  func aPodThatFindsNoMachineSaysWhy(_ message: String, _ remedy: String) throws {
    let text = message.replacingOccurrences(of: "\"", with: "\\\"")
    let pod = try Self.pod(
      phase: "Pending",
      conditions: #"{"type":"PodScheduled","status":"False","reason":"Unschedulable","message":"\#(text)"}"#)
    guard case .starting(let problem?)? = try Self.phase([pod]) else {
      Issue.record("it is not waiting")
      return
    }
    #expect(problem.kind == .noCapacity && problem.message.contains(message) && problem.remedy.contains(remedy))
  }

  @Test func imagesThatCannotBeHadAreNamed() throws {
    func waiting(_ reason: String) throws -> ReplicaPhase? {
      try Self.phase([
        try Self.pod(
          phase: "Pending", conditions: Self.notReady,
          container: #""ready":false,"state":{"waiting":{"reason":"\#(reason)","message":"pull access denied"}}"#)
      ])
    }
    // The first failure may pass; the cluster's second pause says that it did not.
    guard case .starting(let first?)? = try waiting("ErrImagePull"),
      case .failed(let second)? = try waiting("ImagePullBackOff")
    else {
      Issue.record("it is on its way")
      return
    }
    #expect(first.kind == .image && second.kind == .image && second.message.contains("pull access denied"))
    #expect(try waiting("ContainerCreating") == .starting(nil))
  }

  private static func ended(_ terminated: String, ready: String = notReady, state: String = "lastState") throws
    -> ReplicaPhase?
  {
    try phase([
      try pod(
        conditions: ready,
        container: #""ready":false,"started":false,"restartCount":2,"\#(state)":{"terminated":{\#(terminated)}}"#)
    ])
  }

  @Test func endsAreToldApart() throws {
    let start = #""startedAt":"2026-01-01T00:00:05Z","finishedAt":"2026-01-01T00:00:09Z""#
    guard
      case .failed(let memory)? = try Self.ended(#""exitCode":137,"reason":"OOMKilled",\#(start)"#),
      case .failed(let early)? = try Self.ended(
        #""exitCode":69,"reason":"Error","message":"loading\nno such model: x\n",\#(start)"#),
      case .failed(let crash)? = try Self.ended(
        #""exitCode":139,"reason":"Error",\#(start)"#,
        ready: #"{"type":"Ready","status":"False","lastTransitionTime":"2026-01-01T00:00:09Z"}"#, state: "state")
    else {
      Issue.record("one of them has not failed")
      return
    }
    #expect(memory.kind == .outOfMemory)
    #expect(early.kind == .notReady && early.remedy.contains("no such model: x") && early.message.contains("69"))
    #expect(crash.kind == .crashed && crash.message.contains("ended unexpectedly"))
    // Back again and well: what was is over.
    let back = try Self.pod(
      conditions: Self.notReady,
      container:
        #""ready":false,"started":true,"state":{"running":{}},"lastState":{"terminated":{"exitCode":1,\#(start)}}"#)
    #expect(try Self.phase([back]) == .starting(nil))
  }

  @Test func machinesThatAreLostAndPodsThatWereMovedAreNamed() throws {
    let lost = try Self.pod(
      conditions: Self.notReady, container: #""ready":true,"started":true,"state":{"running":{}}"#)
    guard case .starting(let machine?)? = try Self.phase([lost]) else {
      Issue.record("it is on its way")
      return
    }
    #expect(machine.kind == .lost && machine.message.contains("machine-1"))
    let evicted = try Self.pod(
      phase: "Failed", more: #","reason":"Evicted","message":"The node was low on resource: memory.""#)
    guard case .failed(let alone)? = try Self.phase([evicted]) else {
      Issue.record("it has not failed")
      return
    }
    #expect(alone.kind == .evicted && alone.message.contains("low on resource"))
    // The one that replaces it is on its way, and why it had to come is said.
    let next = try Self.pod("shop-0-y", phase: "Pending", created: "2026-01-01T00:02:00Z")
    guard case .starting(let moved?)? = try Self.phase([evicted, next]) else {
      Issue.record("nothing is said")
      return
    }
    #expect(moved.kind == .evicted)
  }

  @Test func aQuotaThatIsUsedUpIsSaid() throws {
    let message = "pods \\\"x\\\" is forbidden: exceeded quota: team, requested: requests.memory=20Gi"
    guard
      case .starting(let problem?)? = try Self.phase(
        [],
        status:
          #"{"conditions":[{"type":"ReplicaFailure","status":"True","reason":"FailedCreate","message":"\#(message)"}]}"#
      )
    else {
      Issue.record("nothing is said")
      return
    }
    #expect(problem.kind == .noCapacity && problem.message.contains("exceeded quota: team"))
  }

  /// Whatever bears the labels and is none of this program's making is not taken for a replica.
  @Test func strangeObjectsAreLeftOut() throws {
    for json in [
      #"{"metadata":{}}"#,
      #"{"metadata":{"name":"x","labels":{"planner/node":"../x"},"annotations":{"planner/settings":"{}"}}}"#,
      #"{"metadata":{"name":"x","labels":{"planner/node":"node-0"},"annotations":{"planner/settings":"[]"}}}"#,
    ] {
      let reading = DeploymentReading(deployments: [try decoded(json)], pods: [], services: [])
      #expect(reading.replicas().isEmpty, "\(json)")
    }
  }

  /// What clusters say goes to terminals.
  @Test func controlCharactersOfAnswersAreNotRepeated() throws {
    let pod = try Self.pod(
      phase: "Pending",
      conditions: #"{"type":"PodScheduled","status":"False","message":"\u001b[2J\u0007bad\u009b31m"}"#)
    guard case .starting(let problem?)? = try Self.phase([pod]) else {
      Issue.record("nothing is said")
      return
    }
    #expect(problem.message.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7f...0x9f).contains($0.value) })
  }
}
