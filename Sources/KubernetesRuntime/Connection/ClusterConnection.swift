import APIClient
import Foundation
import PlannerFiles
import Yams

/// A cluster, who asks it, and the namespace that is meant where none is named.
public struct ClusterConnection: Sendable {
  package var endpoint: APIEndpoint
  package var credentials: CredentialSource
  /// Namespace of the context; nil where it names none.
  public var namespace: String?
  /// What the user calls it: the context's name.
  public var name: String

  /// The connection that kubectl would use: of a context of the kubeconfig, or, in a pod without one, of the pod's own
  /// account.
  ///
  /// - Parameters:
  ///   - context: nil takes the current one.
  ///   - accountFolder: where a pod finds its account.
  /// - Throws: `FileError` that names file and key.
  public static func open(
    context: String? = nil, environment: [String: String] = ProcessInfo.processInfo.environment,
    accountFolder: String = "/var/run/secrets/kubernetes.io/serviceaccount"
  ) throws(FileError) -> ClusterConnection {
    let config = try Kubeconfig.load(environment: environment)
    if context == nil, config.currentContext == nil, config.contexts.isEmpty {
      if let own = try inCluster(environment: environment, folder: accountFolder) { return own }
    }
    return try open(config, context: context)
  }

  private static func open(_ config: Kubeconfig, context: String?) throws(FileError) -> ClusterConnection {
    let files = config.files.isEmpty ? "~/.kube/config" : config.files.joined(separator: ", ")
    func unavailable(_ message: String, _ remedy: String) -> FileError {
      FileError(.unavailable, [FileProblem(file: files, message: message, remedy: remedy)])
    }
    guard let name = context ?? config.currentContext else {
      throw unavailable(
        config.files.isEmpty ? "there is no such file, and this is no pod of a cluster" : "has no current-context",
        config.files.isEmpty
          ? "write one, for example with: aws eks update-kubeconfig --name CLUSTER"
          : "choose one with: kubectl config use-context NAME")
    }
    guard let entry = config.contexts[name] else {
      let known = config.contexts.keys.sorted().prefix(20).joined(separator: ", ")
      throw unavailable("has no context '\(name)'", known.isEmpty ? "it has none at all" : "it has: \(known)")
    }
    guard let clusterName = try entry.text("cluster"), let cluster = config.clusters[clusterName] else {
      throw entry.bad("cluster", "names no cluster of the file")
    }
    var credentials = CredentialSource.none
    var identity: TLSSettings.Identity?
    if let userName = try entry.text("user") {
      guard let user = config.users[userName] else { throw entry.bad("user", "names no user of the file") }
      (credentials, identity) = try KubeconfigUser.read(user, cluster: cluster)
    }
    return ClusterConnection(
      endpoint: try endpoint(cluster, identity: identity), credentials: credentials,
      namespace: try entry.text("namespace"), name: name)
  }

  /// Where a cluster's entry says that the cluster is, and how it is known.
  static func endpoint(_ cluster: Kubeconfig.Entry, identity: TLSSettings.Identity?) throws(FileError) -> APIEndpoint {
    guard let server = try cluster.text("server") else { throw cluster.bad("server", "is missing") }
    if try cluster.text("proxy-url") != nil {
      throw cluster.bad(
        "proxy-url", "names a proxy, and this program speaks to clusters directly only",
        "run it where the cluster can be reached, and leave the key out")
    }
    var tls = TLSSettings(identity: identity)
    tls.serverName = try cluster.text("tls-server-name")
    let authorities = try cluster.bytes("certificate-authority")
    if try cluster.flag("insecure-skip-tls-verify") {
      guard authorities == nil else {
        throw cluster.bad("insecure-skip-tls-verify", "is true beside a certificate-authority", "keep one of them")
      }
      tls.trust = .anyone
    } else if let authorities {
      tls.trust = .authorities(pem: authorities)
    }
    guard let endpoint = APIEndpoint(address: server, tls: tls) else {
      throw cluster.bad("server", "is no address such as https://HOST:PORT")
    }
    return endpoint
  }

  /// The account of the pod that this program runs in; nil where it runs in none.
  static func inCluster(environment: [String: String], folder: String) throws(FileError) -> ClusterConnection? {
    guard let host = environment["KUBERNETES_SERVICE_HOST"], let port = environment["KUBERNETES_SERVICE_PORT"],
      FileManager.default.fileExists(atPath: "\(folder)/token")
    else { return nil }
    let authorities = try AtomicFile.read("\(folder)/ca.crt")
    let address = "https://" + (host.contains(":") ? "[\(host)]" : host) + ":\(port)"
    guard
      let endpoint = APIEndpoint(address: address, tls: TLSSettings(trust: .authorities(pem: Array(authorities.utf8))))
    else {
      throw FileError(
        .badData, [FileProblem(file: "KUBERNETES_SERVICE_HOST", message: "and _PORT are no address of a cluster")])
    }
    let namespace = (try? AtomicFile.read("\(folder)/namespace"))?.trimmingCharacters(in: .whitespacesAndNewlines)
    return ClusterConnection(
      endpoint: endpoint, credentials: .tokenFile("\(folder)/token"), namespace: namespace, name: "this pod's account")
  }
}

/// Who asks, as a user's entry of a kubeconfig says it.
enum KubeconfigUser {
  static func read(
    _ user: Kubeconfig.Entry, cluster: Kubeconfig.Entry
  ) throws(FileError) -> (CredentialSource, TLSSettings.Identity?) {
    for key in ["auth-provider", "username", "password", "as"] where try has(user, key) {
      let remedy =
        key == "auth-provider"
        ? "such providers are gone from Kubernetes since 1.26; use an exec plugin"
        : "use a certificate, a token or an exec plugin"
      throw user.bad(key, "is a way to say who asks that this program does not know", remedy)
    }
    let certificate = try user.bytes("client-certificate")
    let key = try user.bytes("client-key")
    if certificate != nil, key == nil { throw user.bad("client-key", "is missing beside the certificate") }
    if certificate == nil, key != nil { throw user.bad("client-certificate", "is missing beside the key") }
    var identity: TLSSettings.Identity?
    if let certificate, let key { identity = .init(certificatePEM: certificate, keyPEM: key) }
    // A file's token is the newer one where both are there.
    if let file = try user.text("tokenFile") { return (.tokenFile(user.path(file)), identity) }
    if let token = try user.text("token") {
      guard CredentialSource.isToken(token) else { throw user.bad("token", "has a character that no token has") }
      return (.token(token), identity)
    }
    if try has(user, "exec") { return (.plugin(try ExecPlugin.read(user, cluster: cluster)), identity) }
    return (.none, identity)
  }

  private static func has(_ user: Kubeconfig.Entry, _ key: String) throws(FileError) -> Bool {
    guard let value = user.node.mapping?[Node(key)] else { return false }
    return value.scalar?.string.isEmpty != true
  }
}
