import Dispatch
import Engine
import EngineTools
import Foundation
import PlannerCore
import Serving
import Synchronization
import Testing

/// Rows of different lengths in one pass of the real engine.
@Suite struct BatchingTests {
  static func tensors(_ ids: [Int64]) -> [HostTensor] {
    [ids, ids.map { _ in 1 }, ids.map { _ in 0 }].map { HostTensor(shape: [1, ids.count], elements: .int64($0)) }
  }

  static func floats(_ tensor: HostTensor) -> [Float] {
    guard case .float32(let values) = tensor.elements else { return [] }
    return values
  }

  /// Holds passes back until several requests wait, and counts them.
  private final class CountingSession: InferenceSession {
    let base: any InferenceSession
    let batchLayout: BatchLayout? = BatchLayout(inputs: ["input_ids", "attention_mask", "token_type_ids"])
    let rows = Mutex<[Int]>([])

    init(_ base: any InferenceSession) { self.base = base }

    func infer(_ inputs: [HostTensor]) throws(EngineError) -> [HostTensor] {
      rows.withLock { $0.append(inputs[0].shape[0]) }
      return try base.infer(inputs)
    }
  }

  @Test(arguments: [(Precision.fp32, Float(1e-4)), (.bf16, 0.05), (.int8, 0.2)])
  func rowsOfABatchAnswerAsAlone(_ precision: Precision, _ tolerance: Float) async throws {
    let folder = NSTemporaryDirectory() + "planner-batch-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try Engine.initialize()
    try Synthesizer(family: .bertTiny, vocabulary: 300, precision: precision, seed: 3).write(
      count: 1, to: folder, progress: { _ in })
    let session = CountingSession(try TorchModel(path: folder + "/model0.pt"))
    var random = RandomStream(seed: 5, stream: "batch")
    let requests = (0..<24).map { index in
      Self.tensors((0..<(17 + index % 4)).map { _ in Int64(random.integer(below: 300)) })
    }
    var alone: [[HostTensor]] = []
    for request in requests { alone.append(try session.base.infer(request)) }
    let pool = WorkerPool(
      options: .init(
        workers: 1, threadsPerWorker: 1, queueCapacity: nil,
        batch: BatchPolicy(max: 6, wait: Nanoseconds(seconds: 30))))
    try pool.start()
    defer { pool.stop() }
    // Two lengths, alone, show how answers go with lengths; of a model of which nothing is known no rows are padded.
    for request in requests.prefix(2) { session.batchLayout?.learn(request, try session.base.infer(request)) }
    let answers = try await withThrowingTaskGroup(of: (Int, WorkerPool.Answer).self) { group in
      for (index, request) in requests.enumerated() {
        group.addTask { (index, try await pool.infer(session, request)) }
      }
      return try await group.reduce(into: [Int: WorkerPool.Answer]()) { $0[$1.0] = $1.1 }
    }
    for (index, expected) in alone.enumerated() {
      let answer = try #require(answers[index])
      #expect(answer.outputs.map(\.shape) == expected.map(\.shape))
      for (one, other) in zip(answer.outputs, expected) {
        let difference = zip(Self.floats(one), Self.floats(other)).map { abs($0 - $1) }.max() ?? .infinity
        #expect(difference <= tolerance, "request \(index): \(difference)")
      }
      #expect(answer.timings.batchSize > 1)
    }
    let rows = session.rows.withLock { $0 }
    #expect(rows.reduce(0, +) == requests.count && rows.allSatisfy { $0 == 6 }, "\(rows)")
    #expect(answers.values.count { $0.timings.isFirstOfBatch } == rows.count)
  }

  @Test func aBadRequestDoesNotTakeTheOthersWithIt() async throws {
    struct Picky: InferenceSession {
      let batchLayout: BatchLayout? = BatchLayout(inputs: ["x"])
      func infer(_ inputs: [HostTensor]) throws(EngineError) -> [HostTensor] {
        guard case .int64(let values) = inputs[0].elements, !values.contains(13) else {
          throw EngineError(.badInput, "test", "13")
        }
        return inputs
      }
    }
    let pool = WorkerPool(
      options: .init(
        workers: 1, threadsPerWorker: 1, queueCapacity: nil,
        batch: BatchPolicy(max: 4, wait: Nanoseconds(seconds: 30))))
    try pool.start()
    defer { pool.stop() }
    let session = Picky()
    let results = await withTaskGroup(of: (Int64, Bool).self) { group in
      for id: Int64 in 11...14 {
        group.addTask {
          let answer = try? await pool.infer(session, [HostTensor(shape: [1], elements: .int64([id]))])
          return (id, answer?.outputs.first?.elements == .int64([id]))
        }
      }
      return await group.reduce(into: [Int64: Bool]()) { $0[$1.0] = $1.1 }
    }
    #expect(results == [11: true, 12: true, 13: false, 14: true])
  }

