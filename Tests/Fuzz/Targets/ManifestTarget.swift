import Foundation
import PlannerFiles

/// Manifests of model repositories: read, or refused with the places of what is wrong.
struct ManifestTarget: FuzzTarget {
  private let folder = NSTemporaryDirectory() + "planner-fuzz-manifest-\(getpid())"

  init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }

  mutating func run(_ input: [UInt8]) async throws -> String {
    try Data(input).write(to: URL(fileURLWithPath: folder + "/manifest.json"))
    do {
      let manifest = try RepositoryFile.read(folder: folder)
      for model in manifest.models where model.file.hasPrefix("/") || model.file.split(separator: "/").contains("..") {
        throw BrokenLaw("\(model.file) leaves the repository")
      }
      return "read \(manifest.models.count)"
    } catch let error as FileError {
      guard !error.problems.isEmpty else { throw BrokenLaw("refused without a reason") }
      return error.problems.prefix(3).map { $0.message.filter(\.isLetter).prefix(60) }.joined(separator: " ")
    }
  }
}
