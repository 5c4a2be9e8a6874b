import Dispatch
import Engine
import Foundation
import PlannerCore
import Serving
import Synchronization
import Testing
import Tokenizer

/// Models that answer with their input; loads end, or fail, when the test says so.
final class TestSource: ModelSource {
  struct State {
    var names: [String]
    var versions: [String: String] = [:]
    var bytes: [String: Int64] = [:]
    var failing: Set<String> = []
    var loads: [String] = []
  }

  let state: Mutex<State>
  private let turn: DispatchSemaphore?

  /// - Parameter holdsLoads: each load waits for `finishLoad`.
  init(_ names: [String], holdsLoads: Bool = false) {
    state = Mutex(State(names: names))
    turn = holdsLoads ? DispatchSemaphore(value: 0) : nil
  }

  var loads: [String] { state.withLock { $0.loads } }
  func finishLoad() { turn?.signal() }

  /// A held load keeps the thread that would read the manifest.
  var isUnchanged: Bool { turn != nil }

  func manifest() throws -> RepositoryManifest {
    RepositoryManifest(
      seed: nil, vocabularyFile: nil, lowercases: true,
      models: state.withLock { $0.names }.map { name in
        RepositoryManifest.Model(
          name: name, file: name, architecture: "test", precision: .fp32, vocabulary: 1, maxTokens: 1, inputs: ["x"],
          fileBytes: 10)
      })
  }

  func tokenizer(of manifest: RepositoryManifest) throws -> WordPieceTokenizer? { nil }

  func load(_ description: RepositoryManifest.Model, isAsked: Bool) throws -> ServedModel {
    let isFailing = state.withLock { state in
      state.loads.append(description.name)
      return state.failing.contains(description.name)
    }
    turn?.wait()
    if isFailing { throw EngineError(.badModel, description.file, "is broken") }
    return ServedModel(
      name: description.name, session: Echo(), precision: .fp32, vocabulary: 1, maxTokens: 1, inputs: ["x"],
      weightBytes: 10)
  }

  func memoryBytes(of description: RepositoryManifest.Model) -> Int64 {
    state.withLock { $0.bytes[description.name] } ?? 10
  }
  func version(of description: RepositoryManifest.Model) -> String {
    state.withLock { $0.versions[description.name] } ?? "1"
  }

  private struct Echo: InferenceSession {
    func infer(_ inputs: [HostTensor]) throws(EngineError) -> [HostTensor] { inputs }
  }
}

@Suite struct ModelRegistryTests {
  static func registry(
    _ source: TestSource, budget: Int64? = nil, maxWaiting: Int? = nil, threads: Int = 1
  ) -> ModelRegistry {
    ModelRegistry(
      source: source,
      options: .init(
        residency: ResidencyPolicy(budgetBytes: budget, maxWaiting: maxWaiting), loadThreads: threads))
  }

  private static func wait(until condition: @Sendable () -> Bool) async throws {
    for _ in 0..<60_000 {
      if condition() { return }
      try await Task.sleep(for: .milliseconds(2))
    }
    Issue.record("waited in vain")
  }

  @Test func withoutABudgetAllAreLoadedAtTheStart() async throws {
    let source = TestSource(["a", "b", "c"])
    let registry = Self.registry(source, threads: 2)
    defer { registry.stop() }
    try await registry.open(isTolerant: false)
    #expect(registry.entries.map(\.name) == ["a", "b", "c"])
    #expect(registry.entries.allSatisfy { $0.state == .ready && $0.isResident })
    let lease = try await registry.acquire("b")
    #expect(lease.loadSeconds == nil && lease.entry.name == "b")
    await #expect(throws: RegistryError.unknownModel("d")) { try await registry.acquire("d") }
    #expect(source.loads.sorted() == ["a", "b", "c"])
  }

  @Test func underABudgetModelsComeAndGoAndTheirCountersStay() async throws {
    let source = TestSource(["a", "b", "c"])
    let registry = Self.registry(source, budget: 20)
    defer { registry.stop() }
    try await registry.open(isTolerant: false)
    #expect(registry.entries.map(\.isResident) == [true, true, false])
    // All can be asked: what is not in memory is loaded.
    #expect(registry.entries.allSatisfy { $0.state == .ready })
    for name in ["a", "c", "b", "a", "c"] {
      let lease = try await registry.acquire(name)
      lease.entry.note { $0.failed(after: Nanoseconds(seconds: 0.5)) }
      #expect(registry.totals.residentBytes <= 20 && lease.entry.isResident)
      lease.release()
      lease.release()
    }
    #expect(registry.entries.map(\.record.failure.count) == [2, 1, 2])
    let totals = registry.totals
    // What is loaded at the start is no request's miss.
    #expect(totals.hits + totals.misses == 5 && totals.evictions == totals.loads - 2)
    #expect(totals.misses == totals.loads - 2 && totals.loads > 2)
  }

