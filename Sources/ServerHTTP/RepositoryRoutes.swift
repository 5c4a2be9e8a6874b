import HTTPTypes
import Hummingbird
import NIOCore
import Serving

/// Triton's model repository extension.
extension ServerResponder {
  /// - Parameter path: what follows `v2/repository`.
  func repository(_ request: Request, _ path: [String]) async throws -> Response {
    switch (path.count, path.last) {
    case (1, "index"):
      try allow([.post], request)
      let isReadyOnly = try Self.readyOnly(try await body(of: request))
      return await Self.index(service.index(readyOnly: isReadyOnly), for: request)
    case (3, "load") where path[0] == "models":
      try allow([.post], request)
      try Self.checkLoad(try await body(of: request))
      try await service.load(path[1])
      return Self.json("{}")
    case (3, "unload") where path[0] == "models":
      try allow([.post], request)
      // Models depend on no others, so `unload_dependents` asks for nothing more.
      try Self.skip(try await body(of: request))
      try await service.unload(path[1])
      return Self.json("{}")
    // Triton knows the form with a repository's name and refuses it, too.
    case (2, "index"), (4, "load"), (4, "unload"):
      throw HTTPProblem(.badRequest, "the server has one repository; leave its name out")
    default: throw nothing(at: request)
    }
  }

  private static func index(_ entries: [RepositoryIndexEntry], for request: Request) async -> Response {
    var body = JSONText(capacity: 64 + 80 * entries.count)
    body.list(entries) { body, entry in
      body.object { body in
        body.member("name", entry.name)
        body.member("version", entry.version)
        body.member("state", entry.state)
        body.member("reason", entry.reason)
      }
    }
    return await packed(ByteBuffer(bytes: body.bytes), type: "application/json", for: request)
  }

  // MARK: Bodies

  private static func readyOnly(_ body: ByteBuffer) throws(HTTPProblem) -> Bool {
    var isReady = false
    try read(body) { (reader, name) throws(JSONError) in
      if name == "ready" { isReady = try reader.readBool() } else { try reader.skipValue() }
    }
    return isReady
  }

  /// Parameters are taken and have no effect, but for those that bring a model's file: it would have to be stored.
  private static func checkLoad(_ body: ByteBuffer) throws(HTTPProblem) {
    try read(body) { (reader, name) throws(JSONError) in
      guard name == "parameters" else { return try reader.skipValue() }
      try reader.readObject { (reader, key) throws(JSONError) in
        guard !key.hasPrefix("file:") else {
          throw reader.error("models are loaded from the repository; a file cannot be sent")
        }
        try reader.skipValue()
      }
    }
  }

  private static func skip(_ body: ByteBuffer) throws(HTTPProblem) {
    try read(body) { (reader, _) throws(JSONError) in try reader.skipValue() }
  }

  /// Reads an object; a body may also be empty.
  private static func read(
    _ body: ByteBuffer, _ member: (inout JSONReader, String) throws(JSONError) -> Void
  ) throws(HTTPProblem) {
    guard body.readableBytes > 0 else { return }
    let result = body.withUnsafeReadableBytes { bytes in
      Result { () throws(JSONError) in
        var reader = JSONReader(bytes)
        try reader.readObject(member)
        try reader.finish()
      }
    }
    if case .failure(let error) = result {
      throw HTTPProblem(.badRequest, "the body is not as it should be at byte \(error.offset): \(error.message)")
    }
  }
}
