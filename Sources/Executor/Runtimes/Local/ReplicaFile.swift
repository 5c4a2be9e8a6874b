import Foundation
import PlannerFiles

/// What the local runtime keeps on disk of one replica, so that another process finds it again.
struct ReplicaRecord: Codable, Hashable, Sendable {
  static let schemaVersion = 1
  static let kind = "local-replica"

  var schemaVersion = Self.schemaVersion
  var kind = Self.kind
  var node: NodeID
  var settings: NodeSettings
  /// Whether the server outlives the planner that started it.
  var isKept: Bool
  /// The planner that started it.
  var planner: ProcessIdentity
  /// The server; nil between the decision to start it and its start.
  var process: ProcessIdentity?
  /// Program that was started.
  var binary: String
  var host: String
  /// File that has the server's standard error.
  var logFile: String
  /// The server was asked to end.
  var isStopping = false
  /// The program that asked it, and removes what is left of it.
  var stopper: ProcessIdentity?
  /// Port that it is to listen on; nil lets the system choose. The one that it has stands in its ready line.
  var port: Int?
  /// CPUs of its workers, and of all else; nil leaves them to the system.
  var workerCPUs: [Int]?
  var otherCPUs: [Int]?
  /// Control groups that it runs in; nil where it was not to be limited, empty where that was not possible.
  var controlGroups: [NodeControlGroup]?
  /// How often it was started again after it had ended by itself, and why the last time.
  var restarts: Int?
  var lastProblem: String?

  var id: ReplicaID { ReplicaID(node, settings) }
}

/// The local runtime's folder: a folder for each deployment, in it two files for each replica.
struct StateFolder: Sendable {
  let path: String
  /// Holds the logs, which are kept where a replica failed.
  let logs: String

  func folder(_ deployment: DeploymentID) -> String { "\(path)/\(deployment)" }
  func recordFile(_ replica: ReplicaID, _ deployment: DeploymentID) -> String {
    "\(folder(deployment))/\(replica).json"
  }
  /// What the server prints on standard output: the line that it is ready.
  func outputFile(_ replica: ReplicaID, _ deployment: DeploymentID) -> String {
    "\(folder(deployment))/\(replica).out"
  }
  func logFile(_ replica: ReplicaID, _ deployment: DeploymentID) -> String {
    "\(logs)/model-server-\(deployment)-\(replica).log"
  }

  /// Holds what there is of the deployment's proxy.
  func proxyFolder(_ deployment: DeploymentID) -> String { "\(folder(deployment))/proxy" }

  /// Names the process that starts the deployment's nodes again.
  func supervisorFile(_ deployment: DeploymentID) -> String { "\(folder(deployment))/supervisor" }

  /// Deployments that have a record, ascending.
  func deployments() -> [DeploymentID] {
    names(in: path).compactMap(DeploymentID.init).filter { !replicaFiles($0).isEmpty }.sorted()
  }

  /// - Throws: `RuntimeError` (`unavailable`) where a record cannot be read.
  func records(_ deployment: DeploymentID) throws -> [ReplicaRecord] {
    try replicaFiles(deployment).compactMap { try read("\(folder(deployment))/\($0)") }
  }

  /// - Returns: nil where there is none.
  func record(_ replica: ReplicaID, _ deployment: DeploymentID) throws -> ReplicaRecord? {
    try read(recordFile(replica, deployment))
  }

  func write(_ record: ReplicaRecord, _ deployment: DeploymentID) throws {
    do {
      for folder in [path, folder(deployment), logs] {
        try FileManager.default.createDirectory(
          atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      }
      try JSONFile.write(record, to: recordFile(record.id, deployment))
    } catch {
      throw RuntimeError(
        .unavailable,
        "what runs cannot be recorded: \((error as? FileError)?.description ?? error.localizedDescription)",
        remedy: "make room in \(path), or set TMPDIR to another folder")
    }
  }

  /// Removes what belongs to a replica.
  ///
  /// - Parameter keepingLog: leaves the log for the user.
  func remove(_ record: ReplicaRecord, _ deployment: DeploymentID, keepingLog: Bool) {
    if !keepingLog { LogRotation.remove(record.logFile) }
    for group in record.controlGroups ?? [] { group.remove() }
    unlink(ServerLaunch.modelListFile(besideLog: record.logFile))
    unlink(outputFile(record.id, deployment))
    unlink(recordFile(record.id, deployment))
    // Goes only where it is empty: neither another replica nor a lock lies in it.
    rmdir(folder(deployment))
  }

  private func replicaFiles(_ deployment: DeploymentID) -> [String] {
    names(in: folder(deployment)).filter { $0.hasSuffix(".json") && !$0.hasPrefix(".") }
  }

  private func names(in folder: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
  }

  private func read(_ file: String) throws -> ReplicaRecord? {
    guard FileManager.default.fileExists(atPath: file) else { return nil }
    do {
      return try JSONFile.read(
        ReplicaRecord.self, from: file, kind: ReplicaRecord.kind, schemaVersion: ReplicaRecord.schemaVersion)
    } catch {
      // Between the look and the reading it may have gone.
      guard FileManager.default.fileExists(atPath: file) else { return nil }
      throw RuntimeError(
        .conflict, error.description, remedy: "it was not written by this program; move it away if nothing needs it")
    }
  }
}
