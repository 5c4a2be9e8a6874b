import Foundation
import PlannerCore
import WebClient

/// A folder of a bucket.
final class S3Store: ObjectStore {
  let subject: String
  private let bucket: String
  private let prefix: String
  private let region: String
  /// Ends without a slash; the bucket is in its host or in its path.
  private let base: String
  private let isPlain: Bool
  private let chain: CredentialChain
  private let isAnonymousAllowed: Bool

  static let maxListedFiles = 100_000

  init(
    bucket: String, prefix: String, environment: [String: String], retry: RetryPolicy, isAnonymousAllowed: Bool
  ) throws(RemoteError) {
    let configuration = try AWSConfiguration(environment: environment)
    let region = configuration.region ?? "us-east-1"
    guard !region.isEmpty,
      region.utf8.allSatisfy({
        $0 == UInt8(ascii: "-") || ($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7a || $0 >= 0x30 && $0 <= 0x39
      })
    else { throw RemoteError(.badData, "AWS_REGION", "is no region") }
    self.bucket = bucket
    self.prefix = prefix
    self.region = region
    self.isAnonymousAllowed = isAnonymousAllowed
    subject = "s3://\(bucket)/\(prefix)"
    chain = CredentialChain(configuration: configuration, region: region, retry: retry)
    if let endpoint = configuration.endpoint(service: "S3") {
      guard let parts = URLComponents(string: endpoint), parts.host?.isEmpty == false,
        parts.scheme == "https" || parts.scheme == "http", parts.user == nil, parts.query == nil
      else { throw RemoteError(.badData, "AWS_ENDPOINT_URL", "is no http:// or https:// address") }
      base = (endpoint.hasSuffix("/") ? String(endpoint.dropLast()) : endpoint) + "/" + bucket
      isPlain = parts.scheme == "http"
    } else {
      let domain = region.hasPrefix("cn-") ? "amazonaws.com.cn" : "amazonaws.com"
      // A certificate's wildcard covers one label only: a bucket with dots goes into the path.
      base =
        bucket.contains(".")
        ? "https://s3.\(region).\(domain)/\(bucket)" : "https://\(bucket).s3.\(region).\(domain)"
      isPlain = false
    }
  }

  /// Tells one folder of one store from another in the cache.
  var identity: String { base + "/" + prefix }

  func get(_ path: String, _ transfer: Transfer, _ cancellation: Cancellation) throws(RemoteError) -> HTTPCall {
    var call = try signed(
      base + "/" + PercentEncoding.path(prefix + path), subject + path, transfer, cancellation)
    // Asks for the checksum that was stored with the object, if there was one.
    call.headers.append(("x-amz-checksum-mode", "ENABLED"))
    return call
  }

  /// What a full answer says of the object's content beside its size.
  ///
  /// An entity tag is the MD5 of what was put in one part, except with keys of KMS or of the customer.
  func digests(_ head: HTTPHead) -> [Digest] {
    var found: [Digest] = []
    let isWhole = head["x-amz-checksum-type"].map { $0.uppercased() == "FULL_OBJECT" } ?? true
    if isWhole, let text = head["x-amz-checksum-sha256"], let bytes = Data(base64Encoded: text), bytes.count == 32 {
      found.append(.sha256(bytes.map { $0 }.hexadecimal))
    }
    if isWhole, let text = head["x-amz-checksum-crc64nvme"], let bytes = Data(base64Encoded: text), bytes.count == 8 {
      found.append(.crc64(bytes.map { $0 }.hexadecimal))
    }
    let isEncryptedByKey =
      head["x-amz-server-side-encryption"]?.hasPrefix("aws:kms") == true
      || head["x-amz-server-side-encryption-customer-algorithm"] != nil
    if !isEncryptedByKey, let tag = head["etag"]?.trimmingCharacters(in: ["\""]).lowercased(), tag.utf8.count == 32,
      tag.allSatisfy(\.isHexDigit)
    {
      found.append(.md5(tag))
    }
    return found
  }

  func problem(_ head: HTTPHead, _ body: Data, subject: String) -> RemoteError {
    let error = AWSProblem.error(head, body, subject: subject)
    if AWSProblem.code(body) == "ExpiredToken" {
      chain.forget()
      return RemoteError(.transient, subject, error.message)
    }
    if let actual = head["x-amz-bucket-region"], actual != region, [301, 307, 400].contains(head.status) {
      return RemoteError(
        .unavailable, subject, "the bucket is in \(actual), not in \(region); set AWS_REGION=\(actual)")
    }
    return error
  }

  /// The `.pt` files and the vocabulary directly under the prefix (ListObjectsV2, page by page).
  func list(_ transfer: Transfer, _ cancellation: Cancellation, _ retry: RetryPolicy) throws(RemoteError)
    -> [ListedFile]
  {
    var files: [ListedFile] = []
    var token: String?
    repeat {
      let page = try retry.run(cancellation) { () throws(RemoteError) -> XMLNode in
        // In the order in which they are signed: this libcurl does not sort them (curl issue 9717).
        var query = token.map { "continuation-token=\(PercentEncoding.component($0))&" } ?? ""
        query += "delimiter=%2F&encoding-type=url&list-type=2&prefix=\(PercentEncoding.component(prefix))"
        let call = try signed(base + "/?" + query, subject, transfer, cancellation)
        let (head, body) = try transfer.text(call, maxBytes: 8 << 20)
        guard head.status == 200 else { throw problem(head, body, subject: subject) }
        return try XMLNode.parse(body, subject: subject)
      }
      let isEncoded = page.text("EncodingType") == "url"
      for entry in page.all("Contents") {
        guard let written = entry.text("Key"),
          let key = isEncoded ? written.replacing("+", with: " ").removingPercentEncoding : written,
          key.hasPrefix(prefix), let bytes = entry.text("Size").flatMap({ Int64($0) }), bytes >= 0
        else { continue }
        let name = String(key.dropFirst(prefix.count))
        guard name.hasSuffix(".pt") || name == "vocab.txt", !name.contains("/") else { continue }
        files.append(ListedFile(name: name, bytes: bytes, entityTag: entry.text("ETag")))
        guard files.count <= Self.maxListedFiles else {
          throw RemoteError(.badData, subject, "has more than \(Self.maxListedFiles) files; give it a manifest.json")
        }
      }
      let next = page.text("IsTruncated") == "true" ? page.text("NextContinuationToken") : nil
      guard next == nil || next != token else { throw RemoteError(.badData, subject, "lists the same page again") }
      token = next
    } while token != nil
    return files
  }

  private func signed(
    _ url: String, _ shown: String, _ transfer: Transfer, _ cancellation: Cancellation
  ) throws(RemoteError) -> HTTPCall {
    var call = HTTPCall(url: url, subject: shown)
    call.allowsPlainHTTP = isPlain
    guard let keys = try chain.credentials(transfer, cancellation) else {
      if isAnonymousAllowed { return call }
      throw RemoteError(
        .unavailable, subject,
        "no AWS credentials in the environment, in files, of the container or of the instance; "
          + "for a public bucket add --anonymous")
    }
    call.signature = HTTPCall.Signature(credentials: keys, region: region, service: "s3")
    // Headers given here are signed with the rest. S3 wants the hash of the body, here of nothing, which libcurl
    // before 8 does not add by itself (curl issue 8810).
    call.headers.append(("x-amz-content-sha256", SHA256Text.hexadecimal("")))
    if let token = keys.sessionToken { call.headers.append(("x-amz-security-token", token)) }
    return call
  }
}

struct ListedFile: Sendable {
  var name: String
  var bytes: Int64
  var entityTag: String?
}
