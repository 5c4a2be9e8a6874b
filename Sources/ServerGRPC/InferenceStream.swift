import GRPCCore
import OpenInferenceProtos
import PlannerCore
import Serving

/// One stream of requests: they are computed as they come, several at once, and answered in their order.
///
/// A request that fails is answered with its error; the stream goes on.
struct InferenceStream: Sendable {
  /// Requests that one stream may have under way; the next is read when the first of them is answered.
  static let window = 64

  let calls: OpenInferenceCalls
  let request: StreamingServerRequest<Inference_ModelInferRequest>
  let cancellation: ServerContext.RPCCancellationHandle

  private typealias Answer = Task<Inference_ModelStreamInferResponse, Never>

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
    let reader = Task {
      defer { next.finish() }
      var permission = permits.makeAsyncIterator()
      for try await message in request.messages {
        guard await permission.next() != nil else { break }
        next.yield(start(message, deadline: deadline))
      }
    }
    // A server that is told to stop ends its streams after what they have under way; cancelling a call is that too.
    try await withRPCCancellationHandler {
      do {
        for await answer in answers {
          try await writer.write(await answer.value)
          permit.yield()
        }
      } catch {
        reader.cancel()
        for await answer in answers { answer.cancel() }
        throw error
      }
    } onCancelRPC: {
      reader.cancel()
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
