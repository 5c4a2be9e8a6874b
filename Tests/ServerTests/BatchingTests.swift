import Dispatch
import Foundation
import PlannerCore
import Server
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
    let timings = try await pool.infer(Echo(), [HostTensor(shape: [1], elements: .int64([1]))]).timings
    #expect(timings.batchWaitSeconds >= 0.05 && timings.batchSize == 1)
    #expect(timings.queueSeconds < timings.batchWaitSeconds)
  }

  @Test func atMostAFifthOfARowIsPadding() {
    for length in 1...512 {
      let alike = (1...512).filter { BatchLayout.lengthClass($0) == BatchLayout.lengthClass(length) }
      #expect(Double(alike.last ?? 0) / Double(alike.first ?? 1) < 1.25 + 1e-9)
    }
  }
}
