import Engine
import Foundation
import PlannerCore
import ServerContract
import Serving
import Synchronization

/// Forward passes of the bare engine, timed: what a profile is made of.
package struct ForwardMeasurement: Sendable {
  package var folder: String
  package var tokens: [Int]
  package var threads: [Int]
  package var concurrency: Int
  package var seconds: Double
  package var models: Int
  package var seed: UInt64
  /// CPUs of the measuring threads, in turn; empty leaves them to the system.
  package var cpus: [Int]
  /// Pass after pass on a thread, with warm caches, and no handing over between threads as a server has it.
  package var isBackToBack: Bool

  package init(
    folder: String, tokens: [Int], threads: [Int], concurrency: Int, seconds: Double, models: Int, seed: UInt64,
    cpus: [Int], isBackToBack: Bool = false
  ) {
    self.folder = folder
    self.tokens = tokens
    self.threads = threads
    self.concurrency = concurrency
    self.seconds = seconds
    self.models = models
    self.seed = seed
    self.cpus = cpus
    self.isBackToBack = isBackToBack
  }

  /// What loading cost, the same for all cells.
  private struct Loaded {
    var models: [ServedModel]
    /// What requests to each of them bring; nil where that is token ids.
    var tensors: [[TensorDeclaration]?]
    var loadSeconds: Double
    var firstRunSeconds: Double
    var memoryPerModelBytes: Int64
    var serverMemoryBytes: Int64
  }

  /// Measures every cell, one after the other, and hands each to `emit` when it is done.
  ///
  /// - Throws: `EngineError` or `FileError`.
  package func run(emit: (MeasuredCell) throws -> Void) async throws {
    let pools = threads.map { threads in
      WorkerPool(
        options: WorkerPool.Options(
          workers: concurrency, threadsPerWorker: threads, queueCapacity: nil, pinnedCPUs: threads == 1 ? cpus : []))
    }
    for pool in pools { try pool.start() }
    defer { for pool in pools { pool.stop() } }
    guard let first = pools.first else { return }
    let loaded = try await load(on: first)
    for (pool, threads) in zip(pools, threads) {
      for tokens in tokens {
        let samples = try await measure(loaded, tokens: tokens, on: pool)
        try emit(
          MeasuredCell(
            tokens: tokens, threads: threads, concurrency: concurrency, residentModels: loaded.models.count,
            samples: samples, loadSeconds: loaded.loadSeconds, firstRunSeconds: loaded.firstRunSeconds,
            memoryPerModelBytes: loaded.memoryPerModelBytes, serverMemoryBytes: loaded.serverMemoryBytes,
            weightBytes: loaded.models.first?.weightBytes ?? 0))
      }
    }
  }

  /// Loads and warms the models one by one.
  ///
  /// The first one brings the library's own pools and caches with it; what the others add is a model's memory.
  private func load(on pool: WorkerPool) async throws -> Loaded {
    let loader = RepositoryLoader(folder: folder)
    let entries = try loader.manifest().models
    let count = min(models, entries.count)
    let tensors = entries.prefix(count).map(\.requestTensors)
    let clock = ContinuousClock()
    var loadSeconds = 0.0
    var firstRunSeconds = 0.0
    var afterFirst: Int64 = 0
    let start = ProcessMemory.own.privateBytes ?? 0
    let lengths = [tokens.max() ?? 32, tokens.min() ?? 32]
    var all: [ServedModel] = []
    for index in 0..<count {
      let began = clock.now
      let model = try loader.loadModel(at: index)
      loadSeconds += (clock.now - began) / .seconds(1)
      let ran = clock.now
      for tokens in lengths {
        let inputs = Self.inputs(model, tensors[index], tokens: tokens, salt: index)
        _ = try await pool.infer(model.session, inputs)
      }
      firstRunSeconds += (clock.now - ran) / .seconds(1)
      all.append(model)
      if index == 0 { afterFirst = ProcessMemory.own.privateBytes ?? 0 }
    }
    let end = ProcessMemory.own.privateBytes ?? 0
    let perModel = count > 1 ? (end - afterFirst) / Int64(count - 1) : end - start
    return Loaded(
      models: all, tensors: tensors, loadSeconds: loadSeconds / Double(count),
      firstRunSeconds: firstRunSeconds / Double(count * lengths.count),
      memoryPerModelBytes: max(1, perModel), serverMemoryBytes: max(0, end - perModel * Int64(count)))
  }

  /// Passes for `seconds`, but at least 30 of them, each with a random model; the first few are not counted.
  private func measure(_ loaded: Loaded, tokens: Int, on pool: WorkerPool) async throws -> [Double] {
    let models = loaded.models
    let inputs = models.enumerated().map { Self.inputs($1, loaded.tensors[$0], tokens: tokens, salt: $0) }
    return try await withThrowingTaskGroup(of: [Double].self) { group in
      for worker in 0..<concurrency {
        group.addTask {
          let random = RandomStream(seed: seed, stream: "measure", index: UInt64(worker))
          guard !isBackToBack else {
            let loop = PassLoop(models: models, inputs: inputs, random: random, seconds: seconds)
            _ = try await pool.infer(loop, [])
            return loop.samples
          }
          for _ in 0..<3 { _ = try await pool.infer(models[0].session, inputs[0]) }
          var turns = Turns(random: random, models: models.count, seconds: seconds)
          var samples: [Double] = []
          while let index = turns.next() {
            samples.append(try await pool.infer(models[index].session, inputs[index]).timings.computeSeconds)
          }
          return samples
        }
      }
      var all: [Double] = []
      for try await samples in group { all += samples }
      return all
    }
  }

  /// One request: token ids, or what the manifest says that requests bring.
  private static func inputs(
    _ model: ServedModel, _ tensors: [TensorDeclaration]?, tokens: Int, salt: Int
  ) -> [HostTensor] {
    var random = RandomStream(seed: 1, stream: "measured tokens", index: UInt64(salt))
    if let tensors { return RequestTensors.row(of: model.inputs, tensors, size: tokens, .random, from: &random) }
    let range = vocabulary(of: model)
    let ids = (0..<tokens).map { _ in Int64(random.integer(below: range)) }
    return TokenInputs.row(ids, for: model.inputs)
  }

  /// Ids that the model answers to: those that manifest, vocabulary or embedding state, or else as many of these as it
  /// takes.
  private static func vocabulary(of model: ServedModel) -> Int {
    guard model.vocabulary == .max else { return min(model.vocabulary, 1_000_000) }
    let sizes = [1_000_000, 250_000, 119_547, 50_257, 30_522, 28_996, 10_000, 1_000, 100, 10]
    return sizes.first { size in
      (try? model.session.infer(TokenInputs.row([Int64(size - 1)], for: model.inputs))) != nil
    } ?? 1
  }
}

