import Executor
import Testing

/// What a rollout would change.
@Suite struct DeploymentDiffTests {
  private static let settings = NodeSettings(
    repository: "models", models: ["a", "b"], workers: 2, threadsPerWorker: 1, warmTokens: [16],
    environment: ["A": "1", "B": "2"], memoryBytes: 1 << 30, instanceType: "c7g.4xlarge", extraArguments: ["--x"],
    image: "server:1")

  private static func replica(
    _ index: Int, _ settings: NodeSettings = Self.settings,
    _ phase: ReplicaPhase = .ready(NodeAddress(host: "h", port: 1))
  ) -> ObservedReplica {
    ObservedReplica(id: ReplicaID(NodeID(index: index), settings), settings: settings, phase: phase, handle: "x")
  }

  private static func diff(_ observed: [ObservedReplica], _ desired: [NodeSettings]) -> DeploymentDiff {
    let id = DeploymentID("shop")!
    return DeploymentDiff(
      from: ObservedDeployment(id: id, replicas: observed), to: DesiredDeployment(id, settings: desired))
  }

  @Test func nodesAreAddedChangedRemovedStartedAgainAndLeftAlone() {
    var other = Self.settings
    other.models = ["b", "c"]
    let problem = NodeProblem(.crashed, "it ended", remedy: "read on")
    let diff = Self.diff(
      [Self.replica(0), Self.replica(1), Self.replica(2, Self.settings, .failed(problem)), Self.replica(4)],
      [Self.settings, other, Self.settings, Self.settings])
    #expect(diff.nodes.map(\.change) == [.unchanged, .changed, .restarted, .added, .removed])
    #expect(diff.nodes.map(\.id.text) == ["node-0", "node-1", "node-2", "node-3", "node-4"])
    #expect(diff.nodes[1].modelsAdded == ["c"] && diff.nodes[1].modelsRemoved == ["a"])
    #expect(diff.nodes[1].differences.isEmpty && !diff.isEmpty)
    #expect(Self.diff([Self.replica(0)], [Self.settings]).isEmpty && Self.diff([], []).isEmpty)
    #expect(Self.diff([Self.replica(0, Self.settings, .starting(nil))], [Self.settings]).isEmpty)
  }

  /// Every setting that makes another revision of a node is named.
  @Test func everySettingIsNamed() {
    let changes: [(String, (inout NodeSettings) -> Void)] = [
      ("repository", { $0.repository = "others" }), ("models", { $0.models = [] }), ("models", { $0.models.reverse() }),
      ("workers", { $0.workers = 3 }),
      ("threadsPerWorker", { $0.threadsPerWorker = 2 }), ("warmTokens", { $0.warmTokens = [16, 128] }),
      ("environment.A", { $0.environment["A"] = nil }), ("environment.C", { $0.environment["C"] = "3" }),
      ("memoryBytes", { $0.memoryBytes = nil }), ("instanceType", { $0.instanceType = nil }),
      ("extraArguments", { $0.extraArguments = [] }), ("image", { $0.image = "server:2" }),
    ]
    for (name, change) in changes {
      var other = Self.settings
      change(&other)
      #expect(Self.diff([Self.replica(0)], [other]).nodes[0].differences.map(\.name) == [name])
      #expect(Self.diff([Self.replica(0, other)], [Self.settings]).nodes[0].differences.map(\.name) == [name])
    }
    let named = Set(changes.map { String($0.0.prefix { $0 != "." }) })
    #expect(named == Set(Mirror(reflecting: Self.settings).children.compactMap(\.label)))
  }

  /// While a node changes, its new replica may be there already: what is left to do is that the old one goes.
  @Test func aRolloutThatWasCutOffStillChangesTheNode() {
    var old = Self.settings
    old.workers = 1
    let diff = Self.diff([Self.replica(0, old), Self.replica(0, Self.settings, .starting(nil))], [Self.settings])
    #expect(diff.nodes.count == 1 && diff.nodes[0].change == .changed)
    #expect(diff.nodes[0].differences == [.init(name: "workers", before: "1", after: "2")])
  }
}
