import Executor
import Foundation

/// One measurement at a time on a machine: two would measure each other.
enum MachineLock {
  /// - Throws: `ExecutorError.locked` at once where another run holds it.
  static func acquire(purpose: String) throws -> RunLock {
    try RunLock.acquire(folder: NSTemporaryDirectory() + "planner-\(getuid())", purpose: "planner \(purpose)")
  }
}

/// A folder for the time of one command.
struct ScratchFolder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "planner-\(getuid())/" + UUID().uuidString
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw Failure(.unavailable, "\(path) cannot be made: \(error.localizedDescription); is the disk full?")
    }
  }

  func remove() { try? FileManager.default.removeItem(atPath: path) }
}
