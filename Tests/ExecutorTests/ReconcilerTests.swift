import Executor
import Testing

@Suite struct ReconcilerTests {
  static let deployment = DeploymentID("shop")!

  static func settings(_ models: [String], _ revision: Int = 0) -> NodeSettings {
    NodeSettings(repository: "r", models: models, workers: 1 + revision, threadsPerWorker: 1)
  }

  static func node(_ index: Int, _ models: [String], _ revision: Int = 0) -> DesiredNode {
    DesiredNode(NodeID(index: index), settings(models, revision))
  }

  static func desired(_ nodes: DesiredNode...) -> DesiredDeployment { DesiredDeployment(deployment, nodes: nodes) }

  static let ready = ReplicaPhase.ready(NodeAddress(host: "h", port: 1))
  static let failed = ReplicaPhase.failed(NodeProblem(.crashed, "it ended", remedy: "start it again"))

  static func observed(_ found: (DesiredNode, ReplicaPhase)...) -> ObservedDeployment {
    ObservedDeployment(
      id: deployment,
      replicas: found.map { ObservedReplica(id: $0.replica, settings: $0.settings, phase: $1, handle: "h") })
  }

  private func changes(
    _ observed: ObservedDeployment, _ desired: DesiredDeployment, surplus: Int = 0
  ) -> [Change] {
    Reconciler.changes(from: observed, to: desired, surplusAllowed: surplus)
  }

  @Test func startsEverythingWhereThereIsNothing() {
    let (a, b) = (Self.node(0, ["a"]), Self.node(1, ["b"]))
    #expect(changes(Self.observed(), Self.desired(a, b)) == [.start(a), .start(b)])
    #expect(changes(Self.observed((a, .starting(nil)), (b, Self.ready)), Self.desired(a, b)) == [])
    let reconciler = Reconciler(Self.desired(a, b), startingFrom: Self.observed(), surplusAllowed: 0)
    #expect(!reconciler.isSettled(Self.observed((a, .starting(nil)), (b, Self.ready))))
    #expect(reconciler.isSettled(Self.observed((a, Self.ready), (b, Self.ready))))
  }

  @Test func whatIsPendingOrFailedIsStartedAgain() {
    let (a, b) = (Self.node(0, ["a"]), Self.node(1, ["b"]))
    let found = Self.observed((a, .pending), (b, Self.failed))
    #expect(changes(found, Self.desired(a, b)) == [.start(a), .start(b)])
  }

  @Test func theNewReplicaIsReadyBeforeTheOldGoes() {
    let (old, new) = (Self.node(0, ["a"]), Self.node(0, ["a"], 1))
    let wanted = Self.desired(new)
    let reconciler = Reconciler(wanted, startingFrom: Self.observed((old, Self.ready)), surplusAllowed: 1)
    #expect(reconciler.changes(Self.observed((old, Self.ready))) == [.start(new)])
    #expect(reconciler.changes(Self.observed((old, Self.ready), (new, .starting(nil)))) == [])
    #expect(reconciler.changes(Self.observed((old, Self.ready), (new, Self.ready))) == [.stop(old.replica)])
    #expect(reconciler.changes(Self.observed((old, .stopping), (new, Self.ready))) == [])
    #expect(!reconciler.isSettled(Self.observed((old, .stopping), (new, Self.ready))))
  }

  @Test func withoutSurplusOneNodeGoesFirst() {
    let (a, b) = (Self.node(0, ["a"]), Self.node(1, ["a"]))
    let (newA, newB) = (Self.node(0, ["a"], 1), Self.node(1, ["a"], 1))
    let reconciler = Reconciler(
      Self.desired(newA, newB), startingFrom: Self.observed((a, Self.ready), (b, Self.ready)), surplusAllowed: 0)
    // One of two: the model stays answered.
    #expect(reconciler.changes(Self.observed((a, Self.ready), (b, Self.ready))) == [.stop(a.replica)])
    #expect(reconciler.changes(Self.observed((a, .stopping), (b, Self.ready))) == [])
    #expect(reconciler.changes(Self.observed((b, Self.ready))) == [.start(newA)])
    #expect(reconciler.changes(Self.observed((newA, .starting(nil)), (b, Self.ready))) == [])
    #expect(reconciler.changes(Self.observed((newA, Self.ready), (b, Self.ready))) == [.stop(b.replica)])
  }

  @Test func ofTwoThatMayNotGoTheLessMissedGoes() {
    let (only, oneOfTwo, other) = (Self.node(0, ["a"]), Self.node(1, ["b"]), Self.node(2, ["b"]))
    let wanted = Self.desired(Self.node(0, ["a"], 1), Self.node(1, ["b"], 1), Self.node(2, ["b"], 1))
    let found = Self.observed((only, Self.ready), (oneOfTwo, Self.ready), (other, Self.ready))
    #expect(changes(found, wanted) == [.stop(oneOfTwo.replica)])
  }

