import Foundation

/// Files are put in place whole or not at all: written beside their place, flushed to disk, then renamed.
public enum AtomicFile {
  /// Largest file that is read into memory.
  static let maxBytes = 256 << 20

  /// Whether two paths name one file that is there.
  public static func isSameFile(_ first: String, _ second: String) -> Bool {
    var (one, other) = (stat(), stat())
    guard stat(first, &one) == 0, stat(second, &other) == 0 else { return false }
    return one.st_dev == other.st_dev && one.st_ino == other.st_ino
  }

  /// Where a file lies that another file of `folder` names: beside it, or where an absolute path says.
  static func path(of file: String, beside folder: String) -> String {
    file.hasPrefix("/") ? file : folder + "/" + file
  }

  /// Replaces the file at `path`; its folder is made if it is missing. A link stays one: the file that it leads to is
  /// replaced. What is no plain file, such as `/dev/null` or a pipe, is written into as it is.
  ///
  /// - Throws: `FileError` (`unavailable`), with the old file untouched and nothing left beside it.
  public static func write(_ text: String, to path: String) throws(FileError) {
    var status = stat()
    if stat(path, &status) == 0 {
      if status.st_mode & S_IFMT == S_IFDIR { throw unavailable(path, "is a folder, not a file", "name a file in it") }
      if status.st_mode & S_IFMT != S_IFREG { return try writeThrough(text, to: path) }
    }
    let isLink = lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    try replace(text, at: isLink ? URL(fileURLWithPath: path).resolvingSymlinksInPath().path : path)
  }

  /// Writes into something that is no plain file and could not be replaced by one.
  private static func writeThrough(_ text: String, to path: String) throws(FileError) {
    let descriptor = open(path, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(path, errno) }
    defer { close(descriptor) }
    if let problem = writeAll(Array(text.utf8), to: descriptor) { throw failure(path, problem) }
  }

  private static func replace(_ text: String, at path: String) throws(FileError) {
    let url = URL(fileURLWithPath: path)
    let folder = url.deletingLastPathComponent().path
    try makeFolder(folder, of: path)
    let temporary = folder + "/.\(url.lastPathComponent).\(ProcessInfo.processInfo.processIdentifier).tmp"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure(path, errno) }
    var problem = writeAll(Array(text.utf8), to: descriptor)
    if problem == nil, fsync(descriptor) != 0 { problem = errno }
    close(descriptor)
    if problem == nil, rename(temporary, path) != 0 { problem = errno }
    if let problem {
      unlink(temporary)
      throw failure(path, problem)
    }
  }

  /// Makes the folder that the file at `path` shall lie in.
  static func makeFolder(_ folder: String, of path: String) throws(FileError) {
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw unavailable(path, "cannot make the folder \(folder): \(reason(error))", "choose another place with --out")
    }
  }

  /// - Returns: the error number where not everything could be written.
  private static func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Int32? {
    bytes.withUnsafeBytes { buffer in
      var offset = 0
      while offset < buffer.count {
        let written = Foundation.write(descriptor, buffer.baseAddress! + offset, buffer.count - offset)
        if written < 0, errno == EINTR { continue }
        if written <= 0 { return errno }
        offset += written
      }
      return nil
    }
  }

  /// The text of the file at `path`.
  ///
  /// - Throws: `FileError`: `unavailable` where it is missing or may not be read; `badData` where it is empty,
  ///   larger than 256 MiB or not UTF-8.
  public static func read(_ path: String) throws(FileError) -> String {
    var status = stat()
    guard stat(path, &status) == 0 else { throw failure(path, errno) }
    guard status.st_mode & S_IFMT != S_IFDIR else {
      throw unavailable(path, "is a folder, not a file", "name a file in it")
    }
    guard status.st_size <= maxBytes else {
      throw FileError(
        .badData, [FileProblem(file: path, message: "is larger than 256 MiB", remedy: "is it the right file?")])
    }
    guard let data = FileManager.default.contents(atPath: path) else { throw failure(path, EACCES) }
    guard !data.isEmpty else { throw FileError(.badData, [FileProblem(file: path, message: "is empty")]) }
    guard let text = String(validating: data, as: UTF8.self) else {
      throw FileError(.badData, [FileProblem(file: path, message: "is not UTF-8 text")])
    }
    return text
  }

  static func failure(_ path: String, _ number: Int32) -> FileError {
    let remedy: String? =
      switch number {
      case ENOENT: "check the path"
      case ENOSPC: "make room on the disk or choose another place"
      case EACCES, EPERM, EROFS: "check its permissions"
      default: nil
      }
    let message: String =
      switch number {
      case ENOENT: "there is no such file"
      case ENOSPC: "the disk is full"
      default: String(cString: strerror(number))
      }
    return unavailable(path, message, remedy)
  }

  static func unavailable(_ path: String, _ message: String, _ remedy: String?) -> FileError {
    FileError(.unavailable, [FileProblem(file: path, message: message, remedy: remedy)])
  }

  private static func reason(_ error: any Error) -> String {
    let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError
    guard let underlying, underlying.domain == NSPOSIXErrorDomain else { return error.localizedDescription }
    return String(cString: strerror(Int32(underlying.code)))
  }
}
