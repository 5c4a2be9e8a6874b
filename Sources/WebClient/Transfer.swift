import CCurl
import Foundation
import Synchronization

/// One HTTP request as libcurl is to send it.
package struct HTTPCall {
  package struct Signature {
    package var credentials: AWSCredentials
    package var region: String
    package var service: String

    package init(credentials: AWSCredentials, region: String, service: String) {
      self.credentials = credentials
      self.region = region
      self.service = service
    }
  }

  package var method = "GET"
  package var url: String
  /// The address as messages may show it: without a query.
  package var subject: String
  package var headers: [(name: String, value: String)] = []
  package var body: Data?
  package var signature: Signature?
  package var allowsPlainHTTP = false
  package var followsRedirects = false
  package var bypassesProxy = false
  package var limits = Limits()

  package init(method: String = "GET", url: String, subject: String, headers: [(name: String, value: String)] = []) {
    self.method = method
    self.url = url
    self.subject = subject
    self.headers = headers
  }

  package struct Limits {
    package var connectSeconds = 10.0
    /// Longest time of the whole call; nil where only a standstill ends it.
    package var totalSeconds: Double?
    /// A transfer that moves fewer than a kilobyte a second for so long is cut.
    package var stallSeconds = 30
  }
}

package struct HTTPHead {
  package var status = 0
  /// Names in lower case; of several values the last.
  package var headers: [String: String] = [:]

  package subscript(name: String) -> String? { headers[name] }
}

/// Tells transfers that they are not wanted any more.
package final class Cancellation: Sendable {
  private let flag = Atomic<Bool>(false)
  package var isCancelled: Bool { flag.load(ordering: .relaxed) }
  package func cancel() { flag.store(true, ordering: .relaxed) }
}

