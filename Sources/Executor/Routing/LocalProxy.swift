import Foundation
import PlannerFiles

/// One address for all models of a deployment of this machine: HAProxy in front of its nodes.
///
/// What there is of it lies in a folder of the deployment: where it listens, and the files that it was started with.
/// The process answers at a socket there, and describes itself by the revision of its files; so any program can see
/// what clients are led by, whoever started it. A new table is a new process, which takes the listening sockets over
/// from the old one; the old one answers what it has accepted, tells its clients to connect anew, and ends.
public struct LocalProxy: TrafficRouter {
  /// Names another program than the `haproxy` of this machine.
  public static let environmentVariable = "PLANNER_HAPROXY"
  /// Variable that tells its processes from all others: the path of its folder.
  static let markerVariable = "PLANNER_PROXY"
  /// How long a process may take until it listens.
  private static let startLimit = Duration.seconds(20)

  /// What is recorded of it.
  struct Record: Codable, Hashable {
    static let schemaVersion = 1
    static let kind = "local-proxy"

    var schemaVersion = Self.schemaVersion
    var kind = Self.kind
    var host: String
    var port: Int
    var program: String
  }

  private let folder: String
  private let record: Record

  /// Where clients ask.
  public var address: NodeAddress { NodeAddress(host: record.host, port: record.port) }

  private init(folder: String, record: Record) {
    self.folder = folder
    self.record = record
  }

  private var recordFile: String { Self.recordFile(in: folder) }
  private static func recordFile(in folder: String) -> String { folder + "/proxy.json" }
  private var logFile: String { folder + "/haproxy.log" }
  private var socket: AdminSocket { AdminSocket(folder: folder) }

  /// The proxy that a deployment has.
  ///
  /// - Returns: nil where it has none.
  /// - Throws: `RuntimeError` where its record cannot be read.
  public init?(of deployment: DeploymentID, on runtime: LocalRuntime) throws {
    folder = runtime.state.proxyFolder(deployment)
    let file = Self.recordFile(in: folder)
    guard FileManager.default.fileExists(atPath: file) else { return nil }
    do {
      record = try JSONFile.read(Record.self, from: file, kind: Record.kind, schemaVersion: Record.schemaVersion)
    } catch {
      throw RuntimeError(
        .conflict, error.description, remedy: "it was not written by this program; move it away if nothing needs it")
    }
  }

