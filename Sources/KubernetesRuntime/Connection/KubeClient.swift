import APIClient
import Executor
import Foundation
import NIOCore
import Synchronization

/// A kind of objects, and where the API has it.
struct KubeResource: Hashable, Sendable {
  /// Group of the API; empty for the oldest one.
  var group: String
  var version: String
  var plural: String
  var isNamespaced = true

  static let deployments = KubeResource(group: "apps", version: "v1", plural: "deployments")
  static let pods = KubeResource(group: "", version: "v1", plural: "pods")
  static let services = KubeResource(group: "", version: "v1", plural: "services")
  static let nodes = KubeResource(group: "", version: "v1", plural: "nodes", isNamespaced: false)
  static let namespaces = KubeResource(group: "", version: "v1", plural: "namespaces", isNamespaced: false)
  static let serviceAccounts = KubeResource(group: "", version: "v1", plural: "serviceaccounts")
  static let quotas = KubeResource(group: "", version: "v1", plural: "resourcequotas")
  static let leases = KubeResource(group: "coordination.k8s.io", version: "v1", plural: "leases")
  static let networkPolicies = KubeResource(group: "networking.k8s.io", version: "v1", plural: "networkpolicies")
  static let ingresses = KubeResource(group: "networking.k8s.io", version: "v1", plural: "ingresses")
  static let serviceMonitors = KubeResource(group: "monitoring.coreos.com", version: "v1", plural: "servicemonitors")
  static let rulesReviews = KubeResource(
    group: "authorization.k8s.io", version: "v1", plural: "selfsubjectrulesreviews", isNamespaced: false)
  static let accessReviews = KubeResource(
    group: "authorization.k8s.io", version: "v1", plural: "selfsubjectaccessreviews", isNamespaced: false)

  static func disruptionBudgets(_ version: String) -> KubeResource {
    KubeResource(group: "policy", version: version, plural: "poddisruptionbudgets")
  }

  /// The kind as roles and messages name it: `deployments.apps`.
  var name: String { group.isEmpty ? plural : "\(plural).\(group)" }

  func path(namespace: String?, name: String? = nil, subresource: String? = nil) -> String {
    var path = group.isEmpty ? APIRequest.path("api", version) : APIRequest.path("apis", group, version)
    if isNamespaced, let namespace { path += APIRequest.path("namespaces", namespace) }
    path += APIRequest.path(plural)
    if let name { path += APIRequest.path(name) }
    if let subresource { path += APIRequest.path(subresource) }
    return path
  }
}

/// Asks a cluster's API, no more often than its rate allows, and counts what it asks.
final class KubeClient: Sendable {
  private struct Channel {
    var client: APIClient
    var identity: TLSSettings.Identity?
  }

  let cluster: String
  let endpoint: APIEndpoint
  let budget: RequestBudget
  private let credentials: Credentials
  private let channel: Mutex<Channel>
  /// How far the cluster's clock is ahead of this machine's, seconds.
  private let clockAhead = Mutex(0.0)

  /// - Throws: `RuntimeError` where certificates cannot be used.
  init(_ connection: ClusterConnection, rate: RequestRate) throws {
    cluster = connection.name
    endpoint = connection.endpoint
    credentials = Credentials(connection.credentials)
    budget = RequestBudget(rate)
    do {
      channel = Mutex(
        Channel(client: try APIClient(connection.endpoint), identity: connection.endpoint.tls?.identity))
    } catch let error as APIError {
      throw RuntimeError(error, cluster: connection.name)
    }
  }

  /// Ends what is under way.
  func shutdown() async { await channel.withLock { $0.client }.shutdown() }

  /// The cluster's time, seconds since 1970: what it wrote into its last answer, gone on since.
  var nowSeconds: Double { Date().timeIntervalSince1970 + clockAhead.withLock { $0 } }

  /// What proves who asks, with TLS settings that hold a plugin's certificate.
  func authorized() async throws -> (endpoint: APIEndpoint, authorization: String?) {
    let credential = try await credentials.current()
    var endpoint = endpoint
    if let identity = credential.identity { endpoint.tls?.identity = identity }
    return (endpoint, credential.token.map { "Bearer \($0)" })
  }

  /// The client that has the credential's certificate.
  private func client(for credential: Credential) throws -> APIClient {
    guard let identity = credential.identity else { return channel.withLock { $0.client } }
    return try channel.withLock { channel in
      if channel.identity != identity {
        var endpoint = endpoint
        endpoint.tls?.identity = identity
        let old = channel.client
        channel = Channel(client: try APIClient(endpoint), identity: identity)
        Task { await old.shutdown() }
      }
      return channel.client
    }
  }

