import Dispatch
import Foundation
import ServerContract

/// What goes on inside a replica: its log, commands beside it, its memory.
extension LocalRuntime {
  public func logs(
    of replica: ReplicaID, in deployment: DeploymentID, last: Int, follow: Bool
  ) async throws -> AsyncThrowingStream<String, any Error> {
    let record = try require(replica, deployment)
    let (stream, feed) = AsyncThrowingStream<String, any Error>.makeStream()
    var reader = LogFollower(path: record.logFile)
    let lines = reader.next()
    for line in lines.suffix(max(0, last)) { feed.yield(line) }
    guard follow else {
      feed.finish()
      return stream
    }
    let task = Task { [reader] in
      var reader = reader
      while !Task.isCancelled {
        // Looked at before the file is read: what it wrote before it went is handed out.
        let isThere = (try? self.state.record(replica, deployment)) != nil && self.runs(record, deployment)
        for line in reader.next() { feed.yield(line) }
        if !isThere { break }
        try? await Task.sleep(for: .milliseconds(100))
      }
      feed.finish()
    }
    feed.onTermination = { _ in task.cancel() }
    return stream
  }

  public func exec(
    _ command: [String], on replica: ReplicaID, in deployment: DeploymentID,
    output: @escaping @Sendable (String) -> Void
  ) async throws -> ExitStatus {
    let record = try requireRunning(replica, deployment)
    do {
      return try await ChildProcess.run(
        "/usr/bin/env", arguments: ["--"] + command, environment: record.settings.environment,
        onStandardOutput: output, onStandardError: output)
    } catch let error as ExecutorError {
      throw RuntimeError(.unavailable, error.description, remedy: "check the command")
    }
  }

  public func memoryBytes(of replica: ReplicaID, in deployment: DeploymentID) async throws -> Int64 {
    let record = try requireRunning(replica, deployment)
    do {
      return try ProcessMemory.privateBytes(pid: record.process?.pid ?? 0)
    } catch {
      throw RuntimeError(.notReady, error.description, remedy: "deploy it again")
    }
  }

  private func runs(_ record: ReplicaRecord, _ deployment: DeploymentID) -> Bool {
    record.process?.isAlive ?? (find(record, deployment) != nil)
  }

  private func require(_ replica: ReplicaID, _ deployment: DeploymentID) throws -> ReplicaRecord {
    guard let record = try state.record(replica, deployment) else {
      throw state.deployments().contains(deployment)
        ? RuntimeError.notFound(replica, in: deployment) : RuntimeError.notFound(deployment)
    }
    return record
  }

  private func requireRunning(_ replica: ReplicaID, _ deployment: DeploymentID) throws -> ReplicaRecord {
    var record = try require(replica, deployment)
    record.process = record.process ?? find(record, deployment)
    guard let process = record.process, process.isAlive else {
      throw RuntimeError(.notReady, "node '\(replica)' does not run", remedy: "deploy it again")
    }
    return record
  }
}

/// Reads a growing file line by line.
private struct LogFollower: Sendable {
  let path: String
  private var offset: UInt64 = 0
  private var rest: [UInt8] = []

  init(path: String) { self.path = path }

  /// The lines that were completed since the last call.
  mutating func next() -> [String] {
    guard let file = FileHandle(forReadingAtPath: path) else { return [] }
    defer { try? file.close() }
    if let size = try? file.seekToEnd(), size < offset {
      // It was put aside or cut, and begun anew.
      offset = 0
      rest = []
    }
    guard (try? file.seek(toOffset: offset)) != nil, let data = try? file.readToEnd(), !data.isEmpty else { return [] }
    offset += UInt64(data.count)
    rest += data
    var lines = rest.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    // What comes behind the last line's end is a line that has only begun.
    rest = lines.popLast().map(Array.init) ?? []
    return lines.map { String(decoding: $0, as: UTF8.self) }
  }
}
