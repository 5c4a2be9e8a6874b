import NIOCore
import NIOHTTP1

/// What HTTP/1 asks of a server beside answers (RFC 9112, 9.3; RFC 9110, 10.1.1): the interim answer to a client that
/// waits for it before it sends a body, and the end of a connection whose client does not keep it. And it has those
/// looked after who send no more while their request is in work: `EarlyStatusLine`.
final class HTTP1Duties: ChannelDuplexHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias InboundOut = HTTPServerRequestPart
  typealias OutboundIn = HTTPServerResponsePart
  typealias OutboundOut = HTTPServerResponsePart

  private let maxBodyBytes: Int
  /// Requests whose answer has not been written.
  private var unanswered = 0
  /// The request that came last waits for 100 (Continue), and others are answered before it.
  private var owesContinue = false
  /// The head of an answer has been written, and not its end.
  private var isAnswering = false
  /// The client sends no more.
  private var isInputClosed = false
  /// Made when it is needed for the first time.
  private var earlyStatusLine: EarlyStatusLine?

  /// - Parameter maxBodyBytes: a client with a longer body is told so, and not to go on.
  init(maxBodyBytes: Int) { self.maxBodyBytes = maxBodyBytes }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard case .head(var head) = unwrapInboundIn(data) else { return context.fireChannelRead(data) }
    unanswered += 1
    if waitsForContinue(head) {
      if unanswered == 1 { sendContinue(context) } else { owesContinue = true }
    }
    // One spelling for those who read it later. Answers are HTTP/1.1's, where keeping a connection needs no word: a
    // client of HTTP/1.0 would wait for one.
    if !head.isKeepAlive || head.version.minor == 0 { head.headers.replaceOrAdd(name: "Connection", value: "close") }
    context.fireChannelRead(wrapInboundOut(.head(head)))
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    context.write(data, promise: promise)
    switch unwrapOutboundIn(data) {
    case .head: isAnswering = true
    case .body: break
    case .end:
      isAnswering = false
      unanswered -= 1
      if owesContinue, unanswered == 1 { sendContinue(context) }
      if isInputClosed { findOutWhoReads(context) }
    }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .inputClosed? = event as? ChannelEvent {
      isInputClosed = true
      findOutWhoReads(context)
    }
    context.fireUserInboundEventTriggered(event)
  }

  /// Where a request is in work whose client sends no more.
  private func findOutWhoReads(_ context: ChannelHandlerContext) {
    guard unanswered > 0, !isAnswering else { return }
    if earlyStatusLine == nil {
      let pipeline = context.pipeline.syncOperations
      let handler = EarlyStatusLine()
      // Fails where the connection is being closed.
      guard let encoder = try? pipeline.handler(type: HTTPResponseEncoder.self),
        (try? pipeline.addHandler(handler, position: .before(encoder))) != nil
      else { return }
      earlyStatusLine = handler
    }
    earlyStatusLine?.begin()
  }

  private func waitsForContinue(_ head: HTTPRequestHead) -> Bool {
    guard head.version.minor > 0,
      head.headers[canonicalForm: "expect"].contains(where: { $0.lowercased() == "100-continue" })
    else { return false }
    return head.headers.first(name: "content-length").flatMap { Int($0) }.map { $0 <= maxBodyBytes } ?? true
  }

  private func sendContinue(_ context: ChannelHandlerContext) {
    owesContinue = false
    let head = HTTPResponseHead(version: .http1_1, status: .continue)
    context.writeAndFlush(wrapOutboundOut(.head(head)), promise: nil)
  }
}
