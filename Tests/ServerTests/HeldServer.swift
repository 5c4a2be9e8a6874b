import Foundation
import Logging
import NIOPosix
import PlannerCore
import ServerGRPC
import ServerHTTP
import ServerSecurity
import ServiceLifecycle
import Serving
import Testing

/// The server's front ends in this process. A model `slow` takes one number and answers with it when the test says so.
final class HeldServer: Sendable {
  let session: HeldPasses
  let state: ServerState
  let port: Int
  let grpcPort: Int
  private let services: ServiceGroup
  private let running: Task<Void, any Error>

  /// - Parameter registry: other models in the place of `slow`.
  init(
    queueCapacity: Int? = nil, batch: BatchPolicy = .single, access: ServerAccess = ServerAccess(),
    registry: ModelRegistry? = nil
  ) async throws {
    session = HeldPasses(isBatched: batch.max > 1)
    let pool = WorkerPool(options: .init(workers: 1, threadsPerWorker: 1, queueCapacity: queueCapacity, batch: batch))
    try pool.start()
    let model = ServedModel(
      name: "slow", session: session, precision: .fp32, vocabulary: 1, maxTokens: 1, inputs: ["n"], weightBytes: 10)
    state = ServerState(pools: [pool], registry: registry ?? ModelRegistry(models: [model]))
    state.becomeReady()
    var options = ServerOptions(repository: "held")
    options.port = 0
    options.batch = batch
    // Nothing ends by itself while a test looks.
    options.requestTimeoutSeconds = 600
    let service = InferenceService(state: state, options: options)
    let logger = Logger(label: "held") { _ in SwiftLogNoOpLogHandler() }
    let group = MultiThreadedEventLoopGroup.singleton
    let (ports, bound) = AsyncStream.makeStream(of: (isGRPC: Bool, number: Int).self)
    let http = try HTTPFrontEnd.make(service, access: access, group: group, logger: logger) { bound.yield((false, $0)) }
    let grpc = try GRPCFrontEnd(service, access: access, port: 0, group: group) { bound.yield((true, $0)) }
    services = ServiceGroup(configuration: .init(services: [http, grpc], logger: logger))
    running = Task { [services] in try await services.run() }
    var numbers: [Bool: Int] = [:]
    for await port in ports {
      numbers[port.isGRPC] = port.number
      if numbers.count == 2 { break }
    }
    port = try #require(numbers[false])
    grpcPort = try #require(numbers[true])
  }

  /// As SIGTERM does; returns once all that was under way is answered.
  func shutDown() async throws {
    state.startDraining()
    await services.triggerGracefulShutdown()
    try await running.value
  }

  /// Lets all go.
  func end() async {
    session.finish(1_000)
    try? await shutDown()
    state.registry.stop()
    state.pools[0].stop()
  }

  /// Runs a test's body and ends the server, whatever comes of it.
  static func with(_ server: HeldServer, _ body: (HeldServer) async throws -> Void) async throws {
    do {
      try await body(server)
    } catch {
      await server.end()
      throw error
    }
    await server.end()
  }

  func wait(until condition: @Sendable () -> Bool) async throws { try await WorkerPoolTests.wait(until: condition) }

  /// Waits until so many requests wait for the worker, which computes.
  func waitForQueue(_ waiting: Int) async throws {
    let load = WorkerPool.Load(waiting: waiting, busyWorkers: 1)
    try await wait { self.state.load == load }
  }

  /// Waits until so many clients have been seen to go, and says whether all counters do.
  func waitForCancelled(_ count: Int) async throws {
    let family = #"model_server_request_failures_total{reason="cancelled"} "#
    try await wait {
      let records = self.state.registry.entries.map(\.record)
      return records.reduce(0) { $0 + $1.cancelled.count } == count
        && String(decoding: self.state.metricsText, as: UTF8.self).contains("\n\(family)\(count)\n")
    }
  }
}

/// A client's HTTP/1.1 connection, byte by byte. It reads for a minute at most.
final class RawConnection {
  private let handle: Int32
  private var isOpen = true

  init(port: Int) throws {
    handle = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var limit = timeval(tv_sec: 60, tv_usec: 0)
    setsockopt(handle, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    let status = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(handle, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    try #require(status == 0)
  }

  deinit { close() }

  static func request(_ number: Int, model: String = "slow", input: String = "n") -> String {
    let body = #"{"inputs":[{"name":"\#(input)","shape":[1],"datatype":"INT64","data":[\#(number)]}]}"#
    return "POST /v2/models/\(model)/infer HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
  }

  func send(_ text: String) {
    _ = Array(text.utf8).withUnsafeBytes { Glibc.send(handle, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
  }

  /// Says that nothing more will come.
  func shutDownWriting() { shutdown(handle, Int32(SHUT_WR)) }

  func close() {
    if isOpen { _ = Glibc.close(handle) }
    isOpen = false
  }

  /// Closes so that the other side sees a reset.
  func reset() {
    var linger = linger(l_onoff: 1, l_linger: 0)
    setsockopt(handle, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
    close()
  }

  /// What comes next; empty at the end.
  func receive() -> String {
    var buffer = [UInt8](repeating: 0, count: 65536)
    let count = recv(handle, &buffer, buffer.count, 0)
    return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
  }

  /// What comes until a text ends it, or the other side closes.
  func receive(until end: String) -> String {
    var all = ""
    while !all.hasSuffix(end) {
      let part = receive()
      if part.isEmpty { break }
      all += part
    }
    return all
  }

  /// All that comes until the other side closes.
  func receiveAll() -> String {
    var all = ""
    while true {
      let part = receive()
      if part.isEmpty { return all }
      all += part
    }
  }
}
