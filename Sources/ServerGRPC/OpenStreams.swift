import GRPCCore
import NIOCore
import NIOHPACK
import NIOHTTP2
import Synchronization

/// The HTTP/2 streams that are open, by number, so that each call learns of its stream's end whenever that comes.
///
/// gRPC's library tells a call of no end that comes before the call's task has found its stream's handlers: one whose
/// reset follows right on its request would be run as if its client waited. So the stream's number is put among the
/// call's metadata, and the call looks for it: a number that is not there is that of a stream that has ended.
final class OpenStreams: Sendable {
  /// The metadata with the number; what a client sends by this name is replaced.
  static let numberName = "planner-stream-number"

  private let state = Mutex<(channels: [UInt64: any Channel], next: UInt64)>(([:], 0))

  /// Must be called on the stream's event loop, before it has read anything.
  func add(_ stream: any Channel) throws {
    let number = state.withLock { state in
      state.next += 1
      state.channels[state.next] = stream
      return state.next
    }
    stream.closeFuture.whenComplete { _ in
      // Dropped after the lock has been given back.
      _ = self.state.withLock { $0.channels.removeValue(forKey: number) }
    }
    try stream.pipeline.syncOperations.addHandler(StreamNumber(number), position: .first)
  }

  /// Completed when the stream of the call with this metadata ends; nil where it has ended.
  func end(of metadata: Metadata) -> EventLoopFuture<Void>? {
    guard let text = metadata[stringValues: Self.numberName].first(where: { _ in true }), let number = UInt64(text)
    else { return nil }
    return state.withLock { $0.channels[number] }?.closeFuture
  }
}

/// Puts a stream's number among the metadata of its call.
private final class StreamNumber: ChannelInboundHandler {
  typealias InboundIn = HTTP2Frame.FramePayload
  typealias InboundOut = HTTP2Frame.FramePayload

  private let number: UInt64

  init(_ number: UInt64) { self.number = number }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard case .headers(var frame) = unwrapInboundIn(data) else {
      context.fireChannelRead(data)
      return
    }
    frame.headers.replaceOrAdd(name: OpenStreams.numberName, value: String(number))
    context.fireChannelRead(wrapInboundOut(.headers(frame)))
  }
}

/// Cancels each call when its stream ends, also where that was before the call began.
struct EndOfStream: ServerInterceptor {
  let streams: OpenStreams

  func intercept<Input: Sendable, Output: Sendable>(
    request: StreamingServerRequest<Input>, context: ServerContext,
    next: @Sendable (StreamingServerRequest<Input>, ServerContext) async throws -> StreamingServerResponse<Output>
  ) async throws -> StreamingServerResponse<Output> {
    if let end = streams.end(of: request.metadata) {
      end.whenComplete { _ in context.cancellation.cancel() }
    } else {
      context.cancellation.cancel()
    }
    return try await next(request, context)
  }
}
