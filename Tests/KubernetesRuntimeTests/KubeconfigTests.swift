import APIClient
import Executor
import Foundation
import KubernetesRuntime
import PlannerFiles
import TestSupport
import Testing

/// Kubeconfig files as kubectl reads them.
@Suite struct KubeconfigTests {
  /// A file of one cluster, user and context, with what a test puts into cluster and user.
  private static func text(
    cluster: String = "{server: 'https://example.com:6443'}", user: String = "{token: abc}",
    context: String = "{cluster: c, user: u, namespace: n}", current: String = "x"
  ) -> String {
    """
    apiVersion: v1
    kind: Config
    clusters: [{name: c, cluster: \(cluster)}]
    users: [{name: u, user: \(user)}]
    contexts: [{name: x, context: \(context)}]
    current-context: \(current)
    """
  }

  private static func open(_ files: [String], context: String? = nil) throws -> ClusterConnection {
    try ClusterConnection.open(
      context: context, environment: ["KUBECONFIG": files.joined(separator: ":"), "HOME": "/nonexistent"],
      accountFolder: "/nonexistent")
  }

  private static func problem(_ text: String) throws -> String? {
    let folder = try TemporaryFolder()
    let file = try folder.file("config", text)
    do {
      _ = try open([file])
      return nil
    } catch let error as FileError {
      let description = error.description
      // It names the file, and no secret of it.
      #expect(description.contains(file) && !description.contains("s3cret"))
      return description
    }
  }

  @Test func aContextNamesClusterUserAndNamespace() async throws {
    let folder = try TemporaryFolder()
    let file = try folder.file("config", Self.text())
    let found = try Self.open([file])
    #expect(found.name == "x" && found.namespace == "n")
    #expect(found.endpoint.place == .network(host: "example.com", port: 6443))
    #expect(found.endpoint.tls?.trust == .system)
    #expect(try await Credentials(found.credentials).current().token == "abc")
  }

  @Test func ofSeveralFilesTheFirstDecidesAndPathsAreRelativeToTheirOwn() throws {
    let (one, two) = (try TemporaryFolder(), try TemporaryFolder())
    let first = try one.file("config", Self.text(current: "''"))
    _ = try two.file("ca.pem", "authority")
    let second = try two.file(
      "config",
      """
      apiVersion: v1
      kind: Config
      clusters:
      - {name: c, cluster: {server: "https://other.example.com"}}
      - {name: d, cluster: {server: "https://d.example.com/k8s/", certificate-authority: ca.pem}}
      users: [{name: v, user: {}}]
      contexts:
      - {name: y, context: {cluster: d, user: v}}
      - {name: z, context: {cluster: c, user: u}}
      current-context: y
      """)
    let found = try Self.open([one.path + "/missing", first, second, first])
    #expect(found.name == "y" && found.namespace == nil)
    #expect(found.endpoint.basePath == "/k8s")
    #expect(found.endpoint.tls?.trust == .authorities(pem: Array("authority".utf8)))
    // The cluster `c` is the first file's, and the user of the first is known to the second's context.
    let across = try Self.open([first, second], context: "z")
    #expect(across.endpoint.place == .network(host: "example.com", port: 6443))
  }

