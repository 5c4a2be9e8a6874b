import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import Logging
import NIOCore
import NIOPosix
import ServerSecurity
import ServiceLifecycle
import Serving

/// The HTTP side of a server: listener, limits, access and routes.
package enum HTTPFrontEnd {
  /// - Parameter onBound: called with the port, once it is bound.
  /// - Throws: what `TransportSecurity` does.
  package static func make(
    _ service: InferenceService, access: ServerAccess, group: MultiThreadedEventLoopGroup, logger: Logger,
    onBound: @escaping @Sendable (Int) -> Void
  ) throws -> some Service {
    let options = service.options
    if let warning = ListeningAddress.warning(
      host: options.host, hasTLS: access.transportSecurity != nil, hasToken: access.token != nil)
    {
      logger.warning("\(warning)")
    }
    var configuration = ApplicationConfiguration(
      address: .hostname(options.host, port: options.port), serverName: nil)
    configuration.backlog = 1024
    configuration.availableConnectionsDelegate = ConnectionLimits.connections(logger)
    return Application(
      responder: AuthorizingResponder(
        ServerResponder(service: service, logger: logger), token: access.token, opensMetrics: access.opensMetrics,
        metrics: service.state.metrics),
      server: try secured(ConnectionLimits.server(options), access.transportSecurity),
      configuration: configuration, onServerRunning: { onBound($0.localAddress?.port ?? 0) },
      eventLoopGroupProvider: .shared(group), logger: logger)
  }

  private static func secured(_ server: HTTPServerBuilder, _ security: TransportSecurity?) throws -> HTTPServerBuilder {
    guard let security else { return server }
    return try .tls(server, tlsConfiguration: security.configuration(protocols: ["http/1.1"]))
  }
}
