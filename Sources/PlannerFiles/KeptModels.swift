import Crypto
import Foundation
import PlannerCore

/// Models that a run wrote and kept: whether they are still what was written.
///
/// A file's checksum is computed once. Beside the models lies a list of those that were found in order, each with size,
/// times of change and inode; a file that still looks like its line there is not read again. The second of the times is
/// the file system's own, which nobody can set back.
public struct KeptModels {
  private static let listName = ".checked"

  let folder: String

  public init(folder: String) { self.folder = folder }

  /// What is wrong with the first `count` models, as a sentence without its full stop; nil where they are in order.
  public func damage(_ manifest: RepositoryManifest, first count: Int) -> String? {
    let known = Set((try? AtomicFile.read(list))?.split(separator: "\n").map(String.init) ?? [])
    var lines = known
    for model in manifest.models.prefix(count) {
      guard let look = look(at: model) else { return "\(model.file) is missing" }
      guard look.bytes == model.fileBytes else {
        return "\(model.file) has \(look.bytes) bytes, and \(model.fileBytes) were written"
      }
      if known.contains(look.line) { continue }
      if let wanted = model.sha256, checksum(of: model) != wanted { return "\(model.file) is not what was written" }
      lines.insert(look.line)
    }
    if let file = manifest.vocabularyFile, !FileManager.default.fileExists(atPath: "\(folder)/\(file)") {
      return "\(file) is missing"
    }
    if lines.count > known.count { keep(lines) }
    return nil
  }

  /// Takes models for in order that have just been written.
  public func trust(_ manifest: RepositoryManifest) { keep(Set(manifest.models.compactMap { look(at: $0)?.line })) }

  private var list: String { "\(folder)/\(Self.listName)" }

  /// A folder that cannot be written to is read again the next time.
  private func keep(_ lines: Set<String>) {
    try? AtomicFile.write(lines.sorted().joined(separator: "\n") + "\n", to: list)
  }

  private func look(at model: RepositoryManifest.Model) -> (bytes: Int64, line: String)? {
    var facts = stat()
    guard stat("\(folder)/\(model.file)", &facts) == 0 else { return nil }
    let times = [facts.st_mtim, facts.st_ctim].map { "\($0.tv_sec).\($0.tv_nsec)" }.joined(separator: " ")
    return (
      Int64(facts.st_size), "\(model.file) \(facts.st_size) \(times) \(facts.st_ino) \(model.sha256 ?? "unknown")"
    )
  }

  /// SHA-256 in lower-case hexadecimal; nil where the file cannot be read.
  private func checksum(of model: RepositoryManifest.Model) -> String? {
    guard let file = FileHandle(forReadingAtPath: "\(folder)/\(model.file)") else { return nil }
    defer { try? file.close() }
    var hash = SHA256()
    while let piece = try? file.read(upToCount: 1 << 20), !piece.isEmpty { hash.update(data: piece) }
    return hash.finalize().map { byte in
      let digits = String(byte, radix: 16)
      return digits.count == 1 ? "0" + digits : digits
    }.joined()
  }
}