  @Test func certificatesComeFromDataAndFiles() throws {
    let folder = try TemporaryFolder()
    _ = try folder.file("user.crt", "certificate")
    let key = Data("key".utf8).base64EncodedString()
    let file = try folder.file(
      "config",
      Self.text(
        cluster: "{server: 'https://10.0.0.1', insecure-skip-tls-verify: true, tls-server-name: kubernetes}",
        user: "{client-certificate: user.crt, client-key-data: \(key)}"))
    let tls = try #require(try Self.open([file]).endpoint.tls)
    #expect(tls.trust == .anyone && tls.serverName == "kubernetes")
    #expect(
      tls.identity == .init(certificatePEM: Array("certificate".utf8), keyPEM: Array("key".utf8)))
  }

  @Test func whatCannotBeUsedIsNamedWithFileAndKey() throws {
    let wrong: [(String, String)] = [
      (Self.text(cluster: "{}"), "clusters[0].cluster.server"),
      (Self.text(cluster: "{server: 'ftp://x'}"), "clusters[0].cluster.server"),
      (Self.text(cluster: "{server: 'https://u:s3cret@x'}"), "clusters[0].cluster.server"),
      (Self.text(cluster: "{server: 'https://x', proxy-url: 'http://p'}"), "clusters[0].cluster.proxy-url"),
      (Self.text(cluster: "{server: 'https://x', certificate-authority: gone.pem}"), "certificate-authority"),
      (Self.text(cluster: "{server: 'https://x', certificate-authority-data: '*'}"), "certificate-authority-data"),
      (Self.text(cluster: "{server: 'https://x', insecure-skip-tls-verify: maybe}"), "insecure-skip-tls-verify"),
      (Self.text(user: "{username: a, password: s3cret}"), "users[0].user.username"),
      (Self.text(user: "{auth-provider: {name: gcp}}"), "users[0].user.auth-provider"),
      (Self.text(user: "{token: 's3cret with spaces'}"), "users[0].user.token"),
      (Self.text(user: "{client-key-data: czNjcmV0}"), "users[0].user.client-certificate"),
      (Self.text(user: "{exec: {command: x}}"), "users[0].user.exec.apiVersion"),
      (Self.text(user: "{exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}}"), "exec.apiVersion"),
      (
        Self.text(user: "{exec: {apiVersion: client.authentication.k8s.io/v1, command: x, interactiveMode: Always}}"),
        "exec.interactiveMode"
      ),
      (Self.text(context: "{cluster: other, user: u}"), "contexts[0].context.cluster"),
      (Self.text(context: "{cluster: c, user: other}"), "contexts[0].context.user"),
      (Self.text(current: "other"), "'other'"), (Self.text(current: "''"), "current-context"),
      ("clusters: {}\nusers: 7\n", "clusters"), ("- s3cret", "mapping"), ("a: [s3cret", "YAML"),
      ("kind: Secret", "kind"), ("users: [{user: {token: s3cret}}]", "users[0].name"),
    ]
    for (text, key) in wrong {
      let problem = try Self.problem(text)
      #expect(problem?.contains(key) == true, "\(key): \(problem ?? "taken")")
    }
  }

  @Test func aPodWithoutAFileUsesItsOwnAccount() async throws {
    let folder = try TemporaryFolder()
    let token = try folder.file("token", "one\n")
    _ = try folder.file("ca.crt", "authority")
    _ = try folder.file("namespace", "models")
    let environment = ["KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443", "HOME": "/nonexistent"]
    let found = try ClusterConnection.open(environment: environment, accountFolder: folder.path)
    #expect(found.namespace == "models" && found.endpoint.place == .network(host: "fd00::1", port: 443))
    let clock = Clock()
    let credentials = Credentials(found.credentials) { clock.seconds }
    #expect(try await credentials.current().token == "one")
    // The cluster replaces it; it is read again after a minute, or once it was refused.
    try "two".write(toFile: token, atomically: true, encoding: .utf8)
    #expect(try await credentials.current().token == "one")
    clock.seconds += 61
    #expect(try await credentials.current().token == "two")
    try "three".write(toFile: token, atomically: true, encoding: .utf8)
    #expect(await credentials.refuse())
    #expect(try await credentials.current().token == "three")
    #expect(throws: FileError.self) {
      try ClusterConnection.open(environment: ["HOME": "/nonexistent"], accountFolder: folder.path)
    }
  }

  // MARK: Plugins

  /// A plugin that notes how it was called, and the kubeconfig that names it.
  private static func plugin(_ folder: TemporaryFolder, _ script: String, more: String = "") throws -> ClusterConnection
  {
    let program = try folder.file("plugin with space", "#!/bin/sh\n" + script)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
    let file = try folder.file(
      "config",
      Self.text(
        cluster: "{server: 'https://example.com', certificate-authority-data: Q0E=}",
        user: #"{exec: {apiVersion: client.authentication.k8s.io/v1, command: "./plugin with space", "#
          + #"args: [get-token, "$(touch \#(folder.path)/injected); `id`", ""], env: [{name: EXTRA, value: "a b"}], "#
          + "interactiveMode: Never\(more)}}"))
    return try open([file])
  }

  private static let answer =
    #"printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t-%s"%s}}'"#

  @Test func aPluginRunsExactlyAsTheFileSaysAndIsKeptUntilItExpires() async throws {
    let folder = try TemporaryFolder()
    let connection = try Self.plugin(
      folder,
      """
      cd "$(dirname "$0")"
      for argument in "$@"; do printf '<%s>' "$argument" >> calls; done
      echo " $EXTRA" >> calls; printf '%s' "$KUBERNETES_EXEC_INFO" > info
      \(Self.answer) "$(wc -l < calls)" ',"expirationTimestamp":"2030-01-01T00:00:00Z"'
      """, more: ", provideClusterInfo: true")
    let clock = Clock()
    let expiry = KubeTime.seconds("2030-01-01T00:00:00Z")!
    clock.seconds = expiry - 3600
    let credentials = Credentials(connection.credentials) { clock.seconds }
    async let one = credentials.current().token
    async let other = credentials.current().token
    #expect(try await [one, other] == ["t-1", "t-1"])
    #expect(try await credentials.current().token == "t-1")
    clock.seconds = expiry - 30
    #expect(try await credentials.current().token == "t-2")
    let calls = try String(contentsOfFile: folder.path + "/calls", encoding: .utf8)
    let call = "<get-token><$(touch \(folder.path)/injected); `id`><> a b\n"
    #expect(calls == call + call)
    #expect(!FileManager.default.fileExists(atPath: folder.path + "/injected"))
    let info = try String(contentsOfFile: folder.path + "/info", encoding: .utf8)
    #expect(
      info == #"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{"cluster":"#
        + #"{"certificate-authority-data":"Q0E=","server":"https://example.com"},"interactive":false}}"#)
  }

  @Test func aPluginThatFailsSaysSoWithoutItsSecrets() async throws {
    let cases: [(String, String)] = [
      ("echo 'Error: the SSO session has expired' >&2; exit 255", "SSO session has expired"),
      ("echo s3cret", "no ExecCredential"), ("exit 0", "no ExecCredential"),
      (Self.answer.replacing("/v1\"", with: "/v1beta1\"") + " s3cret ''", "another version"),
      (Self.answer + " 's3cret\\n' ''", "token that is none"),
      (Self.answer + " s3cret ',\"expirationTimestamp\":\"soon\"'", "no time"),
    ]
    for (script, words) in cases {
      let folder = try TemporaryFolder()
      let credentials = Credentials(try Self.plugin(folder, script).credentials)
      let error = await #expect(throws: RuntimeError.self) { try await credentials.current() }
      #expect(error?.message.contains(words) == true, "\(error?.description ?? "")")
      #expect(error?.kind == .unavailable && error?.description.contains("s3cret") == false)
    }
  }

  @Test func aMissingPluginComesWithTheFilesHint() async throws {
    let folder = try TemporaryFolder()
    let connection = try Self.plugin(folder, "", more: ", installHint: 'install the tool'")
    try FileManager.default.removeItem(atPath: folder.path + "/plugin with space")
    let error = await #expect(throws: RuntimeError.self) { try await Credentials(connection.credentials).current() }
    #expect(error?.remedy.contains("install the tool") == true && error?.message.contains("users[0].user.exec") == true)
  }
}

/// A clock that tests move by hand.
final class Clock: @unchecked Sendable {
  private let lock = NSLock()
  private var time = 1_800_000_000.0
  var seconds: Double {
    get { lock.withLock { time } }
    set { lock.withLock { time = newValue } }
  }
}
