import Foundation

/// What S3 and STS say when they refuse.
package enum AWSProblem {
  package static func code(_ body: Data) -> String? { details(body)?.code }

  private static func details(_ body: Data) -> (code: String, message: String)? {
    guard let root = try? XMLNode.parse(body.prefix(1 << 16), subject: ""),
      let node = root.name == "Error" ? root : root.first("Error"), let code = node.text("Code")
    else { return nil }
    return (String(code.prefix(100)), String((node.text("Message") ?? "").prefix(300)))
  }

  package static func error(_ head: HTTPHead, _ body: Data, subject: String) -> RemoteError {
    let details = details(body)
    let said = details.map { "\($0.code): \($0.message)" } ?? "HTTP \(head.status)"
    let again = ["SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable", "OperationAborted", "Throttling"]
    let isTransient = HTTPStatus.isTransient(head.status) || details.map { again.contains($0.code) } ?? false
    var error = RemoteError(isTransient ? .transient : .unavailable, subject, said)
    if head.status == 404, details == nil { error.message = "is not there (HTTP 404)" }
    error.retryAfterSeconds = head["retry-after"].flatMap(Double.init)
    return error
  }
}

package enum HTTPStatus {
  /// Worth another attempt: timeouts, too many requests, and what servers say of themselves.
  package static func isTransient(_ status: Int) -> Bool {
    status == 408 || status == 429 || (500...599).contains(status)
  }
}
