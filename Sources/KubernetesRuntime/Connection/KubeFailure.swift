import APIClient
import Executor
import Foundation

/// A cluster's "no": an object of the kind Status, and what it was said to.
package struct KubeFailure: Error, Hashable {
  var code: Int
  /// One of the API's words: `Forbidden`, `AlreadyExists`, `Conflict`, `Expired`, …
  var reason: String
  var message: String
  /// What was asked: `create deployments.apps in namespace 'mpi'`.
  var request: String

  struct Status: Decodable {
    var message: String?
    var reason: String?
    var code: Int?
  }

  package init(code: Int, reason: String, message: String, request: String) {
    self.code = code
    self.reason = reason
    self.message = message
    self.request = request
  }

  init(_ status: Status, code: Int, request: String) {
    self.init(
      code: status.code ?? code, reason: status.reason ?? "", message: Self.oneLine(status.message ?? ""),
      request: request)
  }

  /// - Parameter body: of the answer, a Status where the API itself gave it.
  init(code: Int, body: [UInt8], request: String) {
    let status = try? JSONDecoder().decode(Status.self, from: Data(body))
    self.init(status ?? Status(), code: code, request: request)
  }

  var isNotFound: Bool { code == 404 }
  /// What a watch begins from is older than what the cluster still has.
  var isExpired: Bool { code == 410 || reason == "Expired" || reason == "Gone" }

  /// Answers of others go to terminals: no control characters, and no more of them than a person reads.
  static func oneLine(_ text: String) -> String {
    let words = text.unicodeScalars.map { $0.value < 0x20 || (0x7f...0x9f).contains($0.value) ? " " : String($0) }
    let line = words.joined()
    return line.utf8.count > 1000 ? "\(line.prefix(1000))…" : line
  }

  /// The sentence for the user.
  ///
  /// - Parameter cluster: what the user calls the cluster.
  package func error(cluster: String) -> RuntimeError {
    let said = message.isEmpty ? "" : " (\(message))"
    switch code {
    case 401:
      return RuntimeError(
        .unavailable, "the cluster '\(cluster)' does not know who asks, or no longer (401)",
        remedy: "log in again, and try: kubectl --context '\(cluster)' get pods")
    case 403 where message.contains("exceeded quota"):
      return RuntimeError(
        .noCapacity, "a quota of the namespace is used up\(said)",
        remedy: "have the quota raised, or deploy fewer nodes")
    case 403 where message.contains("violates PodSecurity"):
      return RuntimeError(
        .unavailable, "the namespace's Pod Security refuses the pod\(said)", remedy: "deploy to another namespace")
    case 403 where message.contains("being terminated"):
      return RuntimeError(
        .unavailable, "the namespace is being deleted\(said)", remedy: "wait until it is gone, and run it again")
    case 403:
      return RuntimeError(
        .unavailable, "the cluster '\(cluster)' does not let you \(request)\(said)",
        remedy: "have an administrator apply the roles that `planner deploy manifests` writes into administrator/")
    case 404:
      return RuntimeError(
        .notFound, "the cluster '\(cluster)' has nothing to \(request)\(said)", remedy: "check the name and namespace")
    case 409:
      return RuntimeError(
        .conflict, "the cluster '\(cluster)' has something else there: could not \(request)\(said)",
        remedy: "remove or rename what others made, or deploy to another namespace")
    case 400, 422:
      return RuntimeError(
        .conflict, "the cluster '\(cluster)' takes the values not: could not \(request)\(said)",
        remedy: "look at them with: planner deploy manifests")
    default:
      return RuntimeError(
        .unavailable, "the cluster '\(cluster)' could not \(request): status \(code)\(said)", remedy: "try again later")
    }
  }
}

extension RuntimeError {
  /// A cluster that gave no answer.
  init(_ error: APIError, cluster: String) {
    let remedy =
      switch error {
      case .unreachable, .timedOut: "check the address in the kubeconfig, the network, and whether the cluster runs"
      case .tls: "check certificate-authority and client-certificate in the kubeconfig"
      case .tooLarge: "ask for less"
      }
    self.init(.unavailable, "the cluster '\(cluster)' \(error)", remedy: remedy)
  }
}
