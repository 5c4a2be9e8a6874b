import ArgumentParser
import Executor

/// One address for all models of a deployment.
struct ProxyOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "One address for all models: HAProxy on this machine, at a port (0: a free one) or address and port; or none.",
      valueName: "[address:]port|none"))
  var proxy: String?

  func validate() throws {
    if let proxy, proxy != Self.none, Self.address(proxy) == nil {
      throw ValidationError("--proxy must be a port, an address such as 0.0.0.0:8080 or [::1]:8080, or none")
    }
  }

  private static let none = "none"

  /// - Returns: nil unless the text is a port from 0 to 65535, of an address in numbers where there is one.
  static func address(_ text: String) -> NodeAddress? {
    var host = "127.0.0.1"
    var port = text[...]
    if let colon = text.lastIndex(of: ":") {
      host = String(text[..<colon])
      port = text[text.index(after: colon)...]
      if host.hasPrefix("["), host.hasSuffix("]") {
        host = String(host.dropFirst().dropLast())
      } else if host.contains(":") {
        return nil
      }
    }
    let marks = host.contains(":") ? "0123456789abcdefABCDEF:." : "0123456789."
    guard !host.isEmpty, host.allSatisfy(marks.contains), port.utf8.allSatisfy({ 48...57 ~= $0 }),
      let number = Int(port), number <= 65535
    else { return nil }
    return NodeAddress(host: host, port: number)
  }

  /// What leads clients to a deployment from now on: what was asked for, else what it has already. The caller holds the
  /// deployment's lock.
  ///
  /// - Throws: `Failure` where the runtime has no proxies; `RuntimeError`.
  func router(for deployment: DeploymentID, on runtime: any Runtime) async throws -> (any TrafficRouter)? {
    guard let local = runtime as? LocalRuntime else {
      guard let proxy, proxy != Self.none else { return nil }
      throw Failure(
        .usage,
        "--proxy leads to processes of this machine; write the files of a proxy of your own with: planner deploy proxy")
    }
    guard let proxy else { return try LocalProxy(of: deployment, on: local) }
    if let address = Self.address(proxy) { return try LocalProxy.make(for: deployment, on: local, at: address) }
    await LocalProxy.end(of: deployment, on: local)
    return nil
  }
}
