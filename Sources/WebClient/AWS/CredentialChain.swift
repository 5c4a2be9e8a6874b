import Foundation
import PlannerCore
import Synchronization

/// Finds keys where AWS tools find them, in this order: environment, web identity, profile, container, instance.
package final class CredentialChain: Sendable {
  private let configuration: AWSConfiguration
  private let region: String
  private let cached = Mutex<AWSCredentials?>(nil)
  /// When none were found anywhere: an instance's metadata are not asked before each file.
  private let noneSince = Mutex<Date?>(nil)
  private let retry: RetryPolicy

  package init(configuration: AWSConfiguration, region: String, retry: RetryPolicy) {
    self.configuration = configuration
    self.region = region
    self.retry = retry
  }

  /// Keys that are valid for minutes at least; nil where there are none anywhere.
  ///
  /// - Throws: `RemoteError` where a source was named and does not deliver.
  package func credentials(_ transfer: Transfer, _ cancellation: Cancellation) throws(RemoteError) -> AWSCredentials? {
    let now = Date()
    let known = cached.withLock { $0 }
    if let known, known.isFresh(at: now) { return known }
    if known == nil, let since = noneSince.withLock({ $0 }), now.timeIntervalSince(since) < 300 { return nil }
    do throws(RemoteError) {
      let found = try find(transfer, cancellation)
      // An instance's metadata may be away for a moment, and nothing says so.
      if found == nil, let known, known.isValid(at: now) { return known }
      if let found { cached.withLock { $0 = found } }
      noneSince.withLock { $0 = found == nil ? now : nil }
      return found
    } catch {
      // The source of keys may be away for a moment; the old ones still work until their end.
      if let known, known.isValid(at: now) { return known }
      throw error
    }
  }

  /// Forgets keys that were refused as too old.
  package func forget() { cached.withLock { $0 = nil } }

  private func find(_ transfer: Transfer, _ cancellation: Cancellation) throws(RemoteError) -> AWSCredentials? {
    if let id = configuration["AWS_ACCESS_KEY_ID"] {
      guard let secret = configuration["AWS_SECRET_ACCESS_KEY"] else {
        throw RemoteError(.unavailable, "AWS_ACCESS_KEY_ID", "is set, but AWS_SECRET_ACCESS_KEY is not")
      }
      return AWSCredentials(
        accessKeyID: id, secretAccessKey: secret, sessionToken: configuration["AWS_SESSION_TOKEN"], expiration: nil)
    }
    if let file = configuration["AWS_WEB_IDENTITY_TOKEN_FILE"], let role = configuration["AWS_ROLE_ARN"] {
      return try webIdentity(file, role, configuration["AWS_ROLE_SESSION_NAME"], transfer, cancellation)
    }
    if let found = try profile(transfer, cancellation) { return found }
    if let found = try container(transfer, cancellation) { return found }
    return instance(transfer)
  }

  // MARK: Profile

  private func profile(_ transfer: Transfer, _ cancellation: Cancellation) throws(RemoteError) -> AWSCredentials? {
    let profile = configuration.profile
    if let id = profile["aws_access_key_id"] {
      guard let secret = profile["aws_secret_access_key"] else {
        throw RemoteError(.unavailable, "profile \(configuration.profileName)", "has a key id but no secret key")
      }
      return AWSCredentials(
        accessKeyID: id, secretAccessKey: secret, sessionToken: profile["aws_session_token"], expiration: nil)
    }
    if let file = profile["web_identity_token_file"], let role = profile["role_arn"] {
      return try webIdentity(file, role, profile["role_session_name"], transfer, cancellation)
    }
    for key in ["credential_process", "sso_session", "sso_start_url", "source_profile", "credential_source"]
    where profile[key] != nil {
      throw RemoteError(
        .unavailable, "profile \(configuration.profileName)",
        "uses \(key), which is not supported; put the keys of 'aws configure export-credentials --format env' into "
          + "the environment")
    }
    if configuration.isProfileNamed {
      throw RemoteError(.unavailable, "profile \(configuration.profileName)", "has no keys")
    }
    return nil
  }

  // MARK: Web identity

  private func webIdentity(
    _ tokenFile: String, _ role: String, _ session: String?, _ transfer: Transfer, _ cancellation: Cancellation
  ) throws(RemoteError) -> AWSCredentials {
    guard let token = SmallFile.read(tokenFile) else {
      throw RemoteError(.unavailable, "AWS_WEB_IDENTITY_TOKEN_FILE", "\(tokenFile) cannot be read")
    }
    let domain = region.hasPrefix("cn-") ? "amazonaws.com.cn" : "amazonaws.com"
    let endpoint = configuration.endpoint(service: "STS") ?? "https://sts.\(region).\(domain)"
    let form = [
      ("Action", "AssumeRoleWithWebIdentity"), ("Version", "2011-06-15"), ("RoleArn", role),
      ("RoleSessionName", session ?? "model-server-\(ProcessInfo.processInfo.processIdentifier)"),
      ("WebIdentityToken", token),
    ].map { "\($0)=\(PercentEncoding.component($1))" }.joined(separator: "&")
    var call = HTTPCall(method: "POST", url: endpoint + "/", subject: "AssumeRoleWithWebIdentity")
    call.headers = [("Content-Type", "application/x-www-form-urlencoded")]
    call.body = Data(form.utf8)
    call.allowsPlainHTTP = endpoint.hasPrefix("http://")
    call.limits.totalSeconds = 30
    let request = call
    let answer = try retry.run(cancellation) { () throws(RemoteError) -> Data in
      let (head, body) = try transfer.text(request, maxBytes: 1 << 20)
      if head.status == 200 { return body }
      throw AWSProblem.error(head, body, subject: "AssumeRoleWithWebIdentity")
    }
    let keys = try XMLNode.parse(answer, subject: "AssumeRoleWithWebIdentity")
      .first("AssumeRoleWithWebIdentityResult")?.first("Credentials")
    guard let id = keys?.text("AccessKeyId"), let secret = keys?.text("SecretAccessKey") else {
      throw RemoteError(.badData, "AssumeRoleWithWebIdentity", "answers without keys")
    }
    return AWSCredentials(
      accessKeyID: id, secretAccessKey: secret, sessionToken: keys?.text("SessionToken"),
      expiration: keys?.text("Expiration").flatMap(Self.date))
  }

  // MARK: Container and instance

  private struct Answer: Decodable {
    var accessKeyID: String
    var secretAccessKey: String
    var token: String?
    var expiration: String?

    enum CodingKeys: String, CodingKey {
      case accessKeyID = "AccessKeyId"
      case secretAccessKey = "SecretAccessKey"
      case token = "Token"
      case expiration = "Expiration"
    }
  }

  private static func keys(_ body: Data) -> AWSCredentials? {
    guard let answer = try? JSONDecoder().decode(Answer.self, from: body) else { return nil }
    return AWSCredentials(
      accessKeyID: answer.accessKeyID, secretAccessKey: answer.secretAccessKey, sessionToken: answer.token,
      expiration: answer.expiration.flatMap(date))
  }

  private static func date(_ text: String) -> Date? {
    (try? Date(text, strategy: .iso8601))
      ?? (try? Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
  }

  private func container(_ transfer: Transfer, _ cancellation: Cancellation) throws(RemoteError) -> AWSCredentials? {
    let address: String
    if let relative = configuration["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] {
      address = "http://169.254.170.2" + relative
    } else if let full = configuration["AWS_CONTAINER_CREDENTIALS_FULL_URI"] {
      address = full
    } else {
      return nil
    }
    let subject = "container credentials"
    guard Self.mayAsk(address) else {
      throw RemoteError(
        .unavailable, subject, "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor this machine or its agent")
    }
    var call = HTTPCall(url: address, subject: subject)
    if let file = configuration["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] {
      guard let token = SmallFile.read(file) else {
        throw RemoteError(.unavailable, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "\(file) cannot be read")
      }
      call.headers = [("Authorization", token)]
    } else if let token = configuration["AWS_CONTAINER_AUTHORIZATION_TOKEN"] {
      call.headers = [("Authorization", token)]
    }
    guard call.headers.allSatisfy({ !$0.value.contains(where: \.isNewline) }) else {
      throw RemoteError(.unavailable, subject, "the authorization token has a line break in it")
    }
    call.allowsPlainHTTP = true
    call.bypassesProxy = true
    call.limits = HTTPCall.Limits(connectSeconds: 2, totalSeconds: 5)
    let request = call
    let body = try retry.run(cancellation) { () throws(RemoteError) -> Data in
      let (head, body) = try transfer.text(request, maxBytes: 1 << 16)
      if head.status == 200 { return body }
      throw RemoteError(head.status >= 500 ? .transient : .unavailable, subject, "answers \(head.status)")
    }
    guard let keys = Self.keys(body) else { throw RemoteError(.badData, subject, "answers without keys") }
    return keys
  }

  /// Encrypted, or no further than this machine and the agents of ECS and EKS: a token goes with the request.
  private static func mayAsk(_ address: String) -> Bool {
    guard let url = URLComponents(string: address), let host = url.host else { return false }
    if url.scheme == "https" { return true }
    let near = [
      "localhost", "127.0.0.1", "::1", "[::1]", "169.254.170.2", "169.254.170.23", "fd00:ec2::23",
      "[fd00:ec2::23]",
    ]
    return url.scheme == "http" && near.contains(host)
  }

  /// Keys of the instance's role (IMDSv2). Anything but an answer within a second means: not on an instance.
  private func instance(_ transfer: Transfer) -> AWSCredentials? {
    if configuration["AWS_EC2_METADATA_DISABLED"]?.lowercased() == "true" { return nil }
    let base = configuration["AWS_EC2_METADATA_SERVICE_ENDPOINT"] ?? "http://169.254.169.254"
    func ask(_ path: String, _ method: String, _ headers: [(name: String, value: String)]) -> Data? {
      var call = HTTPCall(
        method: method, url: (base.hasSuffix("/") ? String(base.dropLast()) : base) + path,
        subject: "instance metadata", headers: headers)
      call.allowsPlainHTTP = true
      call.bypassesProxy = true
      call.limits = HTTPCall.Limits(connectSeconds: 1, totalSeconds: 2)
      guard let (head, body) = try? transfer.text(call, maxBytes: 1 << 16), head.status == 200 else { return nil }
      return body
    }
    func line(_ data: Data?) -> String? {
      data.flatMap { String(decoding: $0, as: UTF8.self).split(whereSeparator: \.isNewline).first.map(String.init) }
    }
    let roles = "/latest/meta-data/iam/security-credentials/"
    guard let token = line(ask("/latest/api/token", "PUT", [("X-aws-ec2-metadata-token-ttl-seconds", "21600")])),
      let role = line(ask(roles, "GET", [("X-aws-ec2-metadata-token", token)])),
      let body = ask(roles + PercentEncoding.path(role), "GET", [("X-aws-ec2-metadata-token", token)])
    else { return nil }
    return Self.keys(body)
  }
}

/// A token's file: its text without the line's end, up to 64 KiB.
package enum SmallFile {
  package static func read(_ path: String) -> String? {
    guard let file = FileHandle(forReadingAtPath: path), let data = try? file.read(upToCount: 1 << 16) else {
      return nil
    }
    let text = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    return text.isEmpty ? nil : text
  }
}
