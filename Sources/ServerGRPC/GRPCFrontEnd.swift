import GRPCCore
import GRPCNIOTransportHTTP2TransportServices
import NIOCore
import NIOPosix
import ServerSecurity
import ServiceLifecycle
import Serving

/// The Open Inference Protocol over gRPC, and gRPC's health service, on a port of their own.
package struct GRPCFrontEnd: Service {
  /// What one connection may have under way; a client queues what is beyond it.
  static let mostStreams = 256
  /// A connection without calls is closed after so long; clients open another when they need one.
  static let idleLimit = Duration.seconds(600)
  /// How long a connection that has been told to end may take: a little less than the whole server has.
  static let graceLimit = Duration.seconds(ServerOptions.drainSeconds - 5)

  private typealias Transport = HTTP2ServerTransport.Custom<GRPCListener>

  private let server: GRPCServer<Transport>

  /// - Parameter onBound: called once with the port.
  /// - Throws: what `TransportSecurity` does.
  package init(
    _ service: InferenceService, access: ServerAccess, port: Int, group: MultiThreadedEventLoopGroup,
    onBound: @escaping @Sendable (Int) -> Void
  ) throws {
    let options = service.options
    var configuration = Transport.Config.defaults
    configuration.compression.enabledAlgorithms = .all
    configuration.rpc.maxRequestPayloadSize = options.maxBodyBytes
    configuration.http2.maxConcurrentStreams = Self.mostStreams
    configuration.http2.targetWindowSize = 1 << 20
    configuration.connection.maxIdleTime = Self.idleLimit
    configuration.connection.maxGraceTime = Self.graceLimit
    configuration.connection.keepalive.time = .seconds(60)
    configuration.connection.keepalive.clientBehavior.allowWithoutCalls = true
    configuration.connection.keepalive.clientBehavior.minPingIntervalWithoutCalls = .seconds(10)
    // It would hold every answer back for 100 µs, to save system calls that a busy server does not make anyway.
    configuration.connection.flushCoalescing = nil
    let limit = options.maxBodyBytes
    let metrics = service.state.metrics
    let streams = OpenStreams()
    configuration.channelDebuggingCallbacks.onAcceptHTTP2Stream = { stream in
      stream.eventLoop.makeCompletedFuture {
        let handler = MessageLimit(limit: limit) { metrics.failed(.tooLarge) }
        try stream.pipeline.syncOperations.addHandler(handler, position: .first)
        try streams.add(stream)
      }
    }
    let listener = GRPCListener(
      host: options.host, port: port,
      tls: try access.transportSecurity?.context(protocols: ["h2"]), group: group,
      onBound: onBound)
    server = GRPCServer(
      transport: Transport(listenerFactory: listener, config: configuration),
      services: [OpenInferenceCalls(service: service), HealthCalls(state: service.state)],
      interceptors: [EndOfStream(streams: streams)]
        + (access.token.map { [AuthorizingInterceptor(token: $0, metrics: metrics)] } ?? []))
  }

  /// Serves until a graceful shutdown has answered what was under way.
  ///
  /// - Throws: an `IOError` where the port cannot be bound.
  package func run() async throws {
    do {
      try await withGracefulShutdownHandler {
        try await server.serve()
      } onGracefulShutdown: {
        server.beginGracefulShutdown()
      }
    } catch let error as RuntimeError {
      throw error.cause ?? error
    }
  }
}
