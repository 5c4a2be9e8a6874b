import Foundation
import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTPTypes
import Serving

/// What keeps one client's connections from harming another's.
enum ConnectionLimits {
  /// Descriptors that connections leave to model files, sockets of other kinds and the libraries.
  private static let reservedDescriptors = 256

  /// HTTP/1.1 with bounds on headers, idle connections and slow transfers.
  static func server(_ options: ServerOptions) -> HTTPServerBuilder {
    let transferTimeout = options.transferTimeoutSeconds.map { TimeAmount.nanoseconds(Int64($0 * 1e9)) }
    let configuration = HTTP1Channel.Configuration(
      additionalChannelHandlers: watches(transferTimeout),
      idleTimeout: options.idleTimeoutSeconds.map { .nanoseconds(Int64($0 * 1e9)) },
      httpDecoderConfiguration: .init(
        maxHeaderFieldSize: options.maxHeaderBytes, maxHeaderListSize: options.maxHeaderBytes,
        maxHeaderFieldCount: options.maxHeaderFields))
    return HTTPServerBuilder {
      ChannelOnEventLoop(
        base: HTTP1Channel(responder: $0, configuration: configuration), maxBodyBytes: options.maxBodyBytes)
    }
  }

  private static func watches(_ limit: TimeAmount?) -> [any RemovableChannelHandler] {
    guard let limit else { return [] }
    return [TransferWatch(limit: limit)]
  }

  /// Bounds the connections by what the system lets the process open: more wait to be accepted, instead of failing
  /// again and again.
  static func connections(_ logger: Logger) -> any AvailableConnectionsDelegate {
    MaximumAvailableConnections(raiseDescriptorLimit(), logger: logger)
  }

  /// Lets the process open as many files and sockets as the system allows it.
  ///
  /// - Returns: how many connections may be open at once.
  private static func raiseDescriptorLimit() -> Int {
    var limit = rlimit()
    // glibc's constants are of a C enumeration that Swift imports as a type of its own.
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 - reservedDescriptors }
    if limit.rlim_cur < limit.rlim_max {
      var raised = limit
      raised.rlim_cur = limit.rlim_max
      if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 { limit = raised }
    }
    return max(16, Int(clamping: limit.rlim_cur) - reservedDescriptors)
  }
}

/// Closes a connection whose request does not arrive whole in time, or whose answer is not taken in time.
///
/// Idle connections and half heads are Hummingbird's own handler's: it counts the time since the last part came, so a
/// body that trickles would never be idle. One timer a connection at most, looked at when it fires: on the path of a
/// request there are two reads of a clock.
final class TransferWatch: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPRequestPart
  typealias InboundOut = HTTPRequestPart
  typealias OutboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPResponsePart

  private let limit: TimeAmount
  private var readingSince: NIODeadline?
  private var stalledSince: NIODeadline?
  private var timer: Scheduled<Void>?

  init(limit: TimeAmount) { self.limit = limit }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head:
      readingSince = .now()
      watch(context)
    case .body: break
    case .end: readingSince = nil
    }
    context.fireChannelRead(data)
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    stalledSince = context.channel.isWritable ? nil : .now()
    if stalledSince != nil { watch(context) }
    context.fireChannelWritabilityChanged()
  }

  func channelInactive(context: ChannelHandlerContext) {
    timer?.cancel()
    timer = nil
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    timer?.cancel()
    timer = nil
  }

  private func watch(_ context: ChannelHandlerContext, in delay: TimeAmount? = nil) {
    guard timer == nil else { return }
    let bound = NIOLoopBound((watch: self, context: context), eventLoop: context.eventLoop)
    timer = context.eventLoop.scheduleTask(in: delay ?? limit) {
      let (watch, context) = bound.value
      watch.look(context)
    }
  }

  private func look(_ context: ChannelHandlerContext) {
    timer = nil
    guard let since = [readingSince, stalledSince].compactMap({ $0 }).min() else { return }
    let left = since + limit - NIODeadline.now()
    if left <= .zero { context.close(promise: nil) } else { watch(context, in: left) }
  }
}
