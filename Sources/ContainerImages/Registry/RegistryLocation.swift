import APIClient
import Foundation

/// Where a registry answers, or where one of its answers sends to: an origin, and a path with its query as given.
package struct RegistryLocation: Hashable, Sendable {
  package var isSecure: Bool
  package var host: String
  package var port: Int
  /// Begins with a slash, and is encoded already.
  package var pathAndQuery: String

  package static let longest = 8192

  /// - Parameter base: where a location without an origin belongs to.
  /// - Returns: nil unless `text` is an address of http or https, or a path; what has a user or a fragment is none.
  package init?(_ text: String, from base: RegistryLocation? = nil) {
    guard text.utf8.count <= Self.longest, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
      !text.contains(where: { "#\\\"<>".contains($0) })
    else { return nil }
    if text.hasPrefix("/"), !text.hasPrefix("//"), let base {
      self = base
      pathAndQuery = text
      return
    }
    guard let scheme = text.range(of: "://") else { return nil }
    let rest = text[scheme.upperBound...]
    let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
    guard let endpoint = APIEndpoint(address: text[..<scheme.upperBound].lowercased() + rest[..<end]),
      case .network(let host, let port) = endpoint.place
    else { return nil }
    let path = rest[end...]
    isSecure = endpoint.tls != nil
    (self.host, self.port) = (host, port)
    pathAndQuery = path.hasPrefix("/") ? String(path) : "/" + path
  }

  /// The host, and the port where it is not the scheme's own.
  package var authority: String {
    let name = host.contains(":") ? "[\(host)]" : host
    return port == (isSecure ? 443 : 80) ? name : "\(name):\(port)"
  }

  /// Whether both are the same place, so that what one may know the other may.
  package func hasOrigin(of other: RegistryLocation) -> Bool {
    (isSecure, host.lowercased(), port) == (other.isSecure, other.host.lowercased(), other.port)
  }

  /// Adds a parameter to the query that the location has.
  package func adding(_ name: String, _ value: String) -> RegistryLocation {
    var location = self
    location.pathAndQuery += (pathAndQuery.contains("?") ? "&" : "?") + "\(name)=\(value)"
    return location
  }

  /// Whether the host is this machine, by its name alone.
  package static func isLoopback(_ host: String) -> Bool {
    if host.lowercased() == "localhost" || host == "::1" { return true }
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
  }
}
