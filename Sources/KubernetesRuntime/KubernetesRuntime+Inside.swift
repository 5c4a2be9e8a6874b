import APIClient
import Executor
import Foundation

/// What goes on inside a replica: its log, commands in it, its memory.
extension KubernetesRuntime {
  public func logs(
    of replica: ReplicaID, in deployment: DeploymentID, last: Int, follow: Bool
  ) async throws -> AsyncThrowingStream<String, any Error> {
    try await asking {
      let pod = try await pod(replica, deployment)
      guard let name = pod?.metadata.name else {
        let (stream, feed) = AsyncThrowingStream<String, any Error>.makeStream()
        feed.finish()
        return stream
      }
      let call = KubeClient.Call(
        verb: "get", resource: "pods/log", namespace: namespace,
        request: APIRequest(
          "GET", path: KubeResource.pods.path(namespace: namespace, name: name, subresource: "log"),
          query: [
            ("container", KubernetesName.container), ("tailLines", String(max(0, last))),
            ("follow", follow ? "true" : "false"),
          ]))
      do {
        return try await client.stream(call).lines()
      } catch let failure as KubeFailure where failure.code == 400 {
        // The container has not been made yet: there is nothing to read.
        throw RuntimeError(
          .notReady, "node '\(replica)' has no log yet (\(failure.message))", remedy: "look at its status, and wait")
      }
    }
  }

  public func exec(
    _ command: [String], on replica: ReplicaID, in deployment: DeploymentID,
    output: @escaping @Sendable (String) -> Void
  ) async throws -> ExitStatus {
    try await asking {
      let name = try await runningPod(replica, deployment)
      let query = APIRequest(
        "GET", path: KubeResource.pods.path(namespace: namespace, name: name, subresource: "exec"),
        query: [("container", KubernetesName.container), ("stdout", "true"), ("stderr", "true")]
          + command.map { ("command", $0) })
      let (endpoint, authorization) = try await client.authorized()
      try await client.budget.take("exec")
      let socket = ExecSocket(endpoint: endpoint, authorization: authorization, path: query.pathAndQuery)
      return try await socket.run(
        cluster: client.cluster, request: "exec pods in namespace '\(namespace)'", output: output)
    }
  }

  /// What the server says of itself, asked through the API.
  public func memoryBytes(of replica: ReplicaID, in deployment: DeploymentID) async throws -> Int64 {
    try await asking {
      let name = try await runningPod(replica, deployment)
      let path = KubeResource.pods.path(
        namespace: namespace, name: "\(name):\(KubernetesName.port)", subresource: "proxy")
      let call = KubeClient.Call(
        verb: "get", resource: "pods/proxy", namespace: namespace,
        request: APIRequest("GET", path: path + "/metrics", headers: [("accept", "text/plain")]))
      let text = String(decoding: try await client.send(call).body, as: UTF8.self)
      guard
        let bytes = Self.metric("process_private_memory_bytes", in: text)
          ?? Self.metric("process_resident_memory_bytes", in: text)
      else {
        throw RuntimeError(
          .unavailable, "node '\(replica)' does not say how much memory it has", remedy: "use the server's own image")
      }
      return bytes
    }
  }

  /// The value of a metric without labels, in Prometheus' text format.
  static func metric(_ name: String, in text: String) -> Int64? {
    for line in text.split(separator: "\n") where line.hasPrefix(name + " ") {
      guard let value = Double(line.dropFirst(name.count + 1)), value >= 0, value < 9e18 else { return nil }
      return Int64(value)
    }
    return nil
  }

  /// The replica's pod; nil where it has none at the moment.
  ///
  /// - Throws: `notFound`.
  private func pod(_ replica: ReplicaID, _ deployment: DeploymentID) async throws -> PodObject? {
    let reading = try await reading(deployment)
    guard reading.replicas().contains(where: { $0.replica.id == replica }) else {
      throw RuntimeError(
        .notFound, "deployment '\(deployment)' has no node '\(replica)' in namespace '\(namespace)'",
        remedy: "name one of those that its status shows")
    }
    return reading.pod(of: replica)
  }

  private func runningPod(_ replica: ReplicaID, _ deployment: DeploymentID) async throws -> String {
    let pod = try await pod(replica, deployment)
    guard let name = pod?.metadata.name, pod?.server?.state?.running != nil, pod?.metadata.deletionTimestamp == nil
    else {
      throw RuntimeError(
        .notReady, "node '\(replica)' does not run", remedy: "look at its status, or deploy it again")
    }
    return name
  }
}
