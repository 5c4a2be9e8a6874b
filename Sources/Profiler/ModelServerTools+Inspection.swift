import Executor
import Foundation
import PlannerCore
import PlannerFiles
import ServerContract

extension ModelServerTools {
  /// What a folder of TorchScript files holds: every file is looked at, one model of each architecture is tried, in a
  /// process of its own.
  ///
  /// - Parameter progress: called with what is being done.
  /// - Throws: `FileError`, `ProfilerError`.
  public func inspect(
    _ folder: String, hasChecksums: Bool = false, progress: @Sendable (String) -> Void = { _ in }
  ) async throws -> Inspection {
    let path = folder + "/" + RepositoryManifest.fileName
    let manifest = FileManager.default.fileExists(atPath: path) ? try RepositoryFile.read(folder: folder) : nil
    progress("looking at the files of \(folder)")
    let files = try await look(folder, hasChecksums: hasChecksums)
    guard !files.isEmpty else {
      throw ProfilerError("\(folder): holds no .pt file; save models there with torch.jit.save")
    }
    let vocabulary = manifest?.vocabularyFile ?? "vocab.txt"
    return try await Inspection.make(
      folder: folder, manifest: manifest, files: files,
      vocabularyFile: FileManager.default.fileExists(atPath: folder + "/" + vocabulary) ? vocabulary : nil
    ) { model in
      progress("trying \(model.file)")
      return try await examine(folder + "/" + model.file, model)
    }
  }

  func look(_ folder: String, hasChecksums: Bool) async throws -> [LookedFile] {
    var arguments = ServerArguments(.look)
    arguments.add(.repository, folder)
    if hasChecksums { arguments.add(flag: .checksums) }
    return try await command(arguments, settings: nil).map { line in
      do {
        return try JSONDecoder().decode(LookedFile.self, from: Data(line.utf8))
      } catch {
        throw ProfilerError("model-server look printed a line that is none of a file: \(line.prefix(200))")
      }
    }
  }

  /// Seconds that trying one model may take.
  static let examinationSeconds = 120

  func examine(_ path: String, _ model: RepositoryManifest.Model) async throws -> ExaminedModel {
    var arguments = ServerArguments(.examine)
    arguments.add(.model, path)
    arguments.add(.description, try JSONFile.encodeLine(model))
    arguments.add(.timeLimit, Self.examinationSeconds)
    var status = stat()
    let bytes = stat(path, &status) == 0 ? Int64(status.st_size) : 0
    // As for the server's own trials: beyond what the library takes.
    arguments.add(.memoryLimit, (4 << 30) + 6 * bytes)
    let lines = try await command(arguments, settings: nil)
    guard let line = lines.last, let found = try? JSONDecoder().decode(ExaminedModel.self, from: Data(line.utf8)) else {
      throw ProfilerError("model-server examine printed no JSON line")
    }
    return found
  }
}
