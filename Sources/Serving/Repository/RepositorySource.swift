import Engine
import Foundation
import PlannerCore
import PlannerFiles
import Synchronization
import Tokenizer

/// Loads the models of a folder and makes them ready: probed where their code is new, and warm.
package final class RepositorySource: ModelSource {
  private let loader: RepositoryLoader
  private let selection: ModelSelection
  private let warmTokens: [Int]
  private let probe: IsolationProbe?
  private let origin: (any ModelOrigin)?
  private let balance: DeviceBalance
  private let pairTruncation: RepositoryManifest.PairTruncation?
  private let warn: @Sendable (String) -> Void
  private let findings = InterfaceFindings()
  private let vocabulary = Mutex<Int?>(nil)
  private let hasPulled = Atomic<Bool>(false)
  /// What the manifest was last read from; nil where that is a store, or was changed so shortly before that it may have
  /// been changed once more within a tick of the file system's clock.
  private let lastRead = Mutex<FileStamp?>(nil)

  /// - Parameters:
  ///   - selection: which of the folder's models are served.
  ///   - warmTokens: lengths at which each model is run before it serves.
  ///   - probe: tries code that is new in a process of its own; nil trusts it.
  ///   - origin: where the folder's files come from; nil where they are there.
  ///   - devices: those that the models are spread over.
  ///   - pairTruncation: how pairs of texts are cut, whatever the manifest says; nil leaves it to that.
  ///   - warn: told what is odd in a manifest that was read, as often as it is.
  package init(
    folder: String, selection: ModelSelection = .all, warmTokens: [Int] = [32], probe: IsolationProbe? = nil,
    origin: (any ModelOrigin)? = nil, devices: [String] = [Engine.device],
    pairTruncation: RepositoryManifest.PairTruncation? = nil, warn: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    self.warn = warn
    self.pairTruncation = pairTruncation
    self.origin = origin
    balance = DeviceBalance(devices: devices)
    loader = RepositoryLoader(folder: folder)
    self.selection = selection
    self.warmTokens = warmTokens
    self.probe = probe
  }

  package var isUnchanged: Bool {
    guard let stamp = loader.stamp() else { return false }
    return lastRead.withLock { $0 } == stamp
  }

  /// Longer than the coarsest clock of a file system that is still in use: FAT's.
  private static let clockTickSeconds = 2.0

  package func manifest() throws -> RepositoryManifest {
    let stamp = origin == nil ? loader.stamp() : nil
    var manifest = try origin?.manifest() ?? loader.manifest()
    let path = loader.folder + "/" + RepositoryManifest.fileName
    if let text = try? AtomicFile.read(path) {
      for problem in ManifestKeys.unknown(in: text, path: path) { warn("\(problem)") }
    }
    let settled = stamp.flatMap { Date().timeIntervalSince($0.changed) > Self.clockTickSeconds ? $0 : nil }
    manifest.models = try selection.chosen(from: manifest.models, folder: loader.folder)
    // Only what could be used: a manifest that was refused is refused again.
    lastRead.withLock { $0 = settled }
    // Many at once; what could not be had is said by the loads.
    if let origin, loadsAtStart, !hasPulled.exchange(true, ordering: .relaxed) { try origin.pull(manifest) }
    return manifest
  }

  package var loadsAtStart: Bool { origin?.pullsAtStart ?? true }

  package func tokenizer(of manifest: RepositoryManifest) throws -> WordPieceTokenizer? {
    var tokenizer = try manifest.vocabularyFile.map {
      try WordPieceTokenizer.load(path: loader.folder + "/" + $0, lowercases: manifest.lowercases)
    }
    let asked = pairTruncation ?? manifest.pairTruncation
    if let way = asked.flatMap({ PairTruncation(rawValue: $0.rawValue) }) { tokenizer?.truncation = way }
    let size = tokenizer?.vocabularySize
    vocabulary.withLock { $0 = size }
    return tokenizer
  }

  package func load(_ description: RepositoryManifest.Model, isAsked: Bool) throws -> ServedModel {
    let path = loader.folder + "/" + description.file
    try origin?.provide(description)
    // A file whose code cannot even be read fails in the server's own loader, with the better message.
    let look = try? ModelLook(path: path)
    let code = look?.code
    var description = description
    if description.statedPrecision == nil { description.statedPrecision = look?.precision }
    let tokens = warmTokens.max() ?? 32
    let vocabulary = vocabulary.withLock { $0 }
    if let code {
      try probe?.check(
        path, code: code, description, vocabulary: vocabulary, tokens: tokens, forgetsFailure: isAsked)
    }
    let findings = findings
    let model = try RepositoryLoader.load(
      description, folder: loader.folder, vocabulary: vocabulary,
      place: balance.place(bytes: memoryBytes(of: description))
    ) { (opened) throws(EngineError) in
      var served = opened.model
      let interface = try findings.interface(opened.key(code: code ?? path)) { () throws(EngineError) in
        let found = try opened.findInterface(tokens: tokens)
        served = found.untouched
        return found.interface
      }
      return (interface, served)
    }
    do throws(EngineError) {
      try Self.warm(model, tokens: warmTokens)
    } catch {
      // What nobody declared may be a wrong guess, and its requests say so; a file that has gone is no guess.
      guard description.inputs.isEmpty, error.kind == .badInput else {
        throw EngineError(.badModel, model.name, "does not run: \(error.message)")
      }
      model.noteWarmFailure(error.message)
    }
    return model
  }

  /// First runs take many times the usual.
  private static func warm(_ model: ServedModel, tokens: [Int]) throws(EngineError) {
    // Other models were run when it was found out what they take.
    guard TokenInputs.areAll(of: model.inputs), !model.interface.keepsState else { return }
    for tokens in tokens {
      let inputs = model.exampleInputs(tokens: tokens)
      let outputs = try model.session.infer(inputs)
      model.session.batchLayout?.learn(inputs, outputs)
    }
    guard let shortest = tokens.min(), let longest = tokens.max(), shortest < longest else { return }
    try model.session.batchLayout?.tryPadding(
      model.exampleInputs(tokens: shortest), beside: model.exampleInputs(tokens: longest),
      tolerance: model.precision == .fp32 ? 1e-3 : 0.1,
      infer: { inputs throws(EngineError) in try model.session.infer(inputs) })
  }

  /// Weights are mapped from the file; what a model takes beyond it is known from measurement.
  package func memoryBytes(of description: RepositoryManifest.Model) -> Int64 {
    guard let file = FileStamp(path: loader.folder + "/" + description.file) else {
      // Still to be pulled, or not there at all.
      return origin == nil ? 0 : description.fileBytes + Self.overheadBytes
    }
    return file.size + Self.overheadBytes
  }

  /// A tenth of a mebibyte: what the density tests hold every model to.
  private static let overheadBytes: Int64 = 104_858

  package func version(of description: RepositoryManifest.Model) -> String {
    // Without the store, the file that is there is the newest.
    try? origin?.provide(description)
    return FileStamp(path: loader.folder + "/" + description.file)?.description ?? ""
  }
}

extension ServedModel {
  /// One row of so many tokens, fewer where the model takes no more.
  package func exampleInputs(tokens: Int) -> [HostTensor] {
    let count = max(1, min(tokens, maxTokens))
    let ids = (0..<count).map { Int64($0 % max(1, min(vocabulary, 1000))) }
    return TokenInputs.row(ids, for: inputs)
  }
}
