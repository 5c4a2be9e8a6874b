import Executor
import Foundation
import LoadTest
import PlannerCore
import PlannerFiles
import Proof

/// The models of a run: where they are, and what the model of each copy is called there.
struct RunModels {
  /// Repository of all nodes.
  let folder: String
  /// What the repository says of each copy's model, in the order of the layout.
  private let models: [RepositoryManifest.Model]
  private let excerpt: Excerpt

  /// - Parameter folder: the user's repository; nil takes models that are synthesized and kept.
  /// - Throws: `Failure` and `FileError` where models are missing, or are others than the plan's.
  init(of excerpt: Excerpt, folder: String?) async throws {
    self.excerpt = excerpt
    let wanted = WantedModel.all(of: excerpt)
    let found: [WantedModel: RepositoryManifest.Model]
    if let folder {
      self.folder = folder
      found = try Self.pick(wanted, of: excerpt.demand, from: folder)
    } else {
      (self.folder, found) = try await Self.synthesize(wanted, of: excerpt.demand)
    }
    models = excerpt.layout.copies.compactMap { found[WantedModel($0, of: excerpt)] }
    precondition(models.count == excerpt.layout.copies.count, "each copy has a model")
  }

  /// Names of a node's models.
  func names(onNode node: Int) -> [String] {
    zip(excerpt.layout.copies, models).filter { $0.0.node == node }.map(\.1.name)
  }

  /// The nodes as a runtime is asked for them, in the order of the excerpt.
  ///
  /// - Parameter image: content of the server's image, where nodes are started from one.
  func settings(image: String? = nil) -> [NodeSettings] {
    // A full path: whoever starts a node again does it from another folder.
    let repository = folder.contains("://") ? folder : URL(fileURLWithPath: folder).standardizedFileURL.path
    return excerpt.nodes.enumerated().map { index, node in
      node.settings(
        repository: repository, models: names(onNode: index), warmTokens: excerpt.warmTokens(onNode: index),
        image: image)
    }
  }

  /// The bytes of a request to a copy at its size.
  func request(_ rendering: AddressedSchedule.Rendering, to template: RequestTemplate) throws -> RequestBytes {
    let copy = excerpt.layout.copies[rendering.model]
    let group = excerpt.demand.groups[copy.group]
    let size = rendering.size > 0 ? rendering.size : group.requests.tokens
    let model = models[rendering.model]
    let vocabulary = model.vocabulary > 0 ? model.vocabulary : group.vocabularySize
    switch input(of: model, in: group) {
    case .text:
      // A question and a context are no shorter.
      let tokens = max(size, RequestTemplate.fewestTextTokens)
      return try template.text(model: model.name, tokens: tokens, index: copy.model)
    case .tokens:
      return template.tokens(model: model.name, tokens: size, vocabulary: vocabulary, index: copy.model)
    case .tensors:
      guard let tensors = model.requestTensors, !tensors.isEmpty else {
        throw Failure(
          .badData,
          "\(folder): the manifest does not say what a request to \(model.name) brings (requestTensors); find it out "
            + "with: planner model index \(folder)")
      }
      return template.tensors(model: model.name, tensors: tensors, size: size, index: copy.model)
    }
  }

  /// What requests carry: token ids where the model takes these and the workload asks for tensors.
  private func input(of model: RepositoryManifest.Model, in group: ModelGroup) -> RequestInput {
    let wanted = group.requests.input
    return wanted == .tensors && model.requestTensors == nil && model.vocabulary > 0 ? .tokens : wanted
  }

  // MARK: The user's models

  /// Takes the models that a group names; of a group that names none, the next of its architecture and precision.
  private static func pick(
    _ wanted: [WantedModel], of demand: Workload, from folder: String
  ) throws -> [WantedModel: RepositoryManifest.Model] {
    guard FileManager.default.fileExists(atPath: folder + "/" + RepositoryManifest.fileName) else {
      throw Failure(.unavailable, "\(folder): holds no \(RepositoryManifest.fileName)")
    }
    let manifest = try RepositoryFile.read(folder: folder)
    let known = Dictionary(uniqueKeysWithValues: manifest.models.map { ($0.name, $0) })
    // What a group names is no other group's.
    var taken = Set(demand.groups.flatMap { $0.modelNames ?? [] })
    var found: [WantedModel: RepositoryManifest.Model] = [:]
    for model in wanted {
      let group = demand.groups[model.group]
      let kind = "\(group.architecture) \(model.precision.rawValue)"
      func isRight(_ entry: RepositoryManifest.Model) -> Bool {
        entry.architecture == group.architecture && entry.precision == model.precision
      }
      if let names = group.modelNames {
        let name = model.model < names.count ? names[model.model] : "of number \(model.model)"
        guard let entry = known[name] else {
          throw Failure(.badData, "\(folder): has no model '\(name)', which group '\(group.name)' names")
        }
        guard isRight(entry) else { throw wrong(entry, kind, in: folder) }
        found[model] = entry
      } else if let entry = manifest.models.first(where: { isRight($0) && !taken.contains($0.name) }) {
        taken.insert(entry.name)
        found[model] = entry
      } else {
        let right = manifest.models.count(where: isRight)
        if right == 0, let other = manifest.models.first { throw wrong(other, kind, in: folder) }
        let needed = wanted.count { $0.precision == model.precision && demand.groups[$0.group].isAlike(group) }
        throw Failure(.badData, "\(folder): has \(right) models of \(kind); the plan needs \(needed)")
      }
    }
    return found
  }

