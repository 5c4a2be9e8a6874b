import APIClient
import Foundation
import PlannerCore

extension RegistryClient {
  /// Asks for a token: by name and password, or by exchanging an identity token.
  static func tokenRequest(
    _ realm: RegistryLocation, service: String?, scopes: [String], _ credentials: RegistryCredentials?
  ) -> RegistryRequest {
    var parameters: [(String, String)] = service.map { [("service", $0)] } ?? []
    guard case .identityToken(let token)? = credentials?.kind else {
      parameters += scopes.map { ("scope", $0) }
      let location = parameters.reduce(realm) { $0.adding($1.0, PercentEncoding.component($1.1)) }
      return RegistryRequest(
        method: "GET", location: location, headers: credentials?.basic.map { [("authorization", $0)] } ?? [],
        accepts: [200])
    }
    parameters += [
      ("scope", scopes.joined(separator: " ")), ("client_id", "planner"), ("grant_type", "refresh_token"),
      ("refresh_token", token),
    ]
    let form = parameters.map { "\($0.0)=\(PercentEncoding.component($0.1))" }.joined(separator: "&")
    return RegistryRequest(
      method: "POST", location: realm, headers: [("content-type", "application/x-www-form-urlencoded")],
      body: { .bytes(Array(form.utf8)) }, accepts: [200])
  }

  private struct Problems: Decodable {
    struct Problem: Decodable {
      var code: String?
      var message: String?
    }
    var errors: [Problem]?
  }

  /// What a registry says that it does not do, and what a user does about it.
  ///
  /// - Parameter place: who refuses; nil for the registry itself.
  func refusal(_ status: Int, _ body: [UInt8], at place: String? = nil) -> ImageError {
    let who = place ?? reference.registry
    let first = (try? JSONDecoder().decode(Problems.self, from: Data(body)))?.errors?.first
    let said = [first?.code, first?.message].compactMap { $0 }.map { quotable($0) }.filter { !$0.isEmpty }
    let answer = "status \(status)" + (said.isEmpty ? "" : ", " + said.joined(separator: ": "))
    let repository = reference.repository
    switch status {
    case 401, 403:
      let host = reference.registry == ImageReference.dockerHub ? "" : " \(reference.registry)"
      let known = "or name another configuration with DOCKER_CONFIG"
      return .unavailable(
        "\(who) does not let this user at \(repository) (\(answer)); log in with: docker login\(host) (on ECR, the "
          + "credential helper ecr-login does that), \(known)")
    case 404:
      return .unavailable(
        "\(who) has no \(reference) (\(answer)); check the name and the tag, and create the repository where the "
          + "registry does not do that by itself (ECR: aws ecr create-repository --repository-name \(repository))")
    case 413:
      return .unavailable("\(who) takes no contents of this size (\(answer)); raise the limit of the proxy before it")
    case 429: return .unavailable("\(who) asks for fewer requests (\(answer)); try again in some minutes")
    default: return .unavailable("\(who) refuses \(reference) (\(answer))")
    }
  }

  /// A message of an error that an interface itself gives.
  func failure(_ error: any Error) -> any Error {
    guard let error = error as? APIError else { return error }
    return ImageError.unavailable("\(reference.registry) \(error)")
  }
}
