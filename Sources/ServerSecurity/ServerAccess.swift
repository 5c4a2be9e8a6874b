/// Who may use a server, and how it is kept from others.
package struct ServerAccess: Sendable {
  /// Certificate and key of TLS; nil speaks plain text.
  package var transportSecurity: TransportSecurity?
  /// Tokens of which each request must carry one; nil answers all clients.
  package var token: BearerToken?
  /// Whether metrics are answered to clients without a token too.
  package var opensMetrics = false

  package init() {}
}
