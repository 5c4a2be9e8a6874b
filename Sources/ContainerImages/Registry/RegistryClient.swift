import APIClient
import Foundation
import Synchronization

/// A request to a registry.
struct RegistryRequest: Sendable {
  var method: String
  var location: RegistryLocation
  var headers: [(name: String, value: String)] = []
  /// Made anew for each try.
  var body: (@Sendable () -> APIRequest.Body)?
  var timeLimit: Duration = .seconds(60)
  /// Statuses that are no failure.
  var accepts: Set<Int>
  /// Whether the same request may be sent again where it failed for the moment.
  var isRepeatable = true
}

/// Speaks with one registry about one repository (OCI distribution specification 1.0): finds out how it is reached,
/// logs in where it asks for that, and tries again what failed for the moment.
final class RegistryClient: Sendable {
  let reference: ImageReference
  let policy: RetryPolicy
  private let access: RegistryAccess
  private let scopes: [String]
  private let state = Mutex(State())

  private struct State {
    var base: RegistryLocation?
    var clients: [String: APIClient] = [:]
    /// What the registry asked for when it last refused.
    var challenge: Challenge?
    var authorization: Authorization?
  }

  private struct Authorization {
    var header: String
    var expires: ContinuousClock.Instant?
  }

  /// - Parameters:
  ///   - actions: what is going to be done: `pull`, or `pull,push`.
  ///   - source: another repository there, from which contents are to be taken over.
  init(
    _ reference: ImageReference, access: RegistryAccess, actions: String, source: String? = nil,
    policy: RetryPolicy = RetryPolicy()
  ) {
    self.reference = reference
    self.access = access
    self.policy = policy
    scopes = ["repository:\(reference.repository):\(actions)"] + (source.map { ["repository:\($0):pull"] } ?? [])
  }

  /// Ends all connections.
  func shutdown() async {
    let clients = state.withLock { state in
      defer { state.clients = [:] }
      return Array(state.clients.values)
    }
    for client in clients { await client.shutdown() }
  }

  /// The host that answers for a registry: Docker Hub's is called otherwise than its images.
  private var host: String {
    reference.registry == ImageReference.dockerHub ? "registry-1.docker.io" : reference.registry
  }

  // MARK: Where

  /// A place of the repository; `path` follows its name.
  func location(_ path: String) async throws -> RegistryLocation {
    var location = try await base()
    location.pathAndQuery = "/v2/\(reference.repository)/\(path)"
    return location
  }

  /// Where an answer sends to; relative to the registry where it names no host.
  func location(in response: APIResponse) async throws -> RegistryLocation {
    let base = try await base()
    guard let text = response.headers["location"], let location = RegistryLocation(text, from: base) else {
      throw ImageError.badData("\(reference.registry) sends to a place that is no address; is it a registry?")
    }
    guard location.isSecure || !base.isSecure else {
      throw ImageError.badData(
        "\(reference.registry) sends from an encrypted to an unencrypted address, \(location.authority); correct its "
          + "configuration (X-Forwarded-Proto)")
    }
    return location
  }

  /// Where the registry answers: over https, or over http where it is on this machine or the user allows it.
  private func base() async throws -> RegistryLocation {
    if let base = state.withLock({ $0.base }) { return base }
    guard let secure = RegistryLocation("https://\(host)/v2/"), let plain = RegistryLocation("http://\(host)/v2/")
    else {
      throw ImageError(.usage, "'\(reference.registry)' is no registry's address")
    }
    let mayBePlain = access.isInsecure || RegistryLocation.isLoopback(secure.host)
    let base: RegistryLocation
    do {
      base = try await greet(secure, tries: mayBePlain ? 1 : policy.mostTries)
    } catch let first as APIError {
      guard mayBePlain else { throw Self.unreachable(reference.registry, first) }
      do { base = try await greet(plain, tries: policy.mostTries) } catch let second as APIError {
        // What is wrong with its certificate says more than that it does not speak http.
        if case .tls = first { throw Self.unreachable(reference.registry, first) }
        throw Self.unreachable(reference.registry, second)
      }
    }
    state.withLock { $0.base = base }
    return base
  }