  @Test func aFleetThatShrinksKeepsItsSizeUntilTheNewNodesAreReady() {
    let olds = (0..<3).map { Self.node($0, ["m\($0)"]) }
    let new = Self.node(0, ["m0", "m1", "m2"], 1)
    let found = Self.observed((olds[0], Self.ready), (olds[1], Self.ready), (olds[2], Self.ready))
    let reconciler = Reconciler(Self.desired(new), startingFrom: found, surplusAllowed: 1)
    #expect(reconciler.nodeLimit == 4)
    #expect(reconciler.changes(found) == [.start(new)])
    let both = Self.observed(
      (olds[0], Self.ready), (olds[1], Self.ready), (olds[2], Self.ready), (new, Self.ready))
    #expect(reconciler.changes(both) == olds.map { .stop($0.replica) })
  }

  @Test func capacityIsKeptAndNotOnlyAnAnswer() {
    // Four nodes of one model: one new one that is ready is no reason to stop four.
    let olds = (0..<4).map { Self.node($0, ["a"]) }
    let news = (0..<4).map { Self.node($0, ["a"], 1) }
    let wanted = DesiredDeployment(Self.deployment, nodes: news)
    let four = Self.observed((olds[0], Self.ready), (olds[1], Self.ready), (olds[2], Self.ready), (olds[3], Self.ready))
    let reconciler = Reconciler(wanted, startingFrom: four, surplusAllowed: 1)
    #expect(reconciler.changes(four) == [.start(news[0])])
    var five = four
    five.replicas.append(
      ObservedReplica(id: news[0].replica, settings: news[0].settings, phase: Self.ready, handle: "h"))
    #expect(reconciler.changes(five) == [.stop(olds[0].replica)])
  }

  @Test func aModelThatGetsMoreReplicasHoldsNothingUp() {
    // One node had it, three shall: the old one goes when the first new one is ready.
    let old = Self.node(0, ["a"])
    let news = (0..<3).map { Self.node($0, ["a"], 1) }
    let wanted = DesiredDeployment(Self.deployment, nodes: news)
    let reconciler = Reconciler(wanted, startingFrom: Self.observed((old, Self.ready)), surplusAllowed: 0)
    let found = Self.observed((old, Self.ready), (news[0], Self.ready), (news[1], .starting(nil)))
    #expect(reconciler.changes(found) == [.stop(old.replica)])
  }

  @Test func thoseAreStartedFirstThatLetAnOldOneGo() {
    let (a, b) = (Self.node(0, ["a", "x"]), Self.node(1, ["b"]))
    let (newA, newX, newB) = (Self.node(2, ["a"], 1), Self.node(3, ["x"], 1), Self.node(4, ["b"], 1))
    let found = Self.observed((a, Self.ready), (b, Self.ready))
    let reconciler = Reconciler(Self.desired(newA, newX, newB), startingFrom: found, surplusAllowed: 0)
    #expect(reconciler.nodeLimit == 3)
    #expect(reconciler.changes(found) == [.start(newB)])
  }

  @Test func whatAnswersNothingGoesAtOnce() {
    let (a, b, c) = (Self.node(0, ["a"]), Self.node(1, ["b"]), Self.node(2, ["c"]))
    let found = Self.observed((a, .starting(nil)), (b, Self.failed), (c, Self.ready))
    #expect(changes(found, Self.desired(c)) == [.stop(a.replica), .stop(b.replica)])
  }

  @Test func modelsThatAreNoLongerWantedHoldNothingUp() {
    let (a, b) = (Self.node(0, ["a"]), Self.node(1, ["gone"]))
    #expect(changes(Self.observed((a, Self.ready), (b, Self.ready)), Self.desired(a)) == [.stop(b.replica)])
    #expect(changes(Self.observed((a, Self.ready)), Self.desired()) == [.stop(a.replica)])
  }

  @Test func labelsAreSafeEverywhere() {
    for bad in ["", "A", "a_b", "-a", "a-", "1a", "a/b", "a b", "ä", "a\nb", String(repeating: "a", count: 41)] {
      #expect(DeploymentID(bad) == nil && NodeID(bad) == nil, "\(bad)")
    }
    #expect(DeploymentID("a-1")?.text == "a-1")
    #expect(DeploymentID(naming: "Bert & Söhne", at: "2026-11-27").text == "bert-s-hne-2026-11-27")
    #expect(DeploymentID(naming: "../../etc", at: "1").text == "etc-1")
    #expect(DeploymentID(naming: "", at: "1").text == "run-1" && DeploymentID(naming: "7", at: "1").text == "run-7-1")
    let long = DeploymentID(naming: String(repeating: "x", count: 100), at: "2026-11-27-101500")
    #expect(long.text.count == 40 && long.text.hasSuffix("-2026-11-27-101500") && DeploymentID(long.text) == long)
  }

  @Test func revisionsFollowTheSettings() {
    let settings = Self.settings(["a"])
    #expect(settings.revision == Self.settings(["a"]).revision && settings.revision.count == 10)
    var changed: [NodeSettings] = Array(repeating: settings, count: 8)
    changed[0].repository = "s"
    changed[1].models = ["b"]
    changed[2].workers = 7
    changed[3].threadsPerWorker = 7
    changed[4].warmTokens = [7]
    changed[5].environment = ["A": "B"]
    changed[6].memoryBytes = 7
    changed[7].instanceType = "t"
    #expect(Set(changed.map(\.revision)).union([settings.revision]).count == 9)
    // Written down so that a release that would restart every running node by another hash is noticed.
    #expect(settings.revision == Self.knownRevision)
  }

  static let knownRevision = "3018d883e5"
}
