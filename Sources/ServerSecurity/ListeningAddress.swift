/// Where a server listens, and who can reach it there.
package enum ListeningAddress {
  static func isLoopback(_ host: String) -> Bool {
    host == "localhost" || host == "::1" || host.hasPrefix("127.") && host.allSatisfy { $0.isNumber || $0 == "." }
  }

  /// One sentence where others than this machine can reach a server that does not keep them out.
  package static func warning(host: String, hasTLS: Bool, hasToken: Bool) -> String? {
    guard !isLoopback(host), !hasTLS || !hasToken else { return nil }
    let lacks = hasTLS ? "without a token" : hasToken ? "without TLS" : "without TLS and token"
    let remedy =
      [hasTLS ? nil : "--tls-certificate and --tls-key", hasToken ? nil : "--token-file"].compactMap { $0 }
      .joined(separator: " and ")
    return "serving on \(host) \(lacks): whoever reaches this address can use the models; see \(remedy)"
  }
}