  /// Asks whether there is a registry; remembers what it wants for an answer.
  private func greet(_ location: RegistryLocation, tries: Int) async throws -> RegistryLocation {
    let request = RegistryRequest(method: "GET", location: location, accepts: [200, 401, 403, 404])
    let response = try await repeated(request, tries: tries) {
      try await self.client(for: location).send(APIRequest("GET", path: location.pathAndQuery, timeLimit: .seconds(20)))
    }
    if response.status == 404 {
      throw ImageError.unavailable(
        "\(reference.registry) answers, and is no registry (there is no /v2/); check the name")
    }
    // What an address for https says to whoever does not encrypt.
    if response.status == 400 { throw APIError.unreachable("it answers with status 400") }
    guard request.accepts.contains(response.status) else { throw refusal(response.status, response.body) }
    state.withLock { $0.challenge = response.headers["www-authenticate"].flatMap { Challenge($0) } }
    return location
  }

  private static func unreachable(_ registry: String, _ error: any Error) -> any Error {
    switch error {
    case APIError.tls(let reason):
      ImageError.unavailable(
        "\(registry): no encrypted connection: \(quotable(reason)); name its authority with --ca, or allow an "
          + "unencrypted one with --insecure")
    case let error as APIError: ImageError.unavailable("\(registry) \(error)")
    default: error
    }
  }

  /// - Throws: `ImageError` where certificates cannot be read.
  func client(for location: RegistryLocation) throws -> APIClient {
    let key = "\(location.isSecure) \(location.authority)"
    return try state.withLock { state in
      if let client = state.clients[key] { return client }
      var tls = TLSSettings()
      if access.isInsecure { tls.trust = .anyone }
      if let pem = access.authoritiesPEM { tls.trust = .authorities(pem: pem) }
      let client = try APIClient(
        APIEndpoint(
          .network(host: location.host, port: location.port), tls: location.isSecure ? tls : nil))
      state.clients[key] = client
      return client
    }
  }

  // MARK: Asking

  /// - Throws: `ImageError` that says what to do; `APIError` where nobody answers, of a request that is not repeatable;
  ///   `CancellationError`.
  func send(_ request: RegistryRequest) async throws -> APIResponse {
    let response = try await authorized(request.location) { header in
      let work = { @Sendable in
        try await self.client(for: request.location).send(
          APIRequest(
            request.method, path: request.location.pathAndQuery, headers: request.headers + header,
            body: request.body?(), timeLimit: request.timeLimit))
      }
      return try await self.repeated(request, tries: request.isRepeatable ? self.policy.mostTries : 1, work)
    } status: {
      $0.status
    } headers: {
      $0.headers
    }
    guard request.accepts.contains(response.status) else { throw refusal(response.status, response.body) }
    return response
  }

  /// Opens an answer that is read as it comes; follows where it sends to, without a login where that is elsewhere.
  func stream(_ location: RegistryLocation, headers: [(name: String, value: String)]) async throws -> APIStream {
    let base = try await base()
    var location = location
    for _ in 0..<5 {
      let here = location
      let answer = try await authorized(here) { header in
        try await self.client(for: here).stream(
          APIRequest("GET", path: here.pathAndQuery, headers: headers + header, timeLimit: .seconds(60)))
      } status: {
        $0.status
      } headers: {
        $0.headers
      }
      guard [301, 302, 303, 307, 308].contains(answer.status) else { return answer }
      guard let next = answer.headers["location"].flatMap({ RegistryLocation($0, from: here) }),
        next.isSecure || !base.isSecure
      else { throw ImageError.badData("\(reference.registry) sends to a place that is no encrypted address") }
      location = next
    }
    throw ImageError.badData("\(reference.registry) sends from one address to the next without end")
  }