/// A libcurl handle, which keeps its connections between calls; used by one thread.
package final class Transfer {
  /// Largest body of an answer that is not a file.
  static let maxTextBytes = 64 << 20

  private let handle: OpaquePointer
  private let cancellation: Cancellation
  private let authorities: String?
  private static let isInitialized: Bool = cc_global_init() == CURLE_OK

  /// - Parameter authorities: file of the certificates to trust; nil for the system's.
  package init(cancellation: Cancellation, authorities: String?) throws(RemoteError) {
    guard Self.isInitialized, let handle = curl_easy_init() else {
      throw RemoteError(.unavailable, "libcurl", "cannot be set up")
    }
    self.handle = OpaquePointer(handle)
    self.cancellation = cancellation
    self.authorities = authorities
  }

  /// What the curl program, AWS' tools and OpenSSL read.
  package static func authorities(_ environment: [String: String]) -> String? {
    ["CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "SSL_CERT_FILE"].lazy.compactMap { environment[$0] }.first { !$0.isEmpty }
  }

  deinit { curl_easy_cleanup(UnsafeMutableRawPointer(handle)) }

  private var curl: UnsafeMutableRawPointer { UnsafeMutableRawPointer(handle) }

  /// An answer of at most `maxBytes` as a whole, of any status.
  package func text(_ call: HTTPCall, maxBytes: Int = Transfer.maxTextBytes) throws(RemoteError) -> (HTTPHead, Data) {
    let sink = TextSink(subject: call.subject, maxBytes: maxBytes)
    return (try perform(call, into: sink), sink.body)
  }

  /// Sends a call and waits for its end.
  ///
  /// - Throws: `RemoteError`, `transient` where the network or the other side was at fault; what the sink throws.
  package func perform(_ call: HTTPCall, into sink: some ResponseSink) throws(RemoteError) -> HTTPHead {
    if cancellation.isCancelled { throw .cancelled }
    curl_easy_reset(curl)
    let list = Self.list(call)
    defer { curl_slist_free_all(list) }
    try configure(call, list)
    let receiver = Receiver(subject: call.subject, cancellation: cancellation, sink: sink)
    var message = [CChar](repeating: 0, count: Int(CURL_ERROR_SIZE))
    let code = message.withUnsafeMutableBufferPointer { buffer in
      let context = Unmanaged.passUnretained(receiver).toOpaque()
      cc_set_error_buffer(curl, buffer.baseAddress)
      cc_set_receivers(curl, receiveHeader, receiveBody, context)
      cc_set_progress(curl, watchProgress, context)
      let code = withExtendedLifetime(receiver) { curl_easy_perform(curl) }
      cc_set_error_buffer(curl, nil)
      return code
    }
    if cancellation.isCancelled { throw .cancelled }
    if let failure = receiver.failure { throw failure }
    guard code == CURLE_OK else { throw Self.failure(code, message, call) }
    try receiver.announceHead()
    return receiver.head
  }

  private static func list(_ call: HTTPCall) -> UnsafeMutablePointer<curl_slist>? {
    var list: UnsafeMutablePointer<curl_slist>?
    // An empty Expect keeps libcurl from waiting for permission to send a body; without one it would only be signed.
    let expect = call.body == nil ? [] : ["Expect:"]
    for line in call.headers.map({ "\($0.name): \($0.value)" }) + expect {
      list = curl_slist_append(list, line) ?? list
    }
    return list
  }

  private func configure(_ call: HTTPCall, _ list: UnsafeMutablePointer<curl_slist>?) throws(RemoteError) {
    var codes: [CURLcode] = []
    func set(_ option: CURLoption, _ value: Int) { codes.append(cc_set_long(curl, option, value)) }
    func set(_ option: CURLoption, _ value: String) { codes.append(cc_set_string(curl, option, value)) }
    set(CURLOPT_URL, call.url)
    set(CURLOPT_PROTOCOLS_STR, call.allowsPlainHTTP ? "http,https" : "https")
    set(CURLOPT_REDIR_PROTOCOLS_STR, "https")
    set(CURLOPT_FOLLOWLOCATION, call.followsRedirects ? 1 : 0)
    set(CURLOPT_MAXREDIRS, 5)
    set(CURLOPT_NOSIGNAL, 1)
    // An upgrade would save nothing here, and one connection that stalls would stall all files.
    set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
    set(CURLOPT_USERAGENT, "planner-model-server")
    set(CURLOPT_CONNECTTIMEOUT_MS, Int(call.limits.connectSeconds * 1000))
    set(CURLOPT_LOW_SPEED_LIMIT, 1024)
    set(CURLOPT_LOW_SPEED_TIME, call.limits.stallSeconds)
    set(CURLOPT_PATH_AS_IS, 1)
    set(CURLOPT_TCP_KEEPALIVE, 1)
    if let seconds = call.limits.totalSeconds { set(CURLOPT_TIMEOUT_MS, Int(seconds * 1000)) }
    if call.bypassesProxy { set(CURLOPT_NOPROXY, "*") }
    if let authorities { set(CURLOPT_CAINFO, authorities) }
    if let body = call.body {
      codes.append(cc_set_offset(curl, CURLOPT_POSTFIELDSIZE_LARGE, Int64(body.count)))
      codes.append(
        body.withUnsafeBytes { bytes in
          cc_set_string(curl, CURLOPT_COPYPOSTFIELDS, bytes.baseAddress?.assumingMemoryBound(to: CChar.self))
        })
    }
    if call.method != "GET" { set(CURLOPT_CUSTOMREQUEST, call.method) }
    if let signature = call.signature {
      set(CURLOPT_AWS_SIGV4, "aws:amz:\(signature.region):\(signature.service)")
      set(CURLOPT_USERNAME, signature.credentials.accessKeyID)
      set(CURLOPT_PASSWORD, signature.credentials.secretAccessKey)
    }
    codes.append(cc_set_list(curl, CURLOPT_HTTPHEADER, list))
    guard codes.allSatisfy({ $0 == CURLE_OK }) else {
      throw RemoteError(.unavailable, "libcurl", "is too old or was built without what is needed (7.85 or newer)")
    }
  }

  private static func failure(_ code: CURLcode, _ message: [CChar], _ call: HTTPCall) -> RemoteError {
    let text = String(
      decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let reason = text.isEmpty ? String(cString: curl_easy_strerror(code)) : text
    let permanent: [CURLcode] = [
      CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE,
      CURLE_TOO_MANY_REDIRECTS, CURLE_SSL_CERTPROBLEM, CURLE_SSL_PINNEDPUBKEYNOTMATCH,
    ]
    return RemoteError(permanent.contains(code) ? .unavailable : .transient, call.subject, reason)
  }
}

/// What a transfer delivers to; what it throws ends the transfer.
package protocol ResponseSink: AnyObject {
  /// Called once, with the last head where there are several, before the body.
  func begin(_ head: HTTPHead) throws(RemoteError)
  func append(_ bytes: UnsafeRawBufferPointer) throws(RemoteError)
}

/// Keeps a short answer.
final class TextSink: ResponseSink {
  private(set) var body = Data()
  private let subject: String
  private let maxBytes: Int

  init(subject: String, maxBytes: Int) {
    self.subject = subject
    self.maxBytes = maxBytes
  }

  func begin(_ head: HTTPHead) {}

  func append(_ bytes: UnsafeRawBufferPointer) throws(RemoteError) {
    guard body.count + bytes.count <= maxBytes else {
      throw RemoteError(.badData, subject, "the answer is longer than \(maxBytes) bytes")
    }
    body.append(contentsOf: bytes)
  }
}

/// What libcurl calls back during a transfer.
private final class Receiver {
  private(set) var head = HTTPHead()
  private(set) var failure: RemoteError?
  private let subject: String
  private let cancellation: Cancellation
  private let sink: any ResponseSink
  private var isAnnounced = false

  init(subject: String, cancellation: Cancellation, sink: any ResponseSink) {
    self.subject = subject
    self.cancellation = cancellation
    self.sink = sink
  }

  var isCancelled: Bool { cancellation.isCancelled }

  /// A redirect's or an interim answer's head is followed by another: the last one counts, at its body or the end.
  func headerLine(_ line: String) -> Bool {
    if line.hasPrefix("HTTP/") {
      head = HTTPHead()
      head.status = Int(line.split(separator: " ").dropFirst().first ?? "") ?? 0
    } else if let colon = line.firstIndex(of: ":") {
      guard head.headers.count < 200 else {
        failure = RemoteError(.badData, subject, "answers with more than 200 header fields")
        return false
      }
      head.headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(
        in: .whitespacesAndNewlines)
    }
    return true
  }

  func body(_ bytes: UnsafeRawBufferPointer) -> Bool {
    do throws(RemoteError) {
      try announceHead()
      try sink.append(bytes)
      return true
    } catch {
      failure = error
      return false
    }
  }

  func announceHead() throws(RemoteError) {
    if isAnnounced { return }
    isAnnounced = true
    try sink.begin(head)
  }
}

private func receiveHeader(
  _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
  guard let bytes, let context else { return 0 }
  let line = String(decoding: UnsafeRawBufferPointer(start: bytes, count: size * count), as: UTF8.self)
  return Unmanaged<Receiver>.fromOpaque(context).takeUnretainedValue().headerLine(line) ? size * count : 0
}

private func receiveBody(
  _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
  guard let bytes, let context else { return 0 }
  let buffer = UnsafeRawBufferPointer(start: bytes, count: size * count)
  // A write function that takes nothing of nothing would look like a failure.
  return Unmanaged<Receiver>.fromOpaque(context).takeUnretainedValue().body(buffer) ? size * count : size * count + 1
}

private func watchProgress(
  _ context: UnsafeMutableRawPointer?, _: curl_off_t, _: curl_off_t, _: curl_off_t, _: curl_off_t
) -> Int32 {
  guard let context else { return 0 }
  return Unmanaged<Receiver>.fromOpaque(context).takeUnretainedValue().isCancelled ? 1 : 0
}
