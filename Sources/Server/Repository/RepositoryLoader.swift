import Foundation
import PlannerCore
import PlannerFiles
import Synchronization

/// Reads a repository folder and loads its models.
public struct RepositoryLoader: Sendable {
  public let folder: String

  public init(folder: String) { self.folder = folder }

  /// What is in the folder: its manifest, or else every `.pt` file as a model called like the file.
  ///
  /// - Throws: `FileError`.
  public func manifest() throws(FileError) -> RepositoryManifest {
    if FileManager.default.fileExists(atPath: folder + "/" + RepositoryManifest.fileName) {
      return try RepositoryFile.read(folder: folder)
    }
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
      throw FileError(
        .unavailable,
        [FileProblem(file: folder, message: "is no folder that can be read", remedy: "check --repository")])
    }
    let models = names.filter { $0.hasSuffix(".pt") }.sorted(by: Self.naturally)
    guard !models.isEmpty else {
      throw FileError(
        .badData,
        [
          FileProblem(
            file: folder, message: "holds neither a \(RepositoryManifest.fileName) nor a .pt file",
            remedy: "write models with: planner model synth")
        ])
    }
    return RepositoryManifest(
      seed: nil, vocabularyFile: names.contains("vocab.txt") ? "vocab.txt" : nil, lowercases: true,
      models: models.map { file in
        RepositoryManifest.Model(
          name: String(file.dropLast(3)), file: file, family: "unknown", precision: .fp32, vocabulary: 0,
          maxTokens: 512, inputs: ["input_ids", "attention_mask", "token_type_ids"], fileBytes: 0)
      })
  }

  /// `model2` before `model10`.
  static func naturally(_ a: String, _ b: String) -> Bool {
    a.compare(b, options: [.numeric]) == .orderedAscending
  }

  /// Loads the first `limit` models of the manifest with as many threads as the process has CPUs.
  ///
  /// - Parameter progress: called now and then with the number loaded, from any thread.
  /// - Throws: `EngineError` or `FileError` that names the first file, in order, that cannot be used.
  public func load(limit: Int?, progress: @escaping @Sendable (Int) -> Void) throws -> ModelTable {
    let manifest = try manifest()
    let entries = Array(manifest.models.prefix(limit ?? manifest.models.count))
    if let limit, limit > manifest.models.count {
      throw FileError(
        .badData, [FileProblem(file: folder, message: "has \(manifest.models.count) models; \(limit) are asked for")])
    }
    let tokenizer = try manifest.vocabularyFile.map {
      try WordPieceTokenizer.load(path: folder + "/" + $0, lowercases: manifest.lowercases)
    }
    let loaded = Mutex<(models: [ServedModel?], errors: [Int: EngineError], done: Int)>(
      (Array(repeating: nil, count: entries.count), [:], 0))
    DispatchQueue.concurrentPerform(iterations: entries.count) { index in
      let hasFailed = loaded.withLock { !$0.errors.isEmpty }
      if hasFailed { return }
      do throws(EngineError) {
        let model = try Self.load(entries[index], folder: folder, vocabulary: tokenizer?.vocabularySize)
        let done = loaded.withLock { state in
          state.models[index] = model
          state.done += 1
          return state.done
        }
        progress(done)
      } catch {
        loaded.withLock { $0.errors[index] = error }
      }
    }
    let result = loaded.withLock { ($0.models, $0.errors) }
    if let first = result.1.keys.min(), let error = result.1[first] { throw error }
    return ModelTable(models: result.0.compactMap { $0 }, tokenizer: tokenizer)
  }

  /// Loads the model at `index` of the manifest, by itself.
  ///
  /// - Throws: `EngineError` or `FileError`.
  public func loadModel(at index: Int) throws -> ServedModel {
    let manifest = try manifest()
    return try Self.load(manifest.models[index], folder: folder, vocabulary: nil)
  }

  private static func load(
    _ entry: RepositoryManifest.Model, folder: String, vocabulary: Int?
  ) throws(EngineError) -> ServedModel {
    let model = try TorchModel(path: folder + "/" + entry.file)
    guard model.inputCount == entry.inputs.count else {
      throw EngineError(
        .badModel, model.path, "takes \(model.inputCount) inputs; the manifest names \(entry.inputs.count)")
    }
    return ServedModel(
      name: entry.name, session: model, precision: entry.precision,
      vocabulary: entry.vocabulary > 0 ? entry.vocabulary : vocabulary ?? Int.max, maxTokens: entry.maxTokens,
      inputs: entry.inputs, weightBytes: model.weightBytes)
  }
}