  // MARK: Sending

  /// What is asked, and what it is called in a sentence and in the count.
  struct Call {
    var verb: String
    var resource: String
    var namespace: String?
    var request: APIRequest

    var description: String { "\(verb) \(resource)" + (namespace.map { " in namespace '\($0)'" } ?? "") }
  }

  static let mostTries = 5

  /// - Throws: `KubeFailure` where the cluster says no; `RuntimeError` where it says nothing; `CancellationError`.
  func send(_ call: Call) async throws -> APIResponse {
    var mayRefresh = true
    for attempt in 1... {
      let response = try await attemptOnce(call) { client, request in try await client.send(request) }
      noteClock(response.headers)
      if response.isSuccess { return response }
      if response.status == 401, mayRefresh, await credentials.refuse() {
        mayRefresh = false
        continue
      }
      // The server is busy, and says when to come again (API priority and fairness).
      if response.status == 429, attempt < Self.mostTries {
        let pause = response.headers["retry-after"].flatMap { Double($0) } ?? 1
        try await Task.sleep(for: .seconds(min(max(pause, 0.1), 10)))
        continue
      }
      throw KubeFailure(code: response.status, body: response.body, request: call.description)
    }
    preconditionFailure("the loop ends by itself")
  }

  /// - Throws: as `send`.
  func stream(_ call: Call) async throws -> APIStream {
    for isLast in [false, true] {
      let stream = try await attemptOnce(call) { client, request in try await client.stream(request) }
      noteClock(stream.headers)
      if stream.isSuccess { return stream }
      if stream.status == 401, !isLast, await credentials.refuse() { continue }
      var body: [UInt8] = []
      for try await part in stream.parts where body.count < 1 << 20 { body += part.readableBytesView }
      throw KubeFailure(code: stream.status, body: body, request: call.description)
    }
    preconditionFailure("the loop ends by itself")
  }

  private func attemptOnce<Answer: Sendable>(
    _ call: Call, _ body: @Sendable (APIClient, APIRequest) async throws -> Answer
  ) async throws -> Answer {
    do {
      let credential = try await credentials.current()
      var request = call.request
      request.headers.append(("accept", request.headers.first { $0.name == "accept" }?.value ?? "application/json"))
      request.headers = Self.lastOfEach(request.headers)
      request.headers.append(("user-agent", "planner/\(Self.version)"))
      if let token = credential.token { request.headers.append(("authorization", "Bearer \(token)")) }
      try await budget.take(call.verb)
      return try await body(try client(for: credential), request)
    } catch let error as APIError {
      throw RuntimeError(error, cluster: cluster)
    }
  }

  static let version = "0.1.0"

  private static func lastOfEach(_ headers: [(name: String, value: String)]) -> [(name: String, value: String)] {
    headers.enumerated().filter { index, header in
      !headers[(index + 1)...].contains { $0.name == header.name }
    }.map(\.element)
  }

  private func noteClock(_ headers: [String: String]) {
    guard let text = headers["date"], let date = HTTPDate.seconds(text) else { return }
    let ahead = date - Date().timeIntervalSince1970
    clockAhead.withLock { $0 = ahead }
  }

  // MARK: Verbs

  private static func decode<Object: Decodable>(
    _ type: Object.Type, _ bytes: [UInt8], _ call: Call, _ cluster: String
  ) throws -> Object {
    do {
      return try JSONDecoder().decode(type, from: Data(bytes))
    } catch {
      throw RuntimeError(
        .unavailable, "the cluster '\(cluster)' answered to \(call.description) with something else than was asked for",
        remedy: "check that the kubeconfig's server is a Kubernetes API, of 1.20 or newer")
    }
  }

  /// - Parameter path: of the API itself, such as `/version`.
  func get<Object: Decodable>(_ type: Object.Type, path: String) async throws -> Object {
    let call = Call(verb: "get", resource: path, namespace: nil, request: APIRequest("GET", path: path))
    return try Self.decode(type, try await send(call).body, call, cluster)
  }

