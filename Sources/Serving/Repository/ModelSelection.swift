import PlannerCore
import PlannerFiles

/// Which models of a repository a server serves.
package enum ModelSelection: Hashable, Sendable {
  case all
  /// The first so many.
  case first(Int)
  /// Those of a list, in the repository's order. `file` is where the list was read.
  case named(Set<String>, file: String)

  /// Reads a list of models' names, one a line; empty lines and spaces around names are left out.
  ///
  /// - Throws: `FileError` where there is no such list, or no name in it.
  package init(listFile file: String) throws(FileError) {
    let names = try AtomicFile.read(file).split(whereSeparator: \.isNewline).map { line in
      String(line.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
    let wanted = Set(names.filter { !$0.isEmpty })
    guard !wanted.isEmpty else {
      throw FileError(
        .badData, [FileProblem(file: file, message: "names no model", remedy: "write the models' names, one a line")])
    }
    self = .named(wanted, file: file)
  }

  /// The models that are served, of those that the repository in `folder` has.
  ///
  /// - Throws: `FileError` where it has fewer than are asked for, or lacks one that is named.
  func chosen(from models: [RepositoryManifest.Model], folder: String) throws(FileError) -> [RepositoryManifest.Model] {
    switch self {
    case .all: return models
    case .first(let count):
      guard count <= models.count else {
        throw FileError(
          .badData, [FileProblem(file: folder, message: "has \(models.count) models; \(count) are asked for")])
      }
      return Array(models.prefix(count))
    case .named(let names, let file):
      let chosen = models.filter { names.contains($0.name) }
      guard chosen.count == names.count else {
        let missing = names.subtracting(chosen.map(\.name)).sorted()
        throw FileError(
          .badData,
          missing.prefix(5).map {
            FileProblem(file: folder, message: "has no model '\($0)'", remedy: "take it out of \(file)")
          })
      }
      return chosen
    }
  }
}
