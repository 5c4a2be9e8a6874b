import Executor
import Foundation

/// One measurement at a time on a machine: two would measure each other.
enum MachineLock {
  /// - Throws: `ExecutorError.locked` at once where another run holds it.
  static func acquire(purpose: String) throws -> RunLock {
    try RunLock.acquire(folder: LocalFolder.path, purpose: "planner \(purpose)")
  }
}

/// What this program keeps of what runs on this machine: the lock, deployments, logs. It lies with the temporary files,
/// which go when the machine is started again, as the processes do.
enum LocalFolder {
  static let path = NSTemporaryDirectory() + "planner-\(getuid())"
}

/// A folder for the time of one command.
struct ScratchFolder {
  let path: String

  init() throws {
    path = LocalFolder.path + "/" + UUID().uuidString
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw Failure(.unavailable, "\(path) cannot be made: \(error.localizedDescription); is the disk full?")
    }
  }

  func remove() { try? FileManager.default.removeItem(atPath: path) }
}
