import NIOCore
import NIOHTTP1
import ServerContract

/// One keep-alive connection: at most one request at a time, so an answer belongs to the request in flight.
///
/// Confined to the engine's event loop.
final class LoadConnection: ChannelDuplexHandler {
  typealias InboundIn = HTTPClientResponsePart
  typealias OutboundIn = Never
  typealias OutboundOut = HTTPClientRequestPart

  /// Strong both ways until the channel is closed: a last event may come after the run has ended.
  private let engine: LoadEngine
  /// Place of its target.
  let lane: Int
  private let writer: RenderedRequestWriter
  private var context: ChannelHandlerContext?
  private(set) var request: Int?
  private var status = 0
  private var keepAlive = true
  private var timings: ServerTimings?
  /// The beginning of an answer that is not 2xx, to show why.
  private var complaint = ""
  private var problem: String?

  init(engine: LoadEngine, lane: Int, writer: RenderedRequestWriter) {
    self.engine = engine
    self.lane = lane
    self.writer = writer
  }

  /// Writes the request's bytes out at once.
  func send(_ bytes: ByteBuffer, request: Int) {
    guard let context else {
      engine.connectionBroke(self, request: request, reason: "the connection was closed before the request was sent")
      return
    }
    self.request = request
    status = 0
    timings = nil
    complaint = ""
    problem = nil
    writer.bytes = bytes
    context.writeAndFlush(wrapOutboundOut(.head(Self.anyRequest)), promise: nil)
  }

  func close() { context?.close(promise: nil) }

  /// The decoder only wants to know that the answer is not one to HEAD.
  private static let anyRequest = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/")

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      status = Int(head.status.code)
      keepAlive = head.isKeepAlive
      timings = head.headers.first(name: TimingsHeader.name).flatMap { ServerTimings(header: $0) }
    case .body(let part):
      if !(200..<300).contains(status), complaint.utf8.count < 200 {
        complaint += String(decoding: part.readableBytesView.prefix(200), as: UTF8.self)
      }
    case .end:
      guard let request else { return }
      self.request = nil
      engine.answered(
        self, request: request, status: status, timings: timings, keepAlive: keepAlive, complaint: complaint)
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    self.context = nil
    let request = self.request
    self.request = nil
    engine.connectionBroke(
      self, request: request, reason: problem ?? "the connection was closed before the answer was complete")
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if problem == nil { problem = "\(error)" }
    context.close(promise: nil)
  }
}

/// Between decoder and socket: puts the rendered bytes in place of the head that the decoder was shown.
final class RenderedRequestWriter: ChannelOutboundHandler {
  typealias OutboundIn = HTTPClientRequestPart
  typealias OutboundOut = ByteBuffer

  var bytes = ByteBuffer()

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    guard case .head = unwrapOutboundIn(data) else {
      promise?.succeed()
      return
    }
    context.write(wrapOutboundOut(bytes), promise: promise)
  }
}
