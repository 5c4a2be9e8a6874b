import Foundation
import PlannerFiles
import WebClient

/// The local copy of one repository: files at their own relative paths, what is known of them in `.pull`.
///
/// Several processes may use one folder. A file is written under `.pull`, by the process that holds the lock on it, and
/// comes to its place by a rename; a process that has the old one mapped keeps the old one.
struct CacheFolder: Sendable {
  let path: String

  /// What is known of a file: of a whole one since it was checked, of a part since its first byte.
  struct Origin: Codable, Equatable {
    var path: String
    var bytes: Int64
    var entityTag: String?
    var digests: [Digest]
    /// SHA-256 that the content was found to have.
    var sha256: String?
    /// Id of the system's start during which a part was begun: after a crash of the machine its end may be missing.
    var bootID: String?
  }

  struct Place {
    var relative: String
    var final: String
    var part: String
    var origin: String
    var partOrigin: String
    var lock: String
  }

  /// `folder/<host or bucket>-<start of the address' SHA-256>`.
  init(cache: String, store: some ObjectStore) {
    let readable = store.subject.split(separator: "/").dropFirst().joined(separator: "-").prefix(80).map {
      $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "." || $0 == "-") ? $0 : "_"
    }
    path = cache + "/" + String(readable) + "-" + Self.short(store.identity)
  }

  static func short(_ text: String) -> String { SHA256Text.hexadecimal(text).prefix(16).description }

  /// Paths in the folder for a path that `RelativePath` has passed.
  func place(_ relative: String) -> Place {
    let stem = path + "/.pull/" + SHA256Text.hexadecimal(relative).prefix(32)
    return Place(
      relative: relative, final: path + "/" + relative, part: stem + ".part", origin: stem + ".json",
      partOrigin: stem + ".part.json", lock: stem + ".lock")
  }

  func prepare(_ place: Place) throws(RemoteError) {
    for file in [place.final, place.part] {
      let folder = (file as NSString).deletingLastPathComponent
      var problem: Int32?
      do {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      } catch {
        problem = ((error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError).map { Int32($0.code) } ?? EIO
      }
      if let problem { throw DiskProblem.error(folder, problem) }
    }
  }

  /// What is known of a file's origin; nil where nothing, or nothing legible, is.
  func origin(_ file: String, of place: Place) -> Origin? {
    guard let data = FileManager.default.contents(atPath: file), data.count < 1 << 16,
      let origin = try? JSONDecoder().decode(Origin.self, from: data), origin.path == place.relative
    else { return nil }
    return origin
  }

  /// What is known of the file at its place; nil where there is none of that size.
  func current(_ place: Place) -> Origin? {
    guard let origin = origin(place.origin, of: place), FileSize.of(place.final) == origin.bytes else { return nil }
    return origin
  }

  /// Must be called under the file's lock: the name beside it is then not in use.
  func write(_ origin: Origin, to file: String) throws(RemoteError) {
    guard let text = try? JSONFile.encode(origin) else { throw RemoteError(.unavailable, file, "cannot be written") }
    try write(Array(text.utf8), to: file)
  }

  func write(_ bytes: [UInt8], to file: String) throws(RemoteError) {
    let temporary = file + ".tmp"
    unlink(temporary)
    do throws(RemoteError) {
      let part = try PartFile(temporary)
      let written = bytes.withUnsafeBytes { buffer in
        Result { () throws(RemoteError) in try part.append(buffer) }
      }
      try written.get()
      guard fsync(part.descriptor) == 0, rename(temporary, file) == 0 else { throw DiskProblem.error(file, errno) }
    } catch {
      unlink(temporary)
      throw error
    }
  }

  /// Puts a checked part in its place: after a crash at any point either is what its origin says, or has none.
  func finish(_ place: Place, _ origin: Origin, descriptor: Int32) throws(RemoteError) {
    guard fsync(descriptor) == 0 else { throw DiskProblem.error(place.part, errno) }
    unlink(place.origin)
    guard rename(place.part, place.final) == 0 else { throw DiskProblem.error(place.final, errno) }
    unlink(place.partOrigin)
    try write(origin, to: place.origin)
    for folder in [place.final, place.origin].map({ ($0 as NSString).deletingLastPathComponent }) {
      let handle = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      if handle >= 0 {
        fsync(handle)
        close(handle)
      }
    }
  }

  func removePart(_ place: Place) {
    unlink(place.part)
    unlink(place.partOrigin)
  }

  static let bootID: String? = SmallFile.read("/proc/sys/kernel/random/boot_id")
}

/// The right to change a file, its part and what is known of them; it goes with the process, also where that is killed.
///
/// The lock's file stays: removing it would let two processes hold locks on two files of one name.
final class FileLock {
  private let descriptor: Int32

  /// Waits until no one else has it.
  init(_ path: String, _ cancellation: Cancellation) throws(RemoteError) {
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
    guard descriptor >= 0 else { throw DiskProblem.error(path, errno) }
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      let problem = errno
      guard problem == EWOULDBLOCK || problem == EINTR else { throw DiskProblem.error(path, problem) }
      if cancellation.isCancelled { throw .cancelled }
      Thread.sleep(forTimeInterval: 0.05)
    }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }
}

/// The beginning of a file, as far as it has come.
final class PartFile {
  let descriptor: Int32
  private(set) var bytes: Int64
  private let path: String

  init(_ path: String) throws(RemoteError) {
    self.path = path
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
    bytes = FileSize.of(path) ?? 0
    guard descriptor >= 0 else { throw DiskProblem.error(path, errno) }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  func truncate() throws(RemoteError) {
    guard ftruncate(descriptor, 0) == 0 else { throw DiskProblem.error(path, errno) }
    bytes = 0
  }

  func append(_ buffer: UnsafeRawBufferPointer) throws(RemoteError) {
    var done = 0
    while done < buffer.count {
      let count = pwrite(descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(bytes))
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw DiskProblem.error(path, count < 0 ? errno : EIO) }
      done += count
      bytes += Int64(count)
    }
  }
}

enum FileSize {
  /// Bytes of a regular file; nil where there is none.
  static func of(_ path: String) -> Int64? {
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    return Int64(status.st_size)
  }
}

enum DiskProblem {
  static func isFull(_ error: RemoteError) -> Bool { error.message.hasPrefix(full) }
  private static let full = "the disk is full"

  static func error(_ path: String, _ number: Int32) -> RemoteError {
    let message =
      switch number {
      case ENOSPC, EDQUOT, EFBIG: "\(full); make room or choose another folder with --cache"
      case EACCES, EPERM, EROFS: "may not be written; check its permissions or choose another folder with --cache"
      default: String(cString: strerror(number))
      }
    return RemoteError(.unavailable, path, message)
  }
}
