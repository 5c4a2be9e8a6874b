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
      seed: nil, vocabularyFile: hasVocabulary ? "vocab.txt" : nil, lowercases: nil,
      models: files.sorted { naturally($0.name, $1.name) }.map { file in
        RepositoryManifest.Model(name: String(file.name.dropLast(3)), file: file.name, fileBytes: file.bytes)
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
  ///   - finding: finds out what the model takes and answers, and gives the model to be served; nil leaves it assumed.
  /// - Throws: `EngineError` (`badModel`) where the file cannot be used, what it takes or answers cannot be said in the
  ///   protocol, or the manifest contradicts it.
  package static func load(
    _ entry: RepositoryManifest.Model, folder: String, vocabulary: Int?, place: DeviceBalance.Place? = nil,
    finding: ((OpenedModel) throws(EngineError) -> (ModelInterface, TorchModel))? = nil
  ) throws(EngineError) -> ServedModel {
    let opened = try OpenedModel(
      entry, path: folder + "/" + entry.file, vocabulary: vocabulary, device: place?.device ?? Engine.device)
    let found = try finding?(opened)
    let (interface, model) = (found?.0, found?.1 ?? opened.model)
    let names = interface?.inputs.map(\.name) ?? opened.inputs.map(\.name)
    let numbers = opened.inputs.indices.filter { opened.inputs[$0].kind != .tensor }
    let layout = BatchLayout(
      inputs: names, numbers: numbers, joinsRows: interface.map { $0.rows == .independent } ?? true)
    return ServedModel(
      name: entry.name, session: BatchedSession(model, layout: layout), precision: entry.precision,
      vocabulary: opened.vocabulary, maxTokens: entry.maxTokens, inputs: names, interface: interface,
      weightBytes: model.weightBytes, place: place)
  }
}
