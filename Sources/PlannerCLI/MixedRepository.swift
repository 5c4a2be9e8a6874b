import Foundation
import PlannerCore
import PlannerFiles

/// Models of several repositories in one, by links: a server serves one repository.
struct MixedRepository {
  /// Models of one repository.
  struct Part {
    var folder: String
    var models: [RepositoryManifest.Model]
  }

  let parts: [Part]

  /// What a mix says of a model: names of different repositories are the same, and here they differ.
  static func linked(_ model: RepositoryManifest.Model) -> RepositoryManifest.Model {
    var linked = model
    linked.name = "\(model.architecture)-v\(model.vocabulary)-\(model.precision.rawValue)-\(model.name)"
    linked.file = linked.name + ".pt"
    return linked
  }

  /// Writes the links and the manifest. Returns the folder, which depends on what is in it.
  ///
  /// - Throws: `Failure`, `FileError`.
  func write() throws -> String {
    var hash = StableHash()
    for part in parts { hash.mix(Array("\(part.folder) \(part.models.count) ".utf8)) }
    let folder = "models/mix-\(hash.hexadecimal.prefix(10))"
    var models: [RepositoryManifest.Model] = []
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      for part in parts {
        for model in part.models {
          let linked = Self.linked(model)
          try link("\(part.folder)/\(model.file)", as: "\(folder)/\(linked.file)")
          models.append(linked)
        }
      }
      let vocabulary = try linkVocabulary(into: folder)
      try JSONFile.write(
        RepositoryManifest(seed: nil, vocabularyFile: vocabulary, lowercases: true, models: models),
        to: folder + "/" + RepositoryManifest.fileName)
    } catch let error as CocoaError {
      throw Failure(.unavailable, "\(folder): cannot be written: \(error.localizedDescription)")
    }
    return folder
  }

  /// The vocabulary of all models; nil where they have different ones, and then take no text.
  private func linkVocabulary(into folder: String) throws -> String? {
    let manifests = try parts.map { try RepositoryFile.read(folder: $0.folder) }
    guard let first = manifests[0].vocabularyFile,
      Set(parts.compactMap { $0.models.first?.vocabulary }).count == 1
    else { return nil }
    try link("\(parts[0].folder)/\(first)", as: "\(folder)/\(first)")
    return first
  }

  private func link(_ file: String, as path: String) throws {
    let target = URL(fileURLWithPath: file).standardizedFileURL.path
    if (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) == target { return }
    let isThere = (try? FileManager.default.attributesOfItem(atPath: path)) != nil
    if isThere { try FileManager.default.removeItem(atPath: path) }
    try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
  }
}
