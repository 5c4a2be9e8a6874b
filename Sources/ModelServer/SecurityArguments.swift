import ArgumentParser
import ServerSecurity

/// Who may use a server, and how it is kept from others.
struct SecurityArguments: ParsableArguments {
  @Option(help: "PEM file of the server's certificate and its chain: HTTP and gRPC speak TLS.")
  var tlsCertificate: String?
  @Option(help: "PEM file of the certificate's private key, without a passphrase.") var tlsKey: String?
  @Option(help: "PEM file of authorities; clients must show a certificate that one of them signed.")
  var tlsClientCa: String?
  @Option(
    help: "File of tokens, one a line; requests must carry one. MODEL_SERVER_TOKEN holds one without a file.")
  var tokenFile: String?
  @Flag(help: "Answer /metrics without a token too.") var openMetrics = false

  func validate() throws {
    guard (tlsCertificate == nil) == (tlsKey == nil) else {
      throw ValidationError("--tls-certificate and --tls-key go together")
    }
    guard tlsClientCa == nil || tlsCertificate != nil else {
      throw ValidationError("--tls-client-ca needs --tls-certificate and --tls-key")
    }
  }

  /// What the options and the environment say.
  ///
  /// - Throws: `FileError` about a file that cannot be used.
  func access(environment: [String: String]) throws -> ServerAccess {
    var access = ServerAccess()
    if let tlsCertificate, let tlsKey {
      access.transportSecurity = try TransportSecurity(
        certificate: tlsCertificate, key: tlsKey, clientAuthority: tlsClientCa)
    }
    if let tokenFile {
      access.token = try BearerToken(file: tokenFile)
    } else if let text = environment["MODEL_SERVER_TOKEN"] {
      // Set but empty is an error: where it is set, the server is meant to be closed.
      access.token = try BearerToken(text, source: "MODEL_SERVER_TOKEN")
    }
    access.opensMetrics = openMetrics
    return access
  }
}