  private static func wrong(_ model: RepositoryManifest.Model, _ kind: String, in folder: String) -> Failure {
    if model.statedPrecision == nil || model.architecture == RepositoryManifest.Model.unknownArchitecture {
      return Failure(
        .badData,
        "\(folder): \(RepositoryManifest.fileName) does not say of \(model.name) which architecture it is; write it "
          + "with: planner model index \(folder)")
    }
    return Failure(
      .badData,
      "\(folder): \(model.name) is \(model.architecture) \(model.precision.rawValue); the plan serves \(kind)")
  }

  // MARK: Synthesized models

  /// Models of one kind lie in a folder of their own; those of several are linked together in one more.
  private static func synthesize(
    _ wanted: [WantedModel], of demand: Workload
  ) async throws -> (String, [WantedModel: RepositoryManifest.Model]) {
    var kinds: [SynthesizedKind] = []
    for model in wanted {
      let kind = SynthesizedKind(demand.groups[model.group], model.precision)
      if !kinds.contains(kind) { kinds.append(kind) }
    }
    let isMix = kinds.count > 1
    if Set(kinds.map(\.vocabulary)).count > 1, let text = demand.groups.first(where: { $0.requests.input == .text }) {
      throw Failure(
        .unavailable,
        "group '\(text.name)' is asked with texts, and the mix has models of several vocabularies: a server has one; "
          + "ask with token ids (input: tokens), or give all groups one vocabulary")
    }
    var parts: [MixedRepository.Part] = []
    var found: [WantedModel: RepositoryManifest.Model] = [:]
    for kind in kinds {
      let own = wanted.filter { SynthesizedKind(demand.groups[$0.group], $0.precision) == kind }
      let repository = ModelRepository.shared(
        architecture: kind.architecture, vocabulary: kind.vocabulary, precision: kind.precision)
      let models = try await repository.provide(
        architecture: kind.architecture, vocabulary: kind.vocabulary, precision: kind.precision, count: own.count)
      parts.append(.init(folder: repository.folder, models: models))
      for (model, entry) in zip(own, models) { found[model] = isMix ? MixedRepository.linked(entry) : entry }
      if !isMix { return (repository.folder, found) }
    }
    return (try MixedRepository(parts: parts).write(), found)
  }

  private struct SynthesizedKind: Hashable {
    var architecture: String
    var vocabulary: Int
    var precision: Precision

    init(_ group: ModelGroup, _ precision: Precision) {
      architecture = group.architecture
      vocabulary = group.vocabularySize
      self.precision = precision
    }
  }
}

/// A model that a run needs, whichever nodes hold copies of it.
private struct WantedModel: Hashable {
  var group: Int
  var model: Int
  var precision: Precision

  init(_ copy: RunLayout.Copy, of excerpt: Excerpt) {
    group = copy.group
    model = copy.model
    precision = excerpt.variant(of: copy).precision
  }

  /// Each once, in the order of the workload.
  static func all(of excerpt: Excerpt) -> [WantedModel] {
    Set(excerpt.layout.copies.map { WantedModel($0, of: excerpt) }).sorted {
      ($0.group, $0.model, $0.precision.rawValue) < ($1.group, $1.model, $1.precision.rawValue)
    }
  }
}

extension ModelGroup {
  /// Word pieces of the models' vocabulary; that of the presets where nothing says.
  var vocabularySize: Int { query.meantVocabulary ?? 30522 }

  /// Takes models of the same kind, where neither names its own.
  fileprivate func isAlike(_ other: ModelGroup) -> Bool {
    architecture == other.architecture && modelNames == nil
  }
}
