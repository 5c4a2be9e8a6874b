import Foundation

/// The line of JSON that a server prints on standard output once, when every model is loaded and warm.
public struct ReadyLine: Codable, Hashable, Sendable {
  public var ready: Bool
  /// Port of HTTP.
  public var port: Int
  /// Port of gRPC; nil where that is not served.
  public var grpcPort: Int?
  /// Number of models that are served.
  public var models: Int
  /// Process id of the server.
  public var pid: Int32?

  public init(port: Int, grpcPort: Int?, models: Int, pid: Int32) {
    ready = true
    self.port = port
    self.grpcPort = grpcPort
    self.models = models
    self.pid = pid
  }

  /// The contents of `line`; nil unless it says that a server is ready.
  public static func parse(_ line: some StringProtocol) -> ReadyLine? {
    let found = try? JSONDecoder().decode(ReadyLine.self, from: Data(line.utf8))
    return found.flatMap { $0.ready ? $0 : nil }
  }
}