  /// - Returns: nil where there is none.
  func get<Object: Decodable>(
    _ type: Object.Type, _ resource: KubeResource, namespace: String?, name: String
  ) async throws -> Object? {
    let call = Call(
      verb: "get", resource: resource.name, namespace: namespace,
      request: APIRequest("GET", path: resource.path(namespace: namespace, name: name)))
    do {
      return try Self.decode(type, try await send(call).body, call, cluster)
    } catch let failure as KubeFailure where failure.isNotFound {
      return nil
    }
  }

  /// All objects of a kind, page by page.
  ///
  /// - Parameter namesOnly: asks for what objects are called and labelled, and nothing else of them.
  func list<Object: Decodable & Sendable>(
    _ type: Object.Type, _ resource: KubeResource, namespace: String?, labels: [String: String] = [:],
    fields: String? = nil, namesOnly: Bool = false
  ) async throws -> KubeList<Object> {
    var query: [(name: String, value: String)] = [("limit", "500")]
    if !labels.isEmpty { query.append(("labelSelector", KubernetesName.selector(labels))) }
    if let fields { query.append(("fieldSelector", fields)) }
    var whole = KubeList<Object>()
    var next: String?
    repeat {
      let page = next.map { [("continue", $0)] } ?? []
      var request = APIRequest("GET", path: resource.path(namespace: namespace), query: query + page)
      if namesOnly {
        request.headers = [("accept", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")]
      }
      let call = Call(verb: "list", resource: resource.name, namespace: namespace, request: request)
      let part = try Self.decode(KubeList<Object>.self, try await send(call).body, call, cluster)
      whole.items += part.items
      whole.metadata.resourceVersion = part.metadata.resourceVersion
      next = part.metadata.continue.flatMap { $0.isEmpty ? nil : $0 }
    } while next != nil
    return whole
  }

  /// Makes an object.
  @discardableResult
  func create<Object: Decodable>(
    _ type: Object.Type, _ resource: KubeResource, namespace: String?, _ value: ManifestValue
  ) async throws -> Object {
    let call = Call(
      verb: "create", resource: resource.name, namespace: namespace,
      request: APIRequest(
        "POST", path: resource.path(namespace: namespace),
        query: [("fieldManager", KubernetesName.manager)], headers: [("content-type", "application/json")],
        body: .bytes(value.jsonBytes)))
    return try Self.decode(type, try await send(call).body, call, cluster)
  }

  /// Server-side apply: the cluster merges what is wanted with what others have set, and remembers whose is what.
  ///
  /// Fields that others have set are taken over.
  ///
  /// - Parameter isDryRun: the cluster says what would come of it, and keeps nothing.
  @discardableResult
  func apply<Object: Decodable>(
    _ type: Object.Type, _ resource: KubeResource, namespace: String?, _ value: ManifestValue, isDryRun: Bool = false
  ) async throws -> Object {
    guard let name = value["metadata"]?["name"]?.text else { preconditionFailure("an object has a name") }
    let call = Call(
      verb: "patch", resource: resource.name, namespace: namespace,
      request: APIRequest(
        "PATCH", path: resource.path(namespace: namespace, name: name),
        query: [("fieldManager", KubernetesName.manager), ("force", "true")] + (isDryRun ? [("dryRun", "All")] : []),
        headers: [("content-type", "application/apply-patch+yaml")], body: .bytes(value.jsonBytes)))
    return try Self.decode(type, try await send(call).body, call, cluster)
  }

  /// Replaces an object that is still of the version that `value` names.
  @discardableResult
  func replace<Object: Decodable>(
    _ type: Object.Type, _ resource: KubeResource, namespace: String?, _ value: ManifestValue
  ) async throws -> Object {
    guard let name = value["metadata"]?["name"]?.text else { preconditionFailure("an object has a name") }
    let call = Call(
      verb: "update", resource: resource.name, namespace: namespace,
      request: APIRequest(
        "PUT", path: resource.path(namespace: namespace, name: name),
        query: [("fieldManager", KubernetesName.manager)], headers: [("content-type", "application/json")],
        body: .bytes(value.jsonBytes)))
    return try Self.decode(type, try await send(call).body, call, cluster)
  }

  /// Removes an object, and what was made for it; nothing where it is gone, or is another one by now.
  ///
  /// - Parameters:
  ///   - uid: of the object that is meant.
  ///   - graceSeconds: nil leaves it to the object.
  func delete(
    _ resource: KubeResource, namespace: String?, name: String, uid: String? = nil, graceSeconds: Int? = nil
  ) async throws {
    var options: ManifestValue = [
      "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background",
    ]
    if let uid { options["preconditions"] = ["uid": .string(uid)] }
    if let graceSeconds { options["gracePeriodSeconds"] = .integer(graceSeconds) }
    let call = Call(
      verb: "delete", resource: resource.name, namespace: namespace,
      request: APIRequest(
        "DELETE", path: resource.path(namespace: namespace, name: name),
        headers: [("content-type", "application/json")], body: .bytes(options.jsonBytes)))
    do {
      _ = try await send(call)
    } catch let failure as KubeFailure where failure.isNotFound || failure.code == 409 {}
  }

  /// Removes all objects of a kind that have these labels, by one request where the cluster takes that.
  func deleteAll(_ resource: KubeResource, namespace: String, labels: [String: String]) async throws {
    let call = Call(
      verb: "deletecollection", resource: resource.name, namespace: namespace,
      request: APIRequest(
        "DELETE", path: resource.path(namespace: namespace),
        query: [("labelSelector", KubernetesName.selector(labels)), ("propagationPolicy", "Background")]))
    do {
      _ = try await send(call)
    } catch let failure as KubeFailure where failure.code == 405 {
      // Services are removed one by one before 1.23.
      let found = try await list(AnyKubeObject.self, resource, namespace: namespace, labels: labels, namesOnly: true)
      for object in found.items {
        guard let name = object.metadata.name else { continue }
        try await delete(resource, namespace: namespace, name: name, uid: object.metadata.uid)
      }
    }
  }

  /// What happens to objects of a kind from a version on, until the cluster ends it, which it does every few minutes.
  ///
  /// - Throws: as `send`; the stream throws a `KubeFailure` that `isExpired` where the version is too old.
  func watch<Object: Decodable & Sendable>(
    _ type: Object.Type, _ resource: KubeResource, namespace: String?, labels: [String: String], from version: String
  ) async throws -> AsyncThrowingStream<WatchEvent<Object>, any Error> {
    let call = Call(
      verb: "watch", resource: resource.name, namespace: namespace,
      request: APIRequest(
        "GET", path: resource.path(namespace: namespace),
        query: [
          ("watch", "true"), ("allowWatchBookmarks", "true"), ("resourceVersion", version),
          ("labelSelector", KubernetesName.selector(labels)), ("timeoutSeconds", String(Self.watchSeconds)),
        ]))
    let lines = try await stream(call).lines()
    return AsyncThrowingStream { feed in
      let task = Task { [cluster] in
        do {
          for try await line in lines {
            let head = try Self.decode(WatchHead.self, Array(line.utf8), call, cluster)
            if head.type == "ERROR" {
              let error = try Self.decode(WatchError.self, Array(line.utf8), call, cluster)
              throw KubeFailure(error.object, code: 500, request: call.description)
            }
            feed.yield(try Self.decode(WatchEvent<Object>.self, Array(line.utf8), call, cluster))
          }
          feed.finish()
        } catch let error as APIError {
          feed.finish(throwing: RuntimeError(error, cluster: cluster))
        } catch {
          feed.finish(throwing: error)
        }
      }
      // The cluster ends a watch by itself; one that is not ended in time is one whose other side is gone.
      let limit = Task {
        try? await Task.sleep(for: .seconds(Self.watchSeconds + 60))
        feed.finish()
      }
      feed.onTermination = { _ in
        task.cancel()
        limit.cancel()
      }
    }
  }

  static let watchSeconds = 300

  private struct WatchHead: Decodable { var type: String }
  private struct WatchError: Decodable { var object: KubeFailure.Status }
}

/// What happened to an object.
struct WatchEvent<Object: Decodable & Sendable>: Decodable, Sendable {
  /// `ADDED`, `MODIFIED`, `DELETED`, or `BOOKMARK`, which only tells how far the watch is.
  var type: String
  var object: Object
}

/// Dates of HTTP's headers.
package enum HTTPDate {
  /// Seconds since 1970 of a date such as `Sun, 06 Nov 1994 08:49:37 GMT`; nil where it is none.
  package static func seconds(_ text: String) -> Double? {
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    let form = /[A-Z][a-z]{2}, (\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}:\d{2}:\d{2}) GMT/
    guard let match = text.wholeMatch(of: form), let month = months.firstIndex(of: String(match.output.2)) else {
      return nil
    }
    let number = month + 1 < 10 ? "0\(month + 1)" : "\(month + 1)"
    return KubeTime.seconds("\(match.output.3)-\(number)-\(match.output.1)T\(match.output.4)Z")
  }
}