/// Whose pass is next: a random model's, for `seconds` from now on, but at least 30 times.
private struct Turns {
  private var random: RandomStream
  private let models: Int
  private let end: ContinuousClock.Instant
  private var taken = 0

  init(random: RandomStream, models: Int, seconds: Double) {
    self.random = random
    self.models = models
    end = ContinuousClock.now + .seconds(seconds)
  }

  mutating func next() -> Int? {
    guard taken < 30 || ContinuousClock.now < end else { return nil }
    taken += 1
    return random.integer(below: models)
  }
}

/// What looks to a worker like one request is a whole loop of passes.
private final class PassLoop: InferenceSession {
  private let models: [ServedModel]
  private let inputs: [[HostTensor]]
  private let random: RandomStream
  private let seconds: Double
  private let timed = Mutex<[Double]>([])

  init(models: [ServedModel], inputs: [[HostTensor]], random: RandomStream, seconds: Double) {
    self.models = models
    self.inputs = inputs
    self.random = random
    self.seconds = seconds
  }

  /// Seconds of each pass, once the loop has been run.
  var samples: [Double] { timed.withLock { $0 } }

  func infer(_: [HostTensor]) throws(EngineError) -> [HostTensor] {
    for _ in 0..<3 { _ = try models[0].session.infer(inputs[0]) }
    var turns = Turns(random: random, models: models.count, seconds: seconds)
    var samples: [Double] = []
    while let index = turns.next() {
      let began = ContinuousClock.now
      _ = try models[index].session.infer(inputs[index])
      samples.append((ContinuousClock.now - began) / .seconds(1))
    }
    timed.withLock { $0 = samples }
    return []
  }
}
