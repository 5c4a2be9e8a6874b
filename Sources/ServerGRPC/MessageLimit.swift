import NIOCore
import NIOHPACK
import NIOHTTP2

/// Answers a call whose message is too large, or cannot be inflated, with RESOURCE_EXHAUSTED and a sentence. gRPC's
/// library resets such a call, of which its client learns nothing but that it was cancelled.
///
/// It stands between HTTP/2 and the library, sees the length before each message, and keeps nothing.
final class MessageLimit: ChannelDuplexHandler {
  typealias InboundIn = HTTP2Frame.FramePayload
  typealias InboundOut = HTTP2Frame.FramePayload
  typealias OutboundIn = HTTP2Frame.FramePayload
  typealias OutboundOut = HTTP2Frame.FramePayload

  private let limit: Int
  private let onRefusal: () -> Void
  private var lengths = MessageLengths()
  private var hasSentHeaders = false
  /// The call has its status, or the client is gone.
  private var hasEnded = false

  /// - Parameters:
  ///   - limit: bytes of a message, as sent and as inflated.
  ///   - onRefusal: called on the event loop for each call that is refused.
  init(limit: Int, onRefusal: @escaping () -> Void) {
    self.limit = limit
    self.onRefusal = onRefusal
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .data(let frame) where !hasEnded:
      if case .byteBuffer(let bytes) = frame.data, let length = lengths.first(above: limit, in: bytes) {
        refuse("a message of \(length) bytes is above the limit of \(limit)", context: context)
        context.close(promise: nil)
        return
      }
    case .data:
      return
    case .rstStream:
      hasEnded = true
    default:
      break
    }
    context.fireChannelRead(data)
  }

  func channelInactive(context: ChannelHandlerContext) {
    hasEnded = true
    context.fireChannelInactive()
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    switch unwrapOutboundIn(data) {
    case .headers(let headers):
      hasSentHeaders = true
      hasEnded = hasEnded || headers.endStream
    case .rstStream:
      hasEnded = true
    default:
      break
    }
    context.write(data, promise: promise)
  }

  /// The library closes a call that has no status yet where it could not read a message.
  func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
    if mode == .all, !hasEnded {
      refuse("a compressed message is broken, or inflates to more than the limit of \(limit) bytes", context: context)
    }
    context.close(mode: mode, promise: promise)
  }

  private func refuse(_ reason: String, context: ChannelHandlerContext) {
    hasEnded = true
    onRefusal()
    var trailers = HPACKHeaders()
    if !hasSentHeaders {
      trailers.add(name: ":status", value: "200")
      trailers.add(name: "content-type", value: "application/grpc")
    }
    trailers.add(name: "grpc-status", value: "8")
    trailers.add(name: "grpc-message", value: reason)
    context.write(wrapOutboundOut(.headers(.init(headers: trailers, endStream: true))), promise: nil)
    // What the client still sends is not wanted; its answer is complete (RFC 9113, 8.1).
    context.writeAndFlush(wrapOutboundOut(.rstStream(.noError)), promise: nil)
  }
}

/// Finds the lengths of gRPC's messages in the bytes of a call: each has a flag and four bytes of length before it.
struct MessageLengths {
  private static let prefixSize = 5

  private var prefix: UInt64 = 0
  private var prefixBytes = 0
  /// Bytes of the current message that have not come yet.
  private var remaining = 0

  /// - Returns: the first length above `limit` whose prefix ends in `bytes`.
  mutating func first(above limit: Int, in bytes: ByteBuffer) -> Int? {
    var view = bytes.readableBytesView
    while !view.isEmpty {
      if remaining > 0 {
        let step = min(remaining, view.count)
        remaining -= step
        view = view.dropFirst(step)
        continue
      }
      prefix = prefix << 8 | UInt64(view.removeFirst())
      prefixBytes += 1
      guard prefixBytes == Self.prefixSize else { continue }
      remaining = Int(UInt32(truncatingIfNeeded: prefix))
      (prefix, prefixBytes) = (0, 0)
      if remaining > limit { return remaining }
    }
    return nil
  }
}
