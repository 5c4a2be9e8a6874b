import AsyncHTTPClient
import Foundation
import NIOCore
import PlannerCore

/// What is asked of an HTTP interface.
public struct APIRequest: Sendable {
  public enum Body: Sendable {
    case bytes([UInt8])
    /// Bytes as they come; `count` of them, nil where that is not known before.
    case parts(AsyncThrowingStream<ByteBuffer, any Error>, count: Int64?)
  }

  public var method: String
  /// Begins with a slash; encoded already.
  public var path: String
  /// Encoded when it is sent.
  public var query: [(name: String, value: String)]
  public var headers: [(name: String, value: String)]
  public var body: Body?
  /// Longest wait for the answer's head, and, unless the answer is a stream, for all of it.
  public var timeLimit: Duration

  public init(
    _ method: String, path: String, query: [(name: String, value: String)] = [],
    headers: [(name: String, value: String)] = [], body: Body? = nil, timeLimit: Duration = .seconds(30)
  ) {
    self.method = method
    self.path = path
    self.query = query
    self.headers = headers
    self.body = body
    self.timeLimit = timeLimit
  }

  /// Puts segments together to a path; what could end a segment is encoded. A segment `..` stays inside its place.
  public static func path(_ segments: String...) -> String {
    segments.reduce(into: "") { path, segment in
      let encoded = PercentEncoding.component(segment)
      path += "/" + (encoded == "." || encoded == ".." ? encoded.replacingOccurrences(of: ".", with: "%2E") : encoded)
    }
  }

  /// What stands in the request's first line, behind the endpoint's own path.
  public var pathAndQuery: String {
    guard !query.isEmpty else { return path }
    return path + "?"
      + query.map { "\(PercentEncoding.component($0.name))=\(PercentEncoding.component($0.value))" }
      .joined(separator: "&")
  }
}

/// An answer with all of its body.
public struct APIResponse: Sendable {
  public var status: Int
  /// Names in lower case; of several of one name the last.
  public var headers: [String: String]
  public var body: [UInt8]

  public var isSuccess: Bool { (200..<300).contains(status) }
}

/// An answer whose body is read while it comes.
public struct APIStream: Sendable {
  public var status: Int
  /// Names in lower case; of several of one name the last.
  public var headers: [String: String]
  public var parts: APIBody

  public var isSuccess: Bool { (200..<300).contains(status) }

  /// The body's lines without their ends. A line that is longer than `limit` bytes ends the stream by an error.
  public func lines(atMost limit: Int = 16 << 20) -> AsyncThrowingStream<String, any Error> {
    AsyncThrowingStream { feed in
      let task = Task {
        do {
          var rest: [UInt8] = []
          for try await part in parts {
            rest += part.readableBytesView
            while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
              let line = rest[..<end].last == UInt8(ascii: "\r") ? rest[..<end].dropLast() : rest[..<end]
              feed.yield(String(decoding: line, as: UTF8.self))
              rest.removeSubrange(...end)
            }
            guard rest.count <= limit else { throw APIError.tooLarge(limitBytes: limit) }
          }
          if !rest.isEmpty { feed.yield(String(decoding: rest, as: UTF8.self)) }
          feed.finish()
        } catch {
          feed.finish(throwing: error)
        }
      }
      feed.onTermination = { _ in task.cancel() }
    }
  }
}

/// The bytes of an answer as they come, read once and no faster than they are taken; giving them up ends the
/// connection.
public struct APIBody: AsyncSequence, Sendable {
  public typealias Element = ByteBuffer
  let body: HTTPClientResponse.Body
  let request: APIRequest

  public struct AsyncIterator: AsyncIteratorProtocol {
    var bytes: HTTPClientResponse.Body.AsyncIterator
    let request: APIRequest

    /// - Throws: `APIError`; `CancellationError`.
    public mutating func next() async throws -> ByteBuffer? {
      do { return try await bytes.next() } catch { throw APIClient.error(error, request) }
    }
  }

  public func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(bytes: body.makeAsyncIterator(), request: request)
  }
}

/// Why an interface gave no answer.
public enum APIError: Error, Hashable, CustomStringConvertible {
  /// Nobody answers there, or the connection ended; the same call may succeed later.
  case unreachable(String)
  /// The answer did not come in time.
  case timedOut(seconds: Double)
  /// Both sides do not trust one another, or a certificate or key cannot be read.
  case tls(String)
  /// The answer is longer than anything that was expected.
  case tooLarge(limitBytes: Int)

  public var description: String {
    switch self {
    case .unreachable(let reason): "cannot be reached: \(reason)"
    case .timedOut(let seconds): "did not answer within \(NumberText.decimal(seconds, 0)) s"
    case .tls(let reason): "no encrypted connection: \(reason)"
    case .tooLarge(let limit): "answered with more than \(limit >> 20) MiB"
    }
  }
}
