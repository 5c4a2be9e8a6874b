import Foundation
import NIOSSL
import PlannerFiles

/// Certificate and key with which the server speaks TLS 1.2 or newer, for HTTP and gRPC alike.
package struct TransportSecurity: Sendable {
  private let certificates: [NIOSSLCertificate]
  private let key: NIOSSLPrivateKey
  private let clientAuthorities: [NIOSSLCertificate]

  /// Reads PEM files, and tries whether they fit together.
  ///
  /// - Parameter clientAuthority: clients must show a certificate that one of these signed; nil asks for none.
  /// - Throws: `FileError` (`badData`): one sentence about the file that cannot be used.
  package init(certificate: String, key keyFile: String, clientAuthority: String? = nil) throws(FileError) {
    certificates = try Self.certificates(in: certificate)
    let keyBytes = try Self.bytes(of: keyFile)
    do {
      // Without a passphrase: a server cannot ask for one.
      key = try NIOSSLPrivateKey(bytes: keyBytes, format: .pem)
    } catch {
      throw Self.problem(keyFile, "holds no private key that can be used", "give a PEM file without a passphrase")
    }
    clientAuthorities = try clientAuthority.map { (file) throws(FileError) in try Self.certificates(in: file) } ?? []
    do {
      _ = try context(protocols: [])
    } catch {
      throw Self.problem(
        keyFile, "is not the key of the certificate in \(certificate)",
        "give the key with which the certificate was requested")
    }
  }

  /// - Parameter protocols: what the server offers to speak (ALPN), the preferred first.
  package func configuration(protocols: [String]) -> TLSConfiguration {
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: certificates.map { .certificate($0) }, privateKey: .privateKey(key))
    configuration.minimumTLSVersion = .tlsv12
    configuration.applicationProtocols = protocols
    if !clientAuthorities.isEmpty {
      configuration.certificateVerification = .noHostnameVerification
      configuration.trustRoots = .certificates(clientAuthorities)
    }
    return configuration
  }

  package func context(protocols: [String]) throws -> NIOSSLContext {
    try NIOSSLContext(configuration: configuration(protocols: protocols))
  }

  private static func certificates(in file: String) throws(FileError) -> [NIOSSLCertificate] {
    let bytes = try bytes(of: file)
    guard let certificates = try? NIOSSLCertificate.fromPEMBytes(bytes), !certificates.isEmpty else {
      throw problem(
        file, "holds no certificate that can be used", "give a PEM file, the server's own certificate first")
    }
    return certificates
  }

  private static func bytes(of file: String) throws(FileError) -> [UInt8] {
    guard let data = FileManager.default.contents(atPath: file) else {
      throw problem(file, "cannot be read", "give a PEM file that this user may read")
    }
    return Array(data)
  }

  private static func problem(_ file: String, _ message: String, _ remedy: String) -> FileError {
    FileError(.badData, [FileProblem(file: file, message: message, remedy: remedy)])
  }
}
