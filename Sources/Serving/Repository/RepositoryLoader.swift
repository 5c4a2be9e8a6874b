import Engine
import Foundation
import PlannerCore
import PlannerFiles

/// Reads a repository folder and loads its models.
package struct RepositoryLoader: Sendable {
  package let folder: String

  package init(folder: String) { self.folder = folder }

  /// What is in the folder: its manifest, or else every `.pt` file as a model called like the file.
  ///
  /// - Throws: `FileError`.
  package func manifest() throws(FileError) -> RepositoryManifest {
    if FileManager.default.fileExists(atPath: folder + "/" + RepositoryManifest.fileName) {
      return try RepositoryFile.read(folder: folder)
    }
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
      throw FileError(
        .unavailable,
        [FileProblem(file: folder, message: "is no folder that can be read", remedy: "check --repository")])
    }
    let models = names.filter { $0.hasSuffix(".pt") }
    guard !models.isEmpty else {
      throw FileError(
        .badData,
        [
          FileProblem(
            file: folder, message: "holds neither a \(RepositoryManifest.fileName) nor a .pt file",
            remedy: "write models with: planner model synth")
        ])
    }
    return Self.manifest(ofFiles: models.map { ($0, 0) }, hasVocabulary: names.contains("vocab.txt"))
  }

  /// Stamp of what `manifest()` reads: another one where it may have another answer; nil where there is nothing to
  /// read.
  func stamp() -> FileStamp? {
    FileStamp(path: folder + "/" + RepositoryManifest.fileName) ?? FileStamp(path: folder)
  }

  /// What is said of `.pt` files without a manifest: each a model called like the file, `model2` before `model10`. What
  /// it takes, its own code says.
  package static func manifest(ofFiles files: [(name: String, bytes: Int64)], hasVocabulary: Bool) -> RepositoryManifest
  {
    RepositoryManifest(
      seed: nil, vocabularyFile: hasVocabulary ? "vocab.txt" : nil, lowercases: true,
      models: files.sorted { naturally($0.name, $1.name) }.map { file in
        RepositoryManifest.Model(
          name: String(file.name.dropLast(3)), file: file.name, architecture: "unknown", precision: .fp32,
          vocabulary: 0,
          maxTokens: 512, inputs: [], fileBytes: file.bytes)
      })
  }

  /// `model2` before `model10`.
  static func naturally(_ a: String, _ b: String) -> Bool {
    a.compare(b, options: [.numeric]) == .orderedAscending
  }

  /// Loads the model at `index` of the manifest, by itself.
  ///
  /// - Throws: `EngineError` or `FileError`.
  package func loadModel(at index: Int) throws -> ServedModel {
    let manifest = try manifest()
    return try Self.load(manifest.models[index], folder: folder, vocabulary: nil)
  }

  /// - Parameters:
  ///   - vocabulary: size of the repository's, for models that do not state their own.
  ///   - place: nil puts it on the process's own device.
  package static func load(
    _ entry: RepositoryManifest.Model, folder: String, vocabulary: Int?, place: DeviceBalance.Place? = nil
  ) throws(EngineError) -> ServedModel {
    let model = try TorchModel(path: folder + "/" + entry.file, device: place?.device ?? Engine.device)
    let inputs = Self.inputs(of: model, named: entry.inputs)
    guard model.inputCount == inputs.count else {
      throw EngineError(.badModel, model.path, "takes \(model.inputCount) inputs; the manifest names \(inputs.count)")
    }
    return ServedModel(
      name: entry.name, session: BatchedSession(model, layout: BatchLayout(inputs: inputs)),
      precision: entry.precision,
      vocabulary: entry.vocabulary > 0 ? entry.vocabulary : vocabulary ?? Int.max, maxTokens: entry.maxTokens,
      inputs: inputs, weightBytes: model.weightBytes, place: place)
  }

  /// Names of what the model takes, in order: the manifest's, or where there is none those in the model's code.
  ///
  /// Three inputs whose names say nothing are BERT's: most that are traced with names of their own making are that.
  package static func inputs(of model: TorchModel, named names: [String]) -> [String] {
    guard names.isEmpty else { return names }
    // Tracing makes `ids.1` of a name that it meets again.
    let own = model.inputNames.map { String($0.prefix { $0 != "." }) }
    if !TokenInputs.areAll(of: own), own.count == 3 { return TokenInputNames.all }
    return Set(own).count == own.count && !own.contains("") ? own : own.indices.map { "input_\($0)" }
  }
}
