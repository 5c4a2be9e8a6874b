import Foundation

/// The user's docker configuration, as far as it says how to log in: `auths`, `credsStore`, `credHelpers`.
///
/// Form: docs.docker.com/reference/cli/docker/login, "Credential stores" and "Credential helpers".
public struct DockerConfig: Sendable {
  /// Path of the file, for messages; nil where there is none.
  let path: String?
  private let content: Content
  private let environment: [String: String]

  private struct Content: Decodable, Sendable {
    struct Login: Decodable, Sendable {
      var auth: String?
      var username: String?
      var password: String?
      var identitytoken: String?
    }

    var auths: [String: Login]?
    var credsStore: String?
    var credHelpers: [String: String]?
  }

  static let mostBytes = 4 << 20
  /// What the file calls Docker Hub.
  static let dockerHub = "https://index.docker.io/v1/"

  /// Reads `config.json` of the folder that `DOCKER_CONFIG` names, else of `~/.docker`.
  ///
  /// - Throws: `ImageError` where the file is there and cannot be read, or is no such configuration. What is in it is
  ///   no part of the message.
  public init(environment: [String: String]) throws(ImageError) {
    self.environment = environment
    let own = environment["DOCKER_CONFIG"].flatMap { $0.isEmpty ? nil : $0 }
    let home = environment["HOME"].flatMap { $0.isEmpty ? nil : $0 + "/.docker" }
    guard let folder = own ?? home, access(folder + "/config.json", F_OK) == 0 else {
      (path, content) = (nil, Content())
      return
    }
    let file = folder + "/config.json"
    path = file
    content = try OCIJSON.read(
      Content.self, try InputFile.contents(file, limit: Self.mostBytes), source: file, what: "a docker configuration")
  }

  /// How the user logs in to a registry; nil where the configuration does not say, and so anonymously.
  ///
  /// - Parameter registry: host and perhaps port, as in a reference.
  /// - Throws: `ImageError` where a helper is named and fails.
  public func credentials(for registry: String) async throws -> RegistryCredentials? {
    let server = registry == ImageReference.dockerHub ? Self.dockerHub : registry
    if let helper = Self.entry(for: registry, in: content.credHelpers ?? [:]), !helper.isEmpty {
      return try await CredentialHelper(helper, source: path ?? "", environment: environment).get(server)
    }
    if let helper = content.credsStore, !helper.isEmpty,
      let found = try await CredentialHelper(helper, source: path ?? "", environment: environment).get(server)
    {
      return found
    }
    guard let login = Self.entry(for: registry, in: content.auths ?? [:]) else { return nil }
    if let token = login.identitytoken, !token.isEmpty { return RegistryCredentials(user: "<token>", secret: token) }
    if let auth = login.auth, !auth.isEmpty {
      guard let bytes = Base64.decode(auth), let text = String(validating: bytes, as: UTF8.self),
        let colon = text.firstIndex(of: ":")
      else {
        throw ImageError.badData(
          "\(path ?? ""): the login for \(registry) is damaged; log in again with: docker login \(registry)")
      }
      // Written with zero bytes behind it by old versions.
      let secret = text[text.index(after: colon)...].prefix { $0 != "\0" }
      return RegistryCredentials(user: String(text[..<colon]), secret: String(secret))
    }
    return RegistryCredentials(user: login.username ?? "", secret: login.password ?? "")
  }

  /// Keys may be hosts or addresses with a scheme and a path; what counts is the host.
  private static func entry<Value>(for registry: String, in entries: [String: Value]) -> Value? {
    if registry == ImageReference.dockerHub, let found = entries[dockerHub] { return found }
    if let found = entries[registry] { return found }
    let names = registry == ImageReference.dockerHub ? ["index.docker.io", registry] : [registry]
    return entries.keys.sorted().first { names.contains(host($0)) }.flatMap { entries[$0] }
  }

  private static func host(_ key: String) -> String {
    var rest = key[...]
    for scheme in ["https://", "http://"] where rest.hasPrefix(scheme) { rest = rest.dropFirst(scheme.count) }
    return String(rest.prefix { $0 != "/" })
  }
}