  /// Gives a deployment a proxy, or its proxy another address. It listens once it is first told whom to lead to. The
  /// caller holds the deployment's lock.
  ///
  /// - Parameters:
  ///   - address: where it is to listen; port 0 leaves one to the system that stays the deployment's.
  ///   - searched: environment in which the program is looked for.
  /// - Throws: `RuntimeError` where there is no HAProxy, or the port is taken.
  public static func make(
    for deployment: DeploymentID, on runtime: LocalRuntime, at address: NodeAddress,
    searched environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws -> LocalProxy {
    let program = try locate(environment)
    let present = try LocalProxy(of: deployment, on: runtime)
    var address = address
    if address.port == 0, let present, present.address.host == address.host { address = present.address }
    let isPresent = present?.address == address && present?.socket.identity() != nil
    if !isPresent {
      do {
        if address.port == 0 { address.port = try FreePort.find(host: address.host) }
        try FreePort.require(host: address.host, port: address.port)
      } catch {
        throw RuntimeError(.unavailable, "the proxy: \(error)", remedy: "name another one with --proxy")
      }
    }
    let proxy = LocalProxy(
      folder: runtime.state.proxyFolder(deployment),
      record: Record(host: address.host, port: address.port, program: program))
    try proxy.write { try JSONFile.write(proxy.record, to: proxy.recordFile) }
    return proxy
  }

  /// What the variable names; else the first of `PATH`, and of the folders in which systems keep such programs.
  static func locate(_ environment: [String: String]) throws(RuntimeError) -> String {
    if let named = environment[environmentVariable], !named.isEmpty {
      do {
        try Spawn.checkExecutable(named)
      } catch {
        throw RuntimeError(.unavailable, error.description, remedy: "correct \(environmentVariable), or leave it out")
      }
      return named
    }
    let folders = (environment["PATH"] ?? "").split(separator: ":").map(String.init) + ["/usr/sbin", "/usr/local/sbin"]
    for folder in folders where (try? Spawn.checkExecutable("\(folder)/haproxy")) != nil { return "\(folder)/haproxy" }
    throw RuntimeError(
      .unavailable, "there is no haproxy on this machine, which is to lead clients to the nodes",
      remedy: "install it (apt install haproxy), or name it in \(environmentVariable)")
  }

  // MARK: Leading

  public func lead(by table: RoutingTable) async throws {
    var place = HAProxyFiles.Place(bind: address)
    place.adminSocket = AdminSocket.name
    let files = try HAProxyFiles(table, at: place)
    if socket.identity()?.description != files.revision {
      try write {
        try AtomicFile.write(files.map, to: folder + "/" + HAProxyFiles.mapName)
        try AtomicFile.write(files.configuration, to: folder + "/" + HAProxyFiles.configurationName)
      }
      try await start()
    }
    try await othersHaveEnded()
  }

  /// Whether a process listens.
  var isAlive: Bool { socket.identity() != nil }

  /// Starts a process with the files that there are, which takes over from the one that listens now. Returns once it
  /// listens.
  func start() async throws {
    let present = socket.identity()?.process
    var arguments = ["-db", "-C", folder, "-f", HAProxyFiles.configurationName]
    if let present { arguments += ["-x", AdminSocket.name, "-sf", "\(present.pid)"] }
    let log = open(logFile, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
    defer { for descriptor in [log, null] { close(descriptor) } }
    guard log >= 0, null >= 0 else { throw unavailable("its log \(logFile) cannot be written") }
    let child: Child
    do {
      child = try Children.shared.start(
        Spawn(
          binary: record.program, arguments: arguments, environment: [Self.markerVariable: folder], input: null,
          output: log, error: log, newSession: true), input: nil, kept: true)
    } catch {
      if error == .interrupted { throw CancellationError() }
      throw unavailable(error.description)
    }
    let clock = ContinuousClock()
    let end = clock.now + Self.startLimit
    while clock.now < end {
      if socket.identity()?.process.pid == child.pid { return }
      if let status = child.status {
        let tail = LogTail.read(logFile, last: 5).joined(separator: " | ")
        throw unavailable("it ended before it listened (\(status)): \(tail)")
      }
      try await Task.sleep(for: .milliseconds(5))
    }
    child.beginStop(grace: .seconds(1))
    throw unavailable("it did not listen within \(Self.startLimit / .seconds(1)) s")
  }

  /// Waits for the processes that do not listen any more: until then, what they have accepted lies with nodes that are
  /// about to go.
  private func othersHaveEnded() async throws {
    let listening = socket.identity()?.process
    let clock = ContinuousClock()
    let end = clock.now + .seconds(HAProxyFiles.drainSeconds + 5)
    for old in ProcessIdentity.carrying(Self.markerVariable, folder) where old != listening {
      while old.isAlive {
        if clock.now > end { old.signal(SIGKILL) }
        try await Task.sleep(for: .milliseconds(10))
      }
    }
  }

  // MARK: Files and end

  /// - Throws: `RuntimeError` where the files cannot be written.
  private func write(_ body: () throws -> Void) throws {
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      try body()
    } catch {
      let reason = (error as? FileError)?.description ?? error.localizedDescription
      throw unavailable("its files cannot be written: \(reason)")
    }
  }

  private func unavailable(_ reason: String) -> RuntimeError {
    RuntimeError(
      .unavailable, "the proxy at \(record.host):\(record.port) cannot be had: \(reason)",
      remedy: "correct it and run the same command again, or leave the proxy out with --proxy none")
  }

  /// Ends the proxy of a deployment, if it has one, and removes what belongs to it. What it has accepted is answered.
  public static func end(of deployment: DeploymentID, on runtime: LocalRuntime) async {
    let folder = runtime.state.proxyFolder(deployment)
    guard FileManager.default.fileExists(atPath: folder) else { return }
    let processes = ProcessIdentity.carrying(markerVariable, folder)
    for process in processes { process.signal(SIGUSR1) }
    for process in processes {
      if !(await process.hasEnded(within: runtime.grace)) {
        process.signal(SIGKILL)
        _ = await process.hasEnded(within: .seconds(5))
      }
    }
    try? FileManager.default.removeItem(atPath: folder)
    rmdir(runtime.state.folder(deployment))
  }
}

extension LocalProxy {
  /// Starts the proxy again where it has ended, and leads to where nodes answer now: one that was started again may
  /// have another port. The caller holds the deployment's lock.
  func keep(_ observed: ObservedDeployment) async throws {
    if !isAlive { try await start() }
    guard observed.replicas.allSatisfy(\.phase.isReady) else { return }
    try await lead(by: RoutingTable(observed))
  }

  /// Keeps its log short.
  func cutLog() { LogRotation.cut(logFile) }

  /// What a user should know of it.
  var note: String {
    let place = "one address for all models: \(address.url)"
    guard let process = socket.identity()?.process else { return place + ", where nobody listens at present" }
    return place + " (haproxy, process \(process.pid))"
  }
}

extension LocalRuntime {
  /// Where the proxy of a deployment listens; nil where it has none.
  public func proxyAddress(of deployment: DeploymentID) -> NodeAddress? {
    (try? LocalProxy(of: deployment, on: self))?.address
  }
}
