import GRPCCore
import OpenInferenceProtos
import PlannerCore
import Serving
import Synchronization

/// One stream of requests: they are computed as they come, several at once, and answered in their order.
///
/// A request that fails is answered with its error; the stream goes on. A client that goes takes all of them with it.
struct InferenceStream: Sendable {
  /// Requests that one stream may have under way; the next is read when the first of them is answered.
  static let window = 64

  let calls: OpenInferenceCalls
  let request: StreamingServerRequest<Inference_ModelInferRequest>
  let cancellation: ServerContext.RPCCancellationHandle

  fileprivate typealias Answer = Task<Inference_ModelStreamInferResponse, Never>

  var response: StreamingServerResponse<Inference_ModelStreamInferResponse> {
    StreamingServerResponse { writer in
      try await answer(into: writer)
      return [:]
    }
  }

  private func answer(into writer: RPCWriter<Inference_ModelStreamInferResponse>) async throws {
    let (answers, next) = AsyncStream.makeStream(of: Answer.self)
    let (permits, permit) = AsyncStream.makeStream(of: Void.self)
    for _ in 0..<Self.window { permit.yield() }
    let deadline = request.metadata.grpcTimeoutSeconds.map {
      WorkerPool.monotonicNow() + Nanoseconds(seconds: $0)
    }
    let underWay = UnderWay()
    let reader = Task {
      defer { next.finish() }
      var permission = permits.makeAsyncIterator()
      for try await message in request.messages {
        guard await permission.next() != nil else { break }
        let answer = start(message, deadline: deadline)
        underWay.add(answer)
        next.yield(answer)
      }
    }
    let call = CallInWork(cancellation, state: calls.service.state, deadline: deadline)
    @Sendable func end() {
      reader.cancel()
      if call.isAbandoned { underWay.abandon() }
    }
    // A server that is told to stop ends its streams after what they have under way; cancelling a call is that too.
    try await withEndOfCall(cancellation, onEnd: end) {
      do {
        for await answer in answers {
          let response = await answer.value
          underWay.removeFirst()
          try await writer.write(response)
          permit.yield()
        }
      } catch {
        reader.cancel()
        underWay.abandon()
        throw error
      }
    }
    do {
      try await reader.value
    } catch is CancellationError {
    }
    guard cancellation.isCancelled else { return }
    if calls.service.state.isDraining { throw RPCError(code: .unavailable, message: "the server is shutting down") }
    throw RPCError(
      code: deadline == nil ? .cancelled : .deadlineExceeded, message: "the stream was given up, or its deadline passed"
    )
  }

  private func start(_ message: Inference_ModelInferRequest, deadline: Nanoseconds?) -> Answer {
    let arrival = WorkerPool.monotonicNow()
    return Task {
      do throws(InferenceError) {
        let remaining = deadline.map { ($0 - arrival).seconds }
        var (response, _) = try await calls.infer(
          message, arrival: arrival, remainingSeconds: remaining)
        // Every request has one answer, so each is the last; clients of Triton may wait for that word.
        response.parameters["triton_final_response"] = .with { $0.boolParam = true }
        return .with { $0.inferResponse = response }
      } catch {
        calls.service.state.metrics.failed(status: error.httpStatus)
        return .with {
          $0.errorMessage = error.message
          // Tells which of the stream's requests it was.
          $0.inferResponse.id = message.id
        }
      }
    }
  }
}

/// The requests of one stream that are under way, the oldest first.
private final class UnderWay: Sendable {
  private let state = Mutex<(answers: [InferenceStream.Answer], isAbandoned: Bool)>(([], false))

  func add(_ answer: InferenceStream.Answer) {
    let isAbandoned = state.withLock { state in
      state.answers.append(answer)
      return state.isAbandoned
    }
    if isAbandoned { answer.cancel() }
  }

  func removeFirst() { state.withLock { _ = $0.answers.removeFirst() } }

  /// Nobody waits for them any more, nor for those that are still to come.
  func abandon() {
    let answers = state.withLock { state in
      state.isAbandoned = true
      return state.answers
    }
    for answer in answers { answer.cancel() }
  }
}