  @Test func oneLoadServesAllAndTooManyAreRefused() async throws {
    let source = TestSource(["a", "b"], holdsLoads: true)
    let registry = Self.registry(source, budget: 10, maxWaiting: 2)
    let opening = Task { try await registry.open(isTolerant: false) }
    source.finishLoad()
    try await opening.value
    defer {
      source.finishLoad()
      registry.stop()
    }
    let waiting = (0..<2).map { _ in Task { try await registry.acquire("b") } }
    try await Self.wait { registry.totals.waitingRequests == 2 && source.loads.count == 2 }
    await #expect(throws: RegistryError.tooManyWaiting(retryAfterSeconds: 1)) { try await registry.acquire("b") }
    source.finishLoad()
    for task in waiting {
      let lease = try await task.value
      #expect(lease.loadSeconds != nil)
    }
    #expect(source.loads == ["a", "b"])
  }

  /// One model has the whole budget; requests for two others wait, and the clients of both go.
  @Test func aLoadThatNobodyWaitsForDoesNotStartAndOneUnderWayGoesOn() async throws {
    let source = TestSource(["a", "b", "c"], holdsLoads: true)
    let registry = Self.registry(source, budget: 10, maxWaiting: 2)
    let opening = Task { try await registry.open(isTolerant: false) }
    source.finishLoad()
    try await opening.value
    defer { registry.stop() }
    let loading = Task { try await registry.acquire("b") }
    try await Self.wait { source.loads == ["a", "b"] }
    let queued = Task { try await registry.acquire("c") }
    try await Self.wait { registry.totals.waitingRequests == 2 }
    await #expect(throws: RegistryError.tooManyWaiting(retryAfterSeconds: 1)) { try await registry.acquire("a") }
    queued.cancel()
    await #expect(throws: CancellationError.self) { try await queued.value }
    #expect(registry.totals.waitingRequests == 1)
    // The load goes on, and neither is waited for.
    loading.cancel()
    await #expect(throws: CancellationError.self) { try await loading.value }
    #expect(registry.totals.waitingRequests == 0 && registry.totals.loadsUnderWay == 1)
    source.finishLoad()
    try await Self.wait { registry.totals.loadsUnderWay == 0 }
    #expect(registry.totals.misses == 0 && source.loads == ["a", "b"])
    let hit = try await registry.acquire("b")
    #expect(hit.loadSeconds == nil)
    hit.release()
    source.finishLoad()
    #expect(try await registry.acquire("c").entry.name == "c")
    #expect(source.loads == ["a", "b", "c"])
  }

