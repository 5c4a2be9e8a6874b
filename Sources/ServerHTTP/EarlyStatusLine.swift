import NIOCore

/// Finds out whether a client that sends no more still reads, while its request is in work.
///
/// TCP says the same of a client that has shut down its writing side and waits for its answer (`nc -N`) and of one that
/// has closed its socket and is gone (`curl --max-time`): no more bytes will come. What is sent to them tells them
/// apart, for the system of a client that is gone answers it with a reset, which closes the channel. So the answer is
/// begun before it is there: with the bytes that every status line begins with, one at a time and ever more seldom,
/// and the answer is then written without them. A client that reads sees the bytes that it would have seen anyway.
///
/// It is put into a connection's pipeline only where this question comes up; other connections do without.
final class EarlyStatusLine: ChannelOutboundHandler {
  typealias OutboundIn = IOData
  typealias OutboundOut = IOData

  /// What answers begin with, whatever they are.
  static let bytes = Array("HTTP/1.1 ".utf8)
  /// Answers that are there sooner are sent in one piece.
  static let firstPause = TimeAmount.milliseconds(5)
  /// How much longer each pause is than the one before; the last byte goes after two minutes.
  static let growth = 4

  private var sent = 0
  private var pause = EarlyStatusLine.firstPause
  private var timer: Scheduled<Void>?
  private var context: ChannelHandlerContext?

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func handlerRemoved(context: ChannelHandlerContext) {
    stop()
    self.context = nil
  }

  /// The client of the request in work sends no more; nothing of its answer has been written.
  func begin() {
    guard timer == nil, sent == 0 else { return }
    pause = Self.firstPause
    schedule()
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    stop()
    guard sent > 0, case .byteBuffer(var buffer) = unwrapOutboundIn(data) else {
      return context.write(data, promise: promise)
    }
    let already = min(sent, buffer.readableBytes)
    buffer.moveReaderIndex(forwardBy: already)
    sent -= already
    context.write(wrapOutboundOut(.byteBuffer(buffer)), promise: promise)
  }

  private func schedule() {
    guard let context, sent < Self.bytes.count else { return }
    let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
    timer = context.eventLoop.scheduleTask(in: pause) { bound.value.sendOne() }
  }

  private func sendOne() {
    timer = nil
    guard let context else { return }
    let byte = context.channel.allocator.buffer(bytes: [Self.bytes[sent]])
    sent += 1
    pause = pause * Self.growth
    context.writeAndFlush(wrapOutboundOut(.byteBuffer(byte)), promise: nil)
    schedule()
  }

  private func stop() {
    timer?.cancel()
    timer = nil
  }
}
