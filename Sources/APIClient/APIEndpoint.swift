import PlannerCore

/// Where an HTTP interface answers: an engine's socket, a cluster's API server, a registry.
public struct APIEndpoint: Hashable, Sendable {
  public enum Place: Hashable, Sendable {
    /// A host and a port of a network. `host` is a name or an address, one of IPv6 without brackets.
    case network(host: String, port: Int)
    /// A socket of this machine, by its path.
    case socket(path: String)
  }

  public var place: Place
  /// Nil speaks without encryption.
  public var tls: TLSSettings?
  /// Path that stands before the path of every request, such as `/k8s/clusters/c-1`; empty, or with a slash in front
  /// and none behind.
  public var basePath: String

  public init(_ place: Place, tls: TLSSettings? = nil, basePath: String = "") {
    self.place = place
    self.tls = tls
    self.basePath = basePath
  }

  /// - Returns: nil unless `address` is `http://` or `https://`, a host, perhaps a port and perhaps a path; what has a
  ///   user, a query or a fragment is none.
  public init?(address: String, tls: TLSSettings = TLSSettings()) {
    let isSecure: Bool
    let rest: Substring
    if address.hasPrefix("https://") {
      (isSecure, rest) = (true, address.dropFirst(8))
    } else if address.hasPrefix("http://") {
      (isSecure, rest) = (false, address.dropFirst(7))
    } else {
      return nil
    }
    guard rest.utf8.allSatisfy({ (0x21...0x7e).contains($0) }), !rest.contains(where: { "@?#\\\"<>".contains($0) })
    else { return nil }
    let slash = rest.firstIndex(of: "/") ?? rest.endIndex
    var path = String(rest[slash...])
    while path.hasSuffix("/") { path.removeLast() }
    guard let (host, port) = Self.split(rest[..<slash], otherwise: isSecure ? 443 : 80) else { return nil }
    self.init(.network(host: host, port: port), tls: isSecure ? tls : nil, basePath: path)
  }

  private static func split(_ authority: Substring, otherwise port: Int) -> (String, Int)? {
    if authority.hasPrefix("[") {
      guard let end = authority.firstIndex(of: "]") else { return nil }
      let host = authority[authority.index(after: authority.startIndex)..<end]
      let rest = authority[authority.index(after: end)...]
      if rest.isEmpty { return host.isEmpty ? nil : (String(host), port) }
      guard rest.hasPrefix(":"), let number = Self.port(rest.dropFirst()) else { return nil }
      return host.isEmpty ? nil : (String(host), number)
    }
    let parts = authority.split(separator: ":", omittingEmptySubsequences: false)
    switch parts.count {
    case 1 where !parts[0].isEmpty: return (String(parts[0]), port)
    case 2 where !parts[0].isEmpty: return Self.port(parts[1]).map { (String(parts[0]), $0) }
    default: return nil
    }
  }

  private static func port(_ text: Substring) -> Int? {
    guard text.utf8.count <= 5, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return Int(text).flatMap { (1...65535).contains($0) ? $0 : nil }
  }

  /// The address of a path there, as the library that asks wants it.
  func address(of path: String) -> String {
    switch place {
    case .network(let host, let port):
      let asked = tls?.serverName ?? host
      let name = asked.contains(":") ? "[\(asked)]" : asked
      return (tls == nil ? "http://" : "https://") + "\(name):\(port)\(basePath)\(path)"
    case .socket(let socket):
      return (tls == nil ? "http+unix://" : "https+unix://") + PercentEncoding.component(socket) + basePath + path
    }
  }
}

/// How an encrypted connection is made. Certificates and keys are PEM.
public struct TLSSettings: Hashable, Sendable {
  public enum Trust: Hashable, Sendable {
    /// Authorities that this machine trusts.
    case system
    /// These authorities and no others.
    case authorities(pem: [UInt8])
    /// Whoever answers, where the user's own configuration says so.
    case anyone
  }

  public var trust: Trust
  /// Certificate, perhaps with its chain, and key by which the client says who it is.
  public var identity: Identity?
  /// Name that the server's certificate has to have; nil takes the address's host.
  public var serverName: String?

  public struct Identity: Hashable, Sendable {
    public var certificatePEM: [UInt8]
    public var keyPEM: [UInt8]

    public init(certificatePEM: [UInt8], keyPEM: [UInt8]) {
      self.certificatePEM = certificatePEM
      self.keyPEM = keyPEM
    }
  }

  public init(trust: Trust = .system, identity: Identity? = nil, serverName: String? = nil) {
    self.trust = trust
    self.identity = identity
    self.serverName = serverName
  }
}
