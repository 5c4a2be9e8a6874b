import Executor
import Foundation

/// Folders outside of a repository in which files lie that it links to: a repository of several architectures is made
/// of links, and a container sees only what is mounted.
package enum LinkedFolders {
  /// Folders of which a container has its own, at any depth: mounting over them would break it.
  private static let own = ["bin", "boot", "dev", "etc", "lib", "lib64", "proc", "sbin", "sys", "usr/bin", "usr/lib"]
  /// Folders that a container has, and below which files may be mounted.
  private static let shared = ["models", "run", "tmp", "usr", "var", "var/planner"]
  /// More would be a mistake, and make containers slow to start.
  static let most = 64

  /// - Returns: full paths, ascending; each is mounted where it lies.
  /// - Throws: `RuntimeError` (`unavailable`) where a folder cannot be mounted.
  package static func of(_ repository: String) throws(RuntimeError) -> [String] {
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: repository).sorted()
    } catch {
      // It lies on the engine's machine alone.
      return []
    }
    let inside = URL(fileURLWithPath: repository).standardizedFileURL.path
    var folders: Set<String> = []
    for name in names {
      let path = inside + "/" + name
      guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path) else { continue }
      let full = target.hasPrefix("/") ? target : inside + "/" + target
      let folder = URL(fileURLWithPath: full).standardizedFileURL.deletingLastPathComponent().path
      if folder != inside, !folder.hasPrefix(inside + "/") { folders.insert(folder) }
    }
    for folder in folders.sorted() {
      let path = folder.dropFirst()
      let isOwn = path.isEmpty || shared.contains(String(path)) || own.contains { (path + "/").hasPrefix($0 + "/") }
      if isOwn {
        throw RuntimeError(
          .unavailable, "\(repository) links to files in \(folder), which a container has of its own",
          remedy: "put the models into a folder of their own")
      }
    }
    guard folders.count <= most else {
      throw RuntimeError(
        .unavailable, "\(repository) links to files in \(folders.count) folders, and at most \(most) are mounted",
        remedy: "put the models into fewer folders")
    }
    return folders.sorted()
  }
}
