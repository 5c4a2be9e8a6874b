import NIOCore
import NIOHTTP1

/// What HTTP/1 asks of a server beside answers (RFC 9112, 9.3; RFC 9110, 10.1.1): the interim answer to a client that
/// waits for it before it sends a body, and the end of a connection whose client does not keep it.
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
    guard case .end = unwrapOutboundIn(data) else { return }
    unanswered -= 1
    if owesContinue, unanswered == 1 { sendContinue(context) }
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
