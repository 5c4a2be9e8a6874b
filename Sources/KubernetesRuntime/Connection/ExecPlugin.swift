import Executor
import Foundation
import PlannerFiles
import Synchronization
import Yams

/// A program that a kubeconfig names and that tells who asks (client.authentication.k8s.io), such as
/// `aws eks get-token`.
///
/// It runs exactly as the file says: the command with its arguments, no shell in between, its environment on top of
/// this program's own, and nothing to read on standard input.
package struct ExecPlugin: Hashable, Sendable {
  var apiVersion: String
  /// An absolute path, or a name that is looked up in PATH.
  var command: String
  var arguments: [String]
  var environment: [String: String]
  /// What the file tells a user who lacks the program.
  var installHint: String?
  /// Where the plugin is described, for messages.
  var place: String
  /// JSON of the cluster where the plugin wants to know it.
  var clusterInfo: [String: String]?

  static let versions = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"]
  static let timeLimit: Duration = .seconds(60)

  static func read(_ user: Kubeconfig.Entry, cluster: Kubeconfig.Entry) throws(FileError) -> ExecPlugin {
    guard let node = user.node.mapping?["exec"], node.mapping != nil else {
      throw user.bad("exec", "is not a mapping of keys to values")
    }
    let entry = Kubeconfig.Entry(file: user.file, line: node.mark?.line, key: "\(user.key).exec", node: node)
    guard let command = try entry.text("command") else { throw entry.bad("command", "is missing") }
    guard let version = try entry.text("apiVersion") else { throw entry.bad("apiVersion", "is missing") }
    guard versions.contains(version) else {
      throw entry.bad(
        "apiVersion", "is '\(version.prefix(80))', which this program does not speak",
        "bring the plugin up to date; known are \(versions.joined(separator: " and "))")
    }
    if try entry.text("interactiveMode") == "Always" {
      throw entry.bad("interactiveMode", "is Always, and nobody is asked here", "use a plugin that needs no input")
    }
    return ExecPlugin(
      apiVersion: version, command: command.contains("/") ? entry.path(command) : command,
      arguments: try texts(entry, "args"), environment: try variables(entry),
      installHint: try entry.text("installHint"), place: "\(user.file): \(user.key).exec",
      clusterInfo: try entry.flag("provideClusterInfo") ? try information(cluster) : nil)
  }

  private static func texts(_ entry: Kubeconfig.Entry, _ name: String) throws(FileError) -> [String] {
    guard let list = entry.node.mapping?[Node(name)] else { return [] }
    if list.scalar?.string == "null" || list.scalar?.string == "" { return [] }
    guard let items = list.sequence else { throw entry.bad(name, "is not a list") }
    var texts: [String] = []
    for item in items {
      guard let text = item.scalar?.string, !text.utf8.contains(0) else {
        throw entry.bad(name, "holds what is no text")
      }
      texts.append(text)
    }
    return texts
  }

  private static func variables(_ entry: Kubeconfig.Entry) throws(FileError) -> [String: String] {
    guard let list = entry.node.mapping?["env"] else { return [:] }
    if list.scalar?.string == "null" || list.scalar?.string == "" { return [:] }
    guard let items = list.sequence else { throw entry.bad("env", "is not a list") }
    var variables: [String: String] = [:]
    for item in items {
      guard let name = item.mapping?["name"]?.string, let value = item.mapping?["value"]?.scalar?.string,
        !name.isEmpty, !name.contains("="), !name.utf8.contains(0), !value.utf8.contains(0)
      else { throw entry.bad("env", "holds what is no variable with name and value") }
      variables[name] = value
    }
    return variables
  }

  private static func information(_ cluster: Kubeconfig.Entry) throws(FileError) -> [String: String] {
    var information = ["server": try cluster.text("server") ?? ""]
    if let name = try cluster.text("tls-server-name") { information["tls-server-name"] = name }
    if let bytes = try cluster.bytes("certificate-authority") {
      information["certificate-authority-data"] = Data(bytes).base64EncodedString()
    }
    return information
  }

  // MARK: Running it

  /// What a plugin says, as much of it as may be an answer.
  private final class Heard: Sendable {
    private let said = Mutex<(output: String?, problem: String?)>(("", nil))

    func output(_ line: String) {
      said.withLock { said in
        guard let before = said.output else { return }
        said.output = before.utf8.count + line.utf8.count > 1 << 20 ? nil : before + line + "\n"
      }
    }

    func problem(_ line: String) { said.withLock { if !line.isEmpty { $0.problem = line } } }

    /// Standard output; nil where it is too long for an answer.
    var text: String? { said.withLock { $0.output } }
    var lastProblem: String? { said.withLock { $0.problem } }
  }

  private struct Answer: Decodable {
    struct Status: Decodable {
      var token: String?
      var expirationTimestamp: String?
      var clientCertificateData: String?
      var clientKeyData: String?
    }
    var apiVersion: String?
    var kind: String?
    var status: Status?
  }

  /// - Throws: `RuntimeError` that names the plugin and what it said on standard error; `CancellationError`.
  func run() async throws -> Credential {
    let binary = try locate()
    let heard = Heard()
    let status = try await withThrowingTaskGroup(of: ExitStatus?.self) { group in
      group.addTask {
        try await ChildProcess.run(
          binary, arguments: arguments, environment: environment.merging(["KUBERNETES_EXEC_INFO": request]) { $1 },
          onStandardOutput: { heard.output($0) }, onStandardError: { heard.problem($0) })
      }
      group.addTask {
        try await Task.sleep(for: Self.timeLimit)
        return nil
      }
      defer { group.cancelAll() }
      return try await group.next() ?? nil
    }
    guard let status else { throw failure("did not answer within a minute") }
    guard status.isSuccess else {
      let last = heard.lastProblem.map { ": \(KubeFailure.oneLine(String($0.prefix(300))))" } ?? ""
      throw failure("ended with \(status)\(last)")
    }
    guard let text = heard.text, let answer = try? JSONDecoder().decode(Answer.self, from: Data(text.utf8)),
      answer.kind == "ExecCredential", let found = answer.status
    else { throw failure("answered with something that is no ExecCredential") }
    guard answer.apiVersion == apiVersion else {
      throw failure("answered in another version than \(apiVersion), which the file names")
    }
    return try credential(found)
  }

  private func credential(_ found: Answer.Status) throws -> Credential {
    var credential = Credential()
    if let token = found.token, !token.isEmpty {
      guard CredentialSource.isToken(token) else { throw failure("answered with a token that is none") }
      credential.token = token
    }
    if let certificate = found.clientCertificateData, let key = found.clientKeyData {
      credential.identity = .init(certificatePEM: Array(certificate.utf8), keyPEM: Array(key.utf8))
    }
    guard credential.token != nil || credential.identity != nil else {
      throw failure("answered without a token and without a certificate")
    }
    if let text = found.expirationTimestamp {
      guard let date = KubeTime.seconds(text) else { throw failure("answered with an expiry that is no time") }
      credential.expirySeconds = date
    }
    return credential
  }

  /// What the plugin is told in its environment.
  var request: String {
    var spec: [String: Any] = ["interactive": false]
    if let clusterInfo { spec["cluster"] = clusterInfo }
    let request: [String: Any] = ["apiVersion": apiVersion, "kind": "ExecCredential", "spec": spec]
    let data = try? JSONSerialization.data(withJSONObject: request, options: [.sortedKeys, .withoutEscapingSlashes])
    return data.map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }

  private func locate() throws -> String {
    func canRun(_ path: String) -> Bool { FileManager.default.isExecutableFile(atPath: path) }
    if command.contains("/") {
      guard canRun(command) else { throw missing() }
      return command
    }
    let path = environment["PATH"] ?? ProcessInfo.processInfo.environment["PATH"] ?? ""
    for folder in path.split(separator: ":") where folder.hasPrefix("/") && canRun("\(folder)/\(command)") {
      return "\(folder)/\(command)"
    }
    throw missing()
  }

  private func missing() -> RuntimeError {
    let hint = installHint.map { "the file says: \(String($0.prefix(500)))" } ?? "install it, or put it into PATH"
    return RuntimeError(.unavailable, "\(place) names the program '\(command)', which is not there", remedy: hint)
  }

  private func failure(_ what: String) -> RuntimeError {
    RuntimeError(
      .unavailable, "the program '\(command)' of \(place) \(what)",
      remedy: "log in again with the tool that wrote the entry, and try: kubectl get pods")
  }
}
