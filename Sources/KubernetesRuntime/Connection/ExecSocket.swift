import APIClient
import Executor
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOWebSocket

/// Runs a command in a container: a WebSocket to the API that carries its output and how it ended
/// (`v4.channel.k8s.io`: the first byte of a message says which stream it is of).
package struct ExecSocket: Sendable {
  static let subprotocol = "v4.channel.k8s.io"
  static let mostMessageBytes = 1 << 20

  let endpoint: APIEndpoint
  let authorization: String?
  /// Path and query of the request.
  let path: String

  /// What comes out of the socket.
  private enum Message: Sendable {
    case bytes(stream: UInt8, [UInt8])
    case refused(status: Int, body: [UInt8])
  }

  /// - Parameter output: is given each line of standard output and standard error.
  /// - Returns: what the API says of the command's end.
  /// - Throws: `KubeFailure` where the cluster refuses; `RuntimeError` where it cannot be reached or breaks off;
  ///   `CancellationError`.
  func run(cluster: String, request: String, output: @Sendable (String) -> Void) async throws -> ExitStatus {
    let (messages, feed) = AsyncThrowingStream<Message, any Error>.makeStream()
    let channel: any Channel
    do {
      channel = try await connect(feed, cluster: cluster)
    } catch {
      throw RuntimeError(.unreachable("\(error)"), cluster: cluster)
    }
    return try await withTaskCancellationHandler {
      defer { channel.close(promise: nil) }
      var lines: [UInt8: LineSplitter] = [1: LineSplitter(), 2: LineSplitter()]
      for try await message in messages {
        switch message {
        case .refused(let status, let body):
          throw KubeFailure(code: status, body: body, request: request)
        case .bytes(let stream, let bytes) where stream == 1 || stream == 2:
          for line in lines[stream]?.add(bytes) ?? [] { output(line) }
        case .bytes(stream: 3, let bytes):
          for stream in [UInt8(1), 2] { if let rest = lines[stream]?.rest() { output(rest) } }
          return try Self.status(bytes, request: request)
        case .bytes: continue
        }
      }
      try Task.checkCancellation()
      throw RuntimeError(
        .unavailable, "the connection to the command ended before the command did",
        remedy: "see whether the node still runs, and try again")
    } onCancel: {
      channel.close(promise: nil)
    }
  }

  private struct End: Decodable {
    struct Details: Decodable {
      struct Cause: Decodable {
        var reason: String?
        var message: String?
      }
      var causes: [Cause]?
    }
    var status: String?
    var reason: String?
    var message: String?
    var details: Details?
  }

  /// `Success`, or a failure with the command's exit code among its causes.
  package static func status(_ bytes: [UInt8], request: String) throws -> ExitStatus {
    let end = try? JSONDecoder().decode(End.self, from: Data(bytes))
    if end?.status == "Success" { return .exited(0) }
    if end?.reason == "NonZeroExitCode",
      let code = end?.details?.causes?.first(where: { $0.reason == "ExitCode" })?.message.flatMap({ Int32($0) })
    {
      return .exited(code)
    }
    let message = KubeFailure.oneLine(end?.message ?? "no reason is given")
    throw RuntimeError(
      .unavailable, "the command could not be run: \(message)", remedy: "name a program that the image has")
  }

  // MARK: Connecting

  private func connect(
    _ feed: AsyncThrowingStream<Message, any Error>.Continuation, cluster: String
  ) async throws -> any Channel {
    guard case .network(let host, let port) = endpoint.place else {
      throw RuntimeError(.unavailable, "a cluster is no socket of this machine", remedy: "correct the kubeconfig")
    }
    let tls = try endpoint.tls.map { try NIOSSLContext(configuration: $0.configuration()) }
    let name = endpoint.tls?.serverName ?? host
    let (path, authority, authorization) = (endpoint.basePath + path, "\(name):\(port)", authorization)
    return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .connectTimeout(.seconds(10))
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          if let tls {
            let isAddress = (try? SocketAddress(ipAddress: name, port: 0)) != nil
            try pipeline.addHandler(NIOSSLClientHandler(context: tls, serverHostname: isAddress ? nil : name))
          }
          let upgrader = NIOWebSocketClientUpgrader(maxFrameSize: Self.mostMessageBytes) { channel, _ in
            channel.eventLoop.makeCompletedFuture {
              try channel.pipeline.syncOperations.addHandlers([
                NIOWebSocketFrameAggregator(
                  minNonFinalFragmentSize: 0, maxAccumulatedFrameCount: 1024,
                  maxAccumulatedFrameSize: Self.mostMessageBytes),
                MessageReader(feed, cluster: cluster),
              ])
            }
          }
          try pipeline.addHTTPClientHandlers(
            withClientUpgrade: (
              upgraders: [upgrader],
              completionHandler: { context in
                // From here on it is no HTTP any more.
                let pipeline = context.pipeline.syncOperations
                if let reader = try? pipeline.handler(type: RefusalReader.self) {
                  pipeline.removeHandler(reader, promise: nil)
                }
              }
            ))
          try pipeline.addHandler(UpgradeRequest(path: path, authority: authority, authorization: authorization))
          try pipeline.addHandler(RefusalReader(feed, cluster: cluster))
        }
      }
      .connect(host: host, port: port).get()
  }

  /// Asks for the WebSocket once the connection, encrypted where it is to be, stands.
  private final class UpgradeRequest: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart
    private let head: HTTPRequestHead

    init(path: String, authority: String, authorization: String?) {
      var headers = HTTPHeaders([("host", authority), ("sec-websocket-protocol", ExecSocket.subprotocol)])
      headers.add(name: "user-agent", value: "planner/\(KubeClient.version)")
      if let authorization { headers.add(name: "authorization", value: authorization) }
      head = HTTPRequestHead(version: .http1_1, method: .GET, uri: path, headers: headers)
    }

    func channelActive(context: ChannelHandlerContext) {
      context.write(wrapOutboundOut(.head(head)), promise: nil)
      context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
      context.fireChannelActive()
    }
  }

  /// Reads what the API answers where it does not switch to the WebSocket.
  private final class RefusalReader: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPClientResponsePart
    private let feed: AsyncThrowingStream<Message, any Error>.Continuation
    private let cluster: String
    private var status = 0
    private var body: [UInt8] = []

    init(_ feed: AsyncThrowingStream<Message, any Error>.Continuation, cluster: String) {
      self.feed = feed
      self.cluster = cluster
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      switch unwrapInboundIn(data) {
      case .head(let head): status = Int(head.status.code)
      case .body(let part) where body.count < 64 << 10: body += part.readableBytesView
      case .body: break
      case .end:
        feed.yield(.refused(status: status, body: body))
        context.close(promise: nil)
      }
    }

    func channelInactive(context: ChannelHandlerContext) {
      feed.finish()
      context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
      feed.finish(throwing: RuntimeError(.unreachable("\(error)"), cluster: cluster))
      context.close(promise: nil)
    }
  }

  /// Takes messages apart into their stream and their bytes, and answers what keeps the connection alive.
  private final class MessageReader: ChannelInboundHandler {
    typealias InboundIn = WebSocketFrame
    typealias OutboundOut = WebSocketFrame
    private let feed: AsyncThrowingStream<Message, any Error>.Continuation
    private let cluster: String

    init(_ feed: AsyncThrowingStream<Message, any Error>.Continuation, cluster: String) {
      self.feed = feed
      self.cluster = cluster
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      let frame = unwrapInboundIn(data)
      var content = frame.unmaskedData
      switch frame.opcode {
      case .binary, .text:
        if let stream = content.readInteger(as: UInt8.self) {
          feed.yield(.bytes(stream: stream, Array(content.readableBytesView)))
        }
      case .ping:
        let answer = WebSocketFrame(fin: true, opcode: .pong, maskKey: .random(), data: content)
        context.writeAndFlush(wrapOutboundOut(answer), promise: nil)
      case .connectionClose: context.close(promise: nil)
      default: break
      }
    }

    func channelInactive(context: ChannelHandlerContext) { feed.finish() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
      feed.finish(throwing: RuntimeError(.unreachable("\(error)"), cluster: cluster))
      context.close(promise: nil)
    }
  }
}

/// Bytes to lines.
package struct LineSplitter {
  private var pending: [UInt8] = []

  package init() {}

  /// The lines that are complete with these bytes; one that grows beyond a mebibyte is cut there.
  package mutating func add(_ bytes: [UInt8]) -> [String] {
    pending += bytes
    var parts = pending.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    pending = parts.popLast().map(Array.init) ?? []
    if pending.count > 1 << 20 {
      parts.append(pending[...])
      pending = []
    }
    return parts.map { String(decoding: $0.last == UInt8(ascii: "\r") ? $0.dropLast() : $0, as: UTF8.self) }
  }

  /// The line that has no end; nil where there is none.
  package mutating func rest() -> String? {
    guard !pending.isEmpty else { return nil }
    defer { pending = [] }
    return String(decoding: pending, as: UTF8.self)
  }
}
