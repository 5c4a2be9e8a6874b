import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// A loopback HTTP server on one event loop that does what its closure says, misbehaviour included.
final class TestServer: Sendable {
  enum Action: Sendable {
    case answer(UInt, headers: [(String, String)] = [], body: String = "{}")
    /// Answers after blocking the whole server for that long.
    case stall(milliseconds: UInt32)
    /// Answers and closes, as an HTTP/1.0 server would.
    case answerAndClose
    case drop
    /// Promises a longer body than it sends, then closes.
    case dropMidway
    case never
  }

  struct Seen: Sendable {
    var uris: [String] = []
    var bodies: [String] = []
    var hosts: [String] = []
    var connections = 0
    var openConnections = 0
  }

  let port: Int
  private let group: MultiThreadedEventLoopGroup
  private let channel: any Channel
  private let state: State

  final class State: Sendable {
    let seen = Mutex(Seen())
  }

  var seen: Seen { state.seen.withLock { $0 } }

  /// - Parameter behave: is given the target of the request and how many came before it.
  static func start(_ behave: @escaping @Sendable (_ uri: String, _ index: Int) -> Action) async throws -> TestServer {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let state = State()
    let channel = try await ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: 4096)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.configureHTTPServerPipeline(withPipeliningAssistance: false)
          try channel.pipeline.syncOperations.addHandler(Handler(state: state, behave: behave))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    return TestServer(group: group, channel: channel, state: state, port: channel.localAddress?.port ?? 0)
  }

  private init(group: MultiThreadedEventLoopGroup, channel: any Channel, state: State, port: Int) {
    self.group = group
    self.channel = channel
    self.state = state
    self.port = port
  }

  func stop() async throws {
    try await channel.close()
    try await group.shutdownGracefully()
  }

  private final class Handler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    let state: State
    let behave: @Sendable (String, Int) -> Action
    var head: HTTPRequestHead?
    var body = ""

    init(state: State, behave: @escaping @Sendable (String, Int) -> Action) {
      self.state = state
      self.behave = behave
    }

    func channelActive(context: ChannelHandlerContext) {
      state.seen.withLock {
        $0.connections += 1
        $0.openConnections += 1
      }
    }

    func channelInactive(context: ChannelHandlerContext) {
      state.seen.withLock { $0.openConnections -= 1 }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      switch unwrapInboundIn(data) {
      case .head(let head): self.head = head
      case .body(let part): body += String(buffer: part)
      case .end:
        guard let head else { return }
        let index = state.seen.withLock { seen in
          seen.uris.append(head.uri)
          seen.bodies.append(body)
          seen.hosts.append(head.headers.first(name: "host") ?? "")
          return seen.uris.count - 1
        }
        body = ""
        perform(behave(head.uri, index), context: context)
      }
    }

    private func perform(_ action: Action, context: ChannelHandlerContext) {
      switch action {
      case .answer(let status, let headers, let body):
        answer(status, headers, body, context)
      case .stall(let milliseconds):
        usleep(milliseconds * 1000)
        answer(200, [], "{}", context)
      case .answerAndClose:
        answer(200, [("connection", "close")], "{}", context)
        context.close(promise: nil)
      case .drop:
        context.close(promise: nil)
      case .dropMidway:
        let head = HTTPResponseHead(version: .http1_1, status: .ok, headers: ["content-length": "1000"])
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: "half")))), promise: nil)
        context.close(promise: nil)
      case .never:
        break
      }
    }

    private func answer(
      _ status: UInt, _ headers: [(String, String)], _ body: String, _ context: ChannelHandlerContext
    ) {
      var fields = HTTPHeaders(headers)
      fields.add(name: "content-length", value: "\(body.utf8.count)")
      let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: Int(status)), headers: fields)
      context.write(wrapOutboundOut(.head(head)), promise: nil)
      context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: body)))), promise: nil)
      context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
  }
}
