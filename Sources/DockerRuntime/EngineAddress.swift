import APIClient
import Crypto
import Executor
import Foundation

/// Where a container engine answers, found as Docker's own command finds it: `DOCKER_HOST`, else the context that
/// `DOCKER_CONTEXT` or the user's configuration names, else the usual socket.
public struct EngineAddress: Hashable, Sendable {
  public static let usualSocket = "/var/run/docker.sock"

  public var endpoint: APIEndpoint
  /// The address as the user would write it: `unix:///var/run/docker.sock`.
  public var text: String

  /// Whether containers run on this machine, as far as the address tells.
  public var isLocal: Bool {
    switch endpoint.place {
    case .socket: true
    case .network(let host, _): ["localhost", "127.0.0.1", "::1"].contains(host)
    }
  }

  /// The name by which ports of the engine's machine are reached from here.
  var host: String {
    switch endpoint.place {
    case .socket: "127.0.0.1"
    case .network(let host, _): host
    }
  }

  /// - Parameters:
  ///   - environment: variables of the program.
  ///   - home: the user's home folder.
  /// - Throws: `RuntimeError` (`unavailable`) that names the variable or the file which cannot be used.
  public static func find(environment: [String: String], home: String) throws(RuntimeError) -> EngineAddress {
    let configuration = environment["DOCKER_CONFIG"].flatMap { $0.isEmpty ? nil : $0 } ?? home + "/.docker"
    if let host = environment["DOCKER_HOST"], !host.isEmpty {
      var tls: TLSSettings?
      if let verify = environment["DOCKER_TLS_VERIFY"], !verify.isEmpty {
        let folder = environment["DOCKER_CERT_PATH"].flatMap { $0.isEmpty ? nil : $0 } ?? configuration
        tls = try certificates(in: folder, isVerified: true)
      }
      return try parse(host, tls: tls, source: "DOCKER_HOST")
    }
    let context =
      environment["DOCKER_CONTEXT"].flatMap { $0.isEmpty ? nil : $0 } ?? currentContext(in: configuration)
    if let context, context != "default" { return try read(context: context, configuration) }
    return try parse("unix://" + usualSocket, tls: nil, source: "the usual socket")
  }

  /// - Parameters:
  ///   - source: what said so, for the sentence about an address that cannot be used.
  static func parse(_ text: String, tls: TLSSettings?, source: String) throws(RuntimeError) -> EngineAddress {
    func refuse(_ reason: String) -> RuntimeError {
      RuntimeError(
        .unavailable, "\(source) is '\(EngineText.plain(text, most: 200))', \(reason)",
        remedy: "write unix:///path/to/socket or tcp://host:port")
    }
    if text.hasPrefix("unix://") {
      let path = String(text.dropFirst("unix://".count))
      guard path.hasPrefix("/"), !path.utf8.contains(0) else { throw refuse("which names no socket by its full path") }
      return EngineAddress(endpoint: APIEndpoint(.socket(path: path)), text: text)
    }
    guard let colon = text.range(of: "://") else { throw refuse("which is no address") }
    let (scheme, rest) = (text[..<colon.lowerBound], text[colon.upperBound...])
    guard ["tcp", "http", "https"].contains(scheme) else {
      throw refuse("and \(scheme):// is not spoken here")
    }
    let isSecure = tls != nil || scheme == "https"
    // An address of IPv6 stands in brackets.
    let hasPort = (rest.first == "[" ? rest.drop { $0 != "]" } : rest).contains(":")
    let address = "\(isSecure ? "https" : "http")://\(rest)" + (hasPort ? "" : isSecure ? ":2376" : ":2375")
    guard let endpoint = APIEndpoint(address: address, tls: tls ?? TLSSettings()) else {
      throw refuse("which names no host and port")
    }
    return EngineAddress(endpoint: endpoint, text: text)
  }

  // MARK: Docker's own files

  private struct Configuration: Decodable { var currentContext: String? }

  private static func currentContext(in folder: String) -> String? {
    guard let data = FileManager.default.contents(atPath: folder + "/config.json"), data.count < 1 << 20 else {
      return nil
    }
    return (try? JSONDecoder().decode(Configuration.self, from: data))?.currentContext.flatMap { $0.isEmpty ? nil : $0 }
  }

  private struct Context: Decodable {
    struct Endpoint: Decodable {
      var host: String
      var skipsVerification: Bool?

      enum CodingKeys: String, CodingKey {
        case host = "Host"
        case skipsVerification = "SkipTLSVerify"
      }
    }
    var endpoints: [String: Endpoint]

    enum CodingKeys: String, CodingKey { case endpoints = "Endpoints" }
  }

  /// Contexts lie in folders that are named by the SHA-256 of their names.
  private static func read(context: String, _ configuration: String) throws(RuntimeError) -> EngineAddress {
    let digest = SHA256.hash(data: Data(context.utf8)).map { byte in
      let digits = String(byte, radix: 16)
      return digits.count < 2 ? "0" + digits : digits
    }.joined()
    let file = "\(configuration)/contexts/meta/\(digest)/meta.json"
    let name = EngineText.plain(context, most: 100)
    guard let data = FileManager.default.contents(atPath: file), data.count < 1 << 20 else {
      throw RuntimeError(
        .unavailable, "there is no docker context '\(name)' (\(file))",
        remedy: "list them with: docker context ls, or set DOCKER_HOST")
    }
    guard let endpoint = (try? JSONDecoder().decode(Context.self, from: data))?.endpoints["docker"] else {
      throw RuntimeError(
        .unavailable, "\(file) does not say where the docker context '\(name)' answers", remedy: "set DOCKER_HOST")
    }
    let folder = "\(configuration)/contexts/tls/\(digest)/docker"
    let hasFolder = FileManager.default.fileExists(atPath: folder)
    let tls = hasFolder ? try certificates(in: folder, isVerified: endpoint.skipsVerification != true) : nil
    return try parse(endpoint.host, tls: tls, source: "the docker context '\(name)'")
  }

  /// `ca.pem`, `cert.pem` and `key.pem` of a folder; without the first the system's authorities are trusted, without
  /// the others the engine is not told who asks.
  private static func certificates(in folder: String, isVerified: Bool) throws(RuntimeError) -> TLSSettings {
    func read(_ name: String) -> [UInt8]? { FileManager.default.contents(atPath: "\(folder)/\(name)").map(Array.init) }
    let (authorities, certificate, key) = (read("ca.pem"), read("cert.pem"), read("key.pem"))
    guard authorities != nil || certificate != nil else {
      throw RuntimeError(
        .unavailable, "\(folder) holds neither ca.pem nor cert.pem", remedy: "set DOCKER_CERT_PATH to where they are")
    }
    guard (certificate == nil) == (key == nil) else {
      throw RuntimeError(
        .unavailable, "\(folder) holds only one of cert.pem and key.pem", remedy: "put both there, or neither")
    }
    var settings = TLSSettings(trust: isVerified ? authorities.map { .authorities(pem: $0) } ?? .system : .anyone)
    if let certificate, let key { settings.identity = .init(certificatePEM: certificate, keyPEM: key) }
    return settings
  }
}