  /// The wait ends by the clock, and is told apart from waiting for a worker.
  @Test func waitingForCompanyIsMeasuredApart() async throws {
    struct Echo: InferenceSession {
      let batchLayout: BatchLayout? = BatchLayout(inputs: ["x"])
      func infer(_ inputs: [HostTensor]) throws(EngineError) -> [HostTensor] { inputs }
    }
    let pool = WorkerPool(
      options: .init(
        workers: 1, threadsPerWorker: 1, queueCapacity: nil,
        batch: BatchPolicy(max: 4, wait: Nanoseconds(seconds: 0.05))))
    try pool.start()
    defer { pool.stop() }
    let start = ContinuousClock.now
    let timings = try await pool.infer(Echo(), [HostTensor(shape: [1], elements: .int64([1]))]).timings
    let whole = (ContinuousClock.now - start) / .seconds(1)
    #expect(timings.batchWaitSeconds >= 0.05 && timings.batchSize == 1)
    // Neither holds the other: together with the pass they fit into what the caller saw.
    #expect(timings.queueSeconds >= 0)
    #expect(timings.queueSeconds + timings.batchWaitSeconds + timings.computeSeconds <= whole)
  }

  /// A model that takes a mask and does not heed it: its requests are not padded for one another.
  @Test(arguments: [true, false]) func whereThePaddingShowsNobodyIsPadded(_ heedsMask: Bool) async throws {
    struct Mean: InferenceSession {
      let heedsMask: Bool
      let batchLayout: BatchLayout? = BatchLayout(inputs: ["input_ids", "attention_mask"])
      func infer(_ inputs: [HostTensor]) throws(EngineError) -> [HostTensor] {
        guard case .int64(let ids) = inputs[0].elements, case .int64(let mask) = inputs[1].elements else { return [] }
        let length = inputs[0].shape[1]
        let means = (0..<inputs[0].shape[0]).map { row -> Float in
          let own = row * length..<(row + 1) * length
          let count = heedsMask ? mask[own].reduce(0, +) : Int64(length)
          return Float(ids[own].reduce(0, +)) / Float(count)
        }
        return [HostTensor(shape: [means.count], elements: .float32(means))]
      }
      static func request(_ length: Int) -> [HostTensor] {
        [Array(1...Int64(length)), Array(repeating: 1, count: length)].map {
          HostTensor(shape: [1, length], elements: .int64($0))
        }
      }
    }
    let session = Mean(heedsMask: heedsMask)
    let layout = try #require(session.batchLayout)
    for length in [20, 40] { layout.learn(Mean.request(length), try session.infer(Mean.request(length))) }
    try layout.tryPadding(
      Mean.request(20), beside: Mean.request(40), tolerance: 1e-3,
      infer: { inputs throws(EngineError) in try session.infer(inputs) })
    let pool = WorkerPool(
      options: .init(
        workers: 1, threadsPerWorker: 1, queueCapacity: nil,
        // As long as the other takes to come; requests that find no company wait in vain.
        batch: BatchPolicy(max: 2, wait: Nanoseconds(seconds: heedsMask ? 60 : 0.2))))
    try pool.start()
    defer { pool.stop() }
    async let short = pool.infer(session, Mean.request(30))
    async let long = pool.infer(session, Mean.request(31))
    for (answer, mean) in [(try await short, Float(15.5)), (try await long, 16)] {
      #expect(answer.outputs == [HostTensor(shape: [1], elements: .float32([mean]))])
      #expect(answer.timings.batchSize == (heedsMask ? 2 : 1))
    }
  }

  @Test func atMostAFifthOfARowIsPadding() {
    for length in 1...512 {
      let alike = (1...512).filter { BatchLayout.lengthClass($0) == BatchLayout.lengthClass(length) }
      #expect(Double(alike.last ?? 0) / Double(alike.first ?? 1) < 1.25 + 1e-9)
    }
  }
}