  @Test func aClientThatHasGoneBeforeAsksForNoLoad() async throws {
    let source = TestSource(["a", "b"])
    let registry = Self.registry(source, budget: 10)
    defer { registry.stop() }
    try await registry.open(isTolerant: false)
    let gone = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      return try await registry.acquire("b")
    }
    await #expect(throws: CancellationError.self) { try await gone.value }
    #expect(source.loads == ["a"] && registry.totals.waitingRequests == 0)
  }

  /// The limit is on requests: start-up and operators load as many as they like.
  @Test func startUpIsNoCrowd() async throws {
    let source = TestSource((0..<9).map { "m\($0)" })
    let registry = Self.registry(source, maxWaiting: 0, threads: 2)
    defer { registry.stop() }
    try await registry.open(isTolerant: false)
    #expect(registry.entries.filter(\.isResident).count == 9)
    #expect(registry.totals.misses == 0 && registry.totals.hits == 0 && registry.totals.loads == 9)
    try await registry.unload("m3")
    try await registry.load("m3")
    #expect(registry.entry(named: "m3")?.isResident == true && registry.totals.misses == 0)
  }

  @Test func aRequestThatWaitsTooLongForItsModelIsGivenUp() async throws {
    let source = TestSource(["a", "b"], holdsLoads: true)
    let registry = Self.registry(source, budget: 10)
    let opening = Task { try await registry.open(isTolerant: false) }
    source.finishLoad()
    try await opening.value
    // No worker and no load ends it: the alarm does.
    await #expect(throws: RegistryError.deadlinePassed) { try await registry.acquire("b", timeoutSeconds: 0.02) }
    source.finishLoad()
    registry.stop()
  }

  @Test func unloadingWaitsForThoseWhoUseIt() async throws {
    let source = TestSource(["a", "b"])
    let registry = Self.registry(source)
    defer { registry.stop() }
    try await registry.open(isTolerant: false)
    let lease = try await registry.acquire("a")
    let unloading = Task { try await registry.unload("a") }
    try await Self.wait { registry.entry(named: "a")?.state == .unloading }
    await #expect(throws: RegistryError.self) { try await registry.acquire("a") }
    #expect(registry.entry(named: "a")?.isResident == true)
    lease.release()
    try await unloading.value
    #expect(registry.entry(named: "a")?.isResident == false)
    #expect(registry.entry(named: "a")?.state == .unavailable(reason: "it was unloaded"))
    // Unloading twice is no error; loading brings it back.
    try await registry.unload("a")
    try await registry.load("a")
    #expect(registry.entry(named: "a")?.state == .ready)
    _ = try await registry.acquire("a")
    await #expect(throws: RegistryError.unknownModel("x")) { try await registry.unload("x") }
  }

  @Test func aModelThatIsBeingUnloadedCanBeLoadedAgain() async throws {
    let source = TestSource(["a"])
    let registry = Self.registry(source)
    defer { registry.stop() }
    try await registry.open(isTolerant: false)
    let lease = try await registry.acquire("a")
    let unloading = Task { try await registry.unload("a") }
    try await Self.wait { registry.entry(named: "a")?.state == .unloading }
    try await registry.load("a")
    try await unloading.value
    #expect(registry.entry(named: "a")?.state == .ready && source.loads == ["a"])
    lease.release()
    #expect(try await registry.acquire("a").model === lease.model)
  }

  /// Loaded, unloaded and loaded again before the first load has ended: all three return.
  @Test func whoUnloadsWhatIsLoadedAgainDoesNotWaitForEver() async throws {
    let source = TestSource(["a"], holdsLoads: true)
    let registry = Self.registry(source)
    let opening = Task { try await registry.open(isTolerant: true) }
    try await Self.wait { source.loads.count == 1 }
    let unloading = Task { try await registry.unload("a") }
    try await Self.wait { registry.entry(named: "a")?.state == .unloading }
    let loading = Task { try await registry.load("a") }
    try await unloading.value
    source.finishLoad()
    source.finishLoad()
    try await loading.value
    try await opening.value
    #expect(registry.entry(named: "a")?.state == .ready && registry.entry(named: "a")?.isResident == true)
    registry.stop()
  }

  /// A file that is replaced by a larger one takes the room of models that no request uses.
  @Test func aModelsNewSizeCounts() async throws {
    let source = TestSource(["a", "b", "c"])
    let registry = Self.registry(source, budget: 30)
    defer { registry.stop() }
    try await registry.open(isTolerant: false)
    #expect(registry.totals.residentBytes == 30)
    source.state.withLock { state in
      state.versions["a"] = "2"
      state.bytes["a"] = 25
    }
    try await registry.load("a")
    #expect(registry.totals.residentBytes == 25 && registry.totals.evictions == 2)
    source.state.withLock { state in
      state.versions["a"] = "3"
      state.bytes["a"] = 31
    }
    await #expect(throws: RegistryError.self) { try await registry.load("a") }
    try await registry.acquire("a").release()
    #expect(registry.totals.residentBytes == 25)
    // One that is loaded by its request, too.
    source.state.withLock { $0.bytes["b"] = 15 }
    try await registry.acquire("b").release()
    #expect(registry.totals.residentBytes == 15)
  }

  @Test func loadingFindsNewModelsAndNewFiles() async throws {
    let source = TestSource(["a"])
    let registry = Self.registry(source)
    defer { registry.stop() }
    try await registry.open(isTolerant: false)
    source.state.withLock { $0.names = ["a", "b"] }
    try await registry.load("b")
    #expect(registry.entries.map(\.name) == ["a", "b"])
    _ = try await registry.acquire("b")
    // The same file: nothing to do. Another one: requests under way keep the old model.
    try await registry.load("a")
    let old = try await registry.acquire("a")
    source.state.withLock { $0.versions["a"] = "2" }
    try await registry.load("a")
    let new = try await registry.acquire("a")
    #expect(old.model !== new.model && source.loads == ["a", "b", "a"])
    await #expect(throws: RegistryError.unknownModel("c")) { try await registry.load("c") }
  }

  @Test func aBadModelEndsTheStartOrIsLeftOut() async throws {
    let source = TestSource((0..<20).map { "m\($0)" })
    source.state.withLock { $0.failing = ["m3", "m11"] }
    let strict = Self.registry(source)
    defer { strict.stop() }
    let error = await #expect(throws: EngineError.self) { try await strict.open(isTolerant: false) }
    #expect(error?.subject == "m3")
    #expect(source.loads.count < 20)
    let tolerant = Self.registry(source)
    defer { tolerant.stop() }
    try await tolerant.open(isTolerant: true)
    #expect(tolerant.entry(named: "m3")?.state == .unavailable(reason: "m3: is broken"))
    #expect(tolerant.entries.count { $0.state == .ready } == 18)
    await #expect(throws: RegistryError.unavailable(model: "m3", reason: "m3: is broken")) {
      try await tolerant.acquire("m3")
    }
    // Mended, and asked for by name.
    source.state.withLock { $0.failing = [] }
    try await tolerant.load("m3")
    #expect(tolerant.entry(named: "m3")?.state == .ready)
  }
}
