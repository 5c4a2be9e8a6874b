/// By what a user is known to a registry. Printed nowhere: its description says only which kind it is.
public struct RegistryCredentials: Sendable, CustomStringConvertible, CustomDebugStringConvertible {
  package enum Kind: Sendable {
    case password(user: String, secret: String)
    /// Exchanged for a token at the registry's authority.
    case identityToken(String)
  }

  package let kind: Kind

  public var description: String {
    switch kind {
    case .password: "a user and a password"
    case .identityToken: "an identity token"
    }
  }

  public var debugDescription: String { description }

  /// Value of the header `Authorization` for Basic authentication; nil of an identity token.
  package var basic: String? {
    guard case .password(let user, let secret) = kind else { return nil }
    return "Basic " + Base64.encode(Array("\(user):\(secret)".utf8))
  }

  /// What a helper or a file says: the user `<token>` means that the secret is an identity token.
  package init?(user: String, secret: String) {
    guard !secret.isEmpty else { return nil }
    // What a header cannot hold would end it, or be refused with the secret in the message.
    guard (user + secret).unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }) else { return nil }
    kind = user == "<token>" ? .identityToken(secret) : .password(user: user, secret: secret)
  }
}