  /// Repeats what failed for the moment.
  private func repeated(
    _ request: RegistryRequest, tries: Int, _ work: @Sendable () async throws -> APIResponse
  ) async throws -> APIResponse {
    for count in 1... {
      let isLast = count >= tries
      let pause: Double?
      do {
        let response = try await work()
        if request.accepts.contains(response.status) || !RetryPolicy.statuses.contains(response.status) || isLast {
          return response
        }
        pause = policy.pause(after: count, wanted: RetryPolicy.wanted(response.headers))
        if pause == nil { return response }
      } catch let error as APIError where RetryPolicy.mayPass(error) && !isLast {
        pause = policy.pause(after: count, wanted: nil)
        if pause == nil { throw error }
      }
      try await Task.sleep(for: .seconds(pause ?? 0))
    }
    throw CancellationError()
  }

  // MARK: Logging in

  /// Does the work with what the registry knows the user by, and once more with something newer where it refuses that.
  private func authorized<Answer: Sendable>(
    _ location: RegistryLocation, _ work: @Sendable ([(name: String, value: String)]) async throws -> Answer,
    status: (Answer) -> Int, headers: (Answer) -> [String: String]
  ) async throws -> Answer {
    // A login is for the registry alone, not for wherever it keeps its contents.
    guard location.hasOrigin(of: try await base()) else { return try await work([]) }
    let answer = try await work(try await header(isRefused: false))
    guard status(answer) == 401, let challenge = headers(answer)["www-authenticate"].flatMap({ Challenge($0) }) else {
      return answer
    }
    state.withLock { $0.challenge = challenge }
    return try await work(try await header(isRefused: true))
  }

  private func header(isRefused: Bool) async throws -> [(name: String, value: String)] {
    let (challenge, known) = state.withLock { ($0.challenge, $0.authorization) }
    guard let challenge else { return [] }
    if let known, !isRefused, known.expires.map({ $0 > .now }) ?? true { return [("authorization", known.header)] }
    let credentials = try await access.config.credentials(for: reference.registry)
    let fresh: Authorization?
    if challenge.scheme == "basic" {
      fresh = credentials?.basic.map { Authorization(header: $0, expires: nil) }
    } else {
      fresh = try await token(challenge, credentials)
    }
    state.withLock { $0.authorization = fresh }
    return fresh.map { [("authorization", $0.header)] } ?? []
  }

  private struct TokenAnswer: Decodable {
    var token: String?
    var access_token: String?
    var expires_in: Double?
  }

  private func token(_ challenge: Challenge, _ credentials: RegistryCredentials?) async throws -> Authorization {
    let base = try await base()
    guard let realm = challenge.parameters["realm"].flatMap({ RegistryLocation($0) }), realm.isSecure || !base.isSecure
    else {
      throw ImageError.badData("\(reference.registry) names no encrypted address to log in at; correct its realm")
    }
    let request = Self.tokenRequest(realm, service: challenge.parameters["service"], scopes: scopes, credentials)
    let response: APIResponse
    do {
      response = try await repeated(request, tries: policy.mostTries) {
        try await self.client(for: realm).send(
          APIRequest(
            request.method, path: request.location.pathAndQuery, headers: request.headers, body: request.body?()),
          limit: 1 << 20)
      }
    } catch let error as APIError {
      throw Self.unreachable("\(realm.authority), where \(reference.registry) lets users log in,", error)
    }
    guard response.status == 200 else { throw refusal(response.status, response.body, at: realm.authority) }
    guard let answer = try? JSONDecoder().decode(TokenAnswer.self, from: Data(response.body)),
      let token = answer.token ?? answer.access_token, !token.isEmpty,
      token.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
    else { throw ImageError.badData("\(realm.authority) answers a login with something else than a token") }
    // A minute where it does not say; a little less than it says, for the way.
    let seconds = max((answer.expires_in ?? 60) * 0.8, 5)
    return Authorization(header: "Bearer " + token, expires: .now + .seconds(min(seconds, 86400)))
  }
}
