import Foundation

/// Lets one run at a time measure or load this machine.
///
/// An advisory lock on a file; the kernel gives it back when the process ends, however it ends, and no child
/// inherits it. The file stays, and names the last holder.
public final class RunLock: Sendable {
  public let path: String
  private let descriptor: Int32

  private init(path: String, descriptor: Int32) {
    self.path = path
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  /// Takes the lock `folder/lock`; the folder is made where it does not exist.
  ///
  /// - Parameter purpose: what the holder does, for the sentence that the second one gets.
  /// - Throws: `ExecutorError.locked` at once where another process (or this one) holds it; `lockFile`.
  public static func acquire(folder: String, purpose: String) throws(ExecutorError) -> RunLock {
    let path = folder + "/lock"
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw .lockFile(path: path, reason: error.localizedDescription)
    }
    var descriptor = try open(path)
    // A holder that removed the file before giving the lock back leaves a lock on a file that others no longer see.
    while !names(path, descriptor) {
      close(descriptor)
      descriptor = try open(path)
    }
    let note = Array("process \(getpid()), \(purpose)\n".utf8)
    guard ftruncate(descriptor, 0) == 0, pwrite(descriptor, note, note.count, 0) == note.count else {
      let reason = systemMessage(errno)
      close(descriptor)
      throw .lockFile(path: path, reason: reason)
    }
    return RunLock(path: path, descriptor: descriptor)
  }

  /// Gives the lock back before the object goes. Later calls do nothing.
  public func release() { flock(descriptor, LOCK_UN) }

  /// Removes the file, and its folder where nothing else lies in it, then gives the lock back.
  package func releaseAndRemove() {
    if Self.names(path, descriptor) {
      unlink(path)
      rmdir((path as NSString).deletingLastPathComponent)
    }
    release()
  }

  /// Opens the file and takes the lock on it.
  private static func open(_ path: String) throws(ExecutorError) -> Int32 {
    let descriptor = Foundation.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw .lockFile(path: path, reason: systemMessage(errno)) }
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      let problem = errno
      if problem == EINTR { continue }
      defer { close(descriptor) }
      guard problem == EWOULDBLOCK else { throw .lockFile(path: path, reason: systemMessage(problem)) }
      throw .locked(path: path, holder: holder(of: path))
    }
    return descriptor
  }

  /// Whether the file at `path` is the one that is open.
  private static func names(_ path: String, _ descriptor: Int32) -> Bool {
    var (there, here) = (stat(), stat())
    return stat(path, &there) == 0 && fstat(descriptor, &here) == 0 && there.st_ino == here.st_ino
      && there.st_dev == here.st_dev
  }

  private static func holder(of path: String) -> String {
    // Between taking the lock and writing the note, the holder is not known for a moment.
    let note = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    let line = note.split(separator: "\n").first.map(String.init) ?? ""
    return line.isEmpty ? "process not known yet" : line
  }
}
