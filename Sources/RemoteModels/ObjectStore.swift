import Foundation
import PlannerCore
import WebClient

/// A place that has files under relative paths.
protocol ObjectStore: Sendable {
  /// The store's address as messages show it.
  var subject: String { get }
  /// Tells one place from another in the cache.
  var identity: String { get }
  /// A request for a file's bytes; ranges and conditions are added by the caller.
  func get(_ path: String, _ transfer: Transfer, _ cancellation: Cancellation) throws(RemoteError) -> HTTPCall
  func digests(_ head: HTTPHead) -> [Digest]
  /// What an answer that is no success means.
  func problem(_ head: HTTPHead, _ body: Data, subject: String) -> RemoteError
}

/// A folder on a web server.
struct HTTPSStore: ObjectStore {
  let base: String
  var subject: String { base }
  var identity: String { base }

  func get(_ path: String, _ transfer: Transfer, _ cancellation: Cancellation) throws(RemoteError) -> HTTPCall {
    var call = HTTPCall(url: base + PercentEncoding.path(path), subject: base + path)
    call.followsRedirects = true
    return call
  }

  /// RFC 3230 and 9530 have digests, but few servers send them, and their entity tags mean nothing outside.
  func digests(_ head: HTTPHead) -> [Digest] { [] }

  func problem(_ head: HTTPHead, _ body: Data, subject: String) -> RemoteError {
    let message =
      switch head.status {
      case 404, 410: "is not there (HTTP \(head.status))"
      case 401, 403: "may not be read (HTTP \(head.status))"
      default: "HTTP \(head.status)"
      }
    var error = RemoteError(HTTPStatus.isTransient(head.status) ? .transient : .unavailable, subject, message)
    error.retryAfterSeconds = head["retry-after"].flatMap(Double.init)
    return error
  }
}
