import Engine
import Foundation
import PlannerCore
import PlannerFiles
import ServerContract
import Serving
import WebClient

/// Looks at all model files of a folder, with or without a manifest, and runs none of them.
package struct RepositoryLook: Sendable {
  package var folder: String
  package var hasChecksums: Bool

  package init(folder: String, hasChecksums: Bool) {
    self.folder = folder
    self.hasChecksums = hasChecksums
  }

  /// Says of each file what it is, the manifest's first and then the others in natural order.
  ///
  /// - Throws: `FileError` where the folder cannot be read, or its manifest not be used.
  package func run(emit: (LookedFile) throws -> Void) throws {
    var files: [String] = []
    if FileManager.default.fileExists(atPath: folder + "/" + RepositoryManifest.fileName) {
      files = try RepositoryFile.read(folder: folder).models.map(\.file)
    }
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
      throw FileError(.unavailable, [FileProblem(file: folder, message: "is no folder that can be read")])
    }
    let known = Set(files)
    files += names.filter { $0.hasSuffix(".pt") && !known.contains($0) }
      .sorted { $0.compare($1, options: [.numeric]) == .orderedAscending }
    var seen = Set<String>()
    for file in files where seen.insert(file).inserted { try emit(look(at: file)) }
  }

  private func look(at file: String) -> LookedFile {
    let path = folder + "/" + file
    var status = stat()
    var found = LookedFile(file: file, fileBytes: stat(path, &status) == 0 ? Int64(status.st_size) : 0)
    do {
      let look = try ModelLook(path: path)
      found.fingerprint = look.architecture
      found.className = look.className
      found.weightBytes = look.weightBytes
      found.precision = look.precision
      if hasChecksums { found.sha256 = try FileDigest.sha256(path) }
    } catch let error as EngineError {
      found.problem = error.message
    } catch {
      found.problem = "\(error)"
    }
    return found
  }
}
