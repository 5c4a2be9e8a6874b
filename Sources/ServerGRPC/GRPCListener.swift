import GRPCNIOTransportHTTP2TransportServices
import NIOCore
import NIOPosix
import NIOSSL

/// Accepts gRPC's connections on NIO's sockets, with the TLS that HTTP has too.
struct GRPCListener: HTTP2ServerTransport.ListenerFactory {
  let host: String
  let port: Int
  /// Keys and settings of TLS; nil speaks plain text.
  let tls: NIOSSLContext?
  let group: MultiThreadedEventLoopGroup
  /// Called once with the port, as soon as it is bound.
  let onBound: @Sendable (Int) -> Void

  var eventLoopGroup: any EventLoopGroup { group }

  /// - Throws: an `IOError` where the port cannot be bound.
  func makeListeningChannel(
    listenerConfigurator: HTTP2ServerTransport.ListenerConfigurator,
    connectionConfigurator: HTTP2ServerTransport.ConnectionConfigurator
  ) async throws -> NIOAsyncChannel<
    HTTP2ServerTransport.ConnectionConfigurator.ConnectionChannel, Never
  > {
    let tls = tls
    let listener = try await ServerBootstrap(group: group)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .serverChannelOption(.backlog, value: 1024)
      .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
      .serverChannelInitializer { listenerConfigurator.configure(channel: $0) }
      .bind(host: host, port: port) { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(SilentConnections())
          if let tls {
            try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls))
          }
        }.flatMap {
          connectionConfigurator.configure(
            channel: channel, tls: tls == nil ? .none : .configured(requireALPN: false))
        }
      }
    onBound(listener.channel.localAddress?.port ?? 0)
    return listener
  }
}
