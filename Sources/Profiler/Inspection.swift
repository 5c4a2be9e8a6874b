import PlannerCore
import PlannerFiles
import ServerContract

/// Models of a folder that share code, shapes of parameters, precision and inputs: what one of them takes and needs,
/// all of them do.
public struct InspectedArchitecture: Sendable {
  /// As the manifest has it, or made of the class in the models' code and the first digits of the fingerprint.
  public var name: String
  public var isNameMade: Bool
  public var fingerprint: String
  public var precision: Precision
  /// What is said of each model, the first ones of the manifest.
  public var models: [RepositoryManifest.Model]
  /// Size of the largest file.
  public var fileBytes: Int64
  public var weightBytes: Int64
  /// Nil where trying it came to nothing.
  public var examined: ExaminedModel?
  /// Why it cannot be used, or what has to be declared.
  public var problem: String?

  /// Token ids that the models know; 0 where they take none.
  public var vocabulary: Int {
    if let stated = models.lazy.map(\.vocabulary).first(where: { $0 > 0 }) { return stated }
    return examined?.vocabulary ?? 0
  }
}

/// What a folder of TorchScript files holds.
public struct Inspection: Sendable {
  public struct BrokenFile: Codable, Hashable, Sendable {
    public var file: String
    public var reason: String

    public init(file: String, reason: String) {
      self.file = file
      self.reason = reason
    }
  }

  public var folder: String
  /// Nil where there is no manifest.
  public var manifest: RepositoryManifest?
  /// All that is in the folder, in the order of the first model of each.
  public var architectures: [InspectedArchitecture]
  public var broken: [BrokenFile]
  /// Files that the manifest does not name.
  public var unlisted: [String]
  /// What each file says of itself, by its name.
  public var looks: [String: LookedFile]
  /// Whether a vocabulary for texts is there.
  public var vocabularyFile: String?

  /// Groups files by what they are.
  ///
  /// - Parameter examine: tries one model of each architecture; throws a reason where it cannot be tried.
  package static func make(
    folder: String, manifest: RepositoryManifest?, files: [LookedFile], vocabularyFile: String?,
    examine: (RepositoryManifest.Model) async throws -> ExaminedModel
  ) async throws -> Inspection {
    var inspection = Inspection(
      folder: folder, manifest: manifest, architectures: [], broken: [], unlisted: [], looks: [:],
      vocabularyFile: vocabularyFile)
    let listed = Dictionary(grouping: manifest?.models ?? [], by: \.file)
    var places: [Key: Int] = [:]
    for file in files {
      inspection.looks[file.file] = file
      guard let fingerprint = file.fingerprint else {
        inspection.broken.append(BrokenFile(file: file.file, reason: file.problem ?? "it cannot be looked at"))
        continue
      }
      if manifest != nil, listed[file.file] == nil { inspection.unlisted.append(file.file) }
      for model in listed[file.file] ?? [inspection.unlistedModel(file)] {
        let key = Key(model, fingerprint)
        if let place = places[key] {
          inspection.architectures[place].models.append(model)
          inspection.architectures[place].fileBytes = max(inspection.architectures[place].fileBytes, file.fileBytes)
        } else {
          places[key] = inspection.architectures.count
          inspection.architectures.append(InspectedArchitecture(model, file, fingerprint))
        }
      }
    }
    for place in inspection.architectures.indices {
      guard let model = inspection.architectures[place].models.first else { continue }
      do {
        let examined = try await examine(model)
        inspection.architectures[place].examined = examined
        inspection.architectures[place].problem = examined.problem
      } catch let error as ProfilerError {
        inspection.architectures[place].problem = error.description
      }
    }
    inspection.tellApart()
    return inspection
  }

  /// A file without an entry is a model called like it, unless another model has that name.
  private func unlistedModel(_ file: LookedFile) -> RepositoryManifest.Model {
    let name = file.file.hasSuffix(".pt") ? String(file.file.dropLast(3)) : file.file
    let isTaken = manifest?.models.contains { $0.name == name } ?? false
    return RepositoryManifest.Model(name: isTaken ? file.file : name, file: file.file, fileBytes: file.fileBytes)
  }

  /// Numbers made names that two architectures would have, such as models of one code with different declarations.
  private mutating func tellApart() {
    var seen: [String: Int] = [:]
    for place in architectures.indices where architectures[place].isNameMade {
      let name = architectures[place].name
      seen[name, default: 0] += 1
      if let count = seen[name], count > 1 { architectures[place].name = "\(name)-\(count)" }
    }
  }

  /// Names that the manifest gives to models of several architectures of one precision, with how many these are.
  public var ambiguousNames: [String] {
    var seen = Set<String>()
    return architectures.compactMap { one in
      seen.insert("\(one.name) \(one.precision.rawValue) \(one.vocabulary)").inserted ? nil : one.name
    }
  }

  /// What tells architectures apart.
  private struct Key: Hashable {
    var fingerprint: String
    var family: String
    var precision: Precision?
    var vocabulary: Int
    var maxTokens: Int?
    var inputs: [String]
    var inputTensors: [TensorDeclaration]?
    var outputTensors: [TensorDeclaration]?

    init(_ model: RepositoryManifest.Model, _ fingerprint: String) {
      self.fingerprint = fingerprint
      family = model.architecture
      precision = model.statedPrecision
      vocabulary = model.vocabulary
      maxTokens = model.statedMaxTokens
      inputs = model.inputs
      inputTensors = model.inputTensors
      outputTensors = model.outputTensors
    }
  }
}

extension InspectedArchitecture {
  fileprivate init(_ model: RepositoryManifest.Model, _ file: LookedFile, _ fingerprint: String) {
    isNameMade = model.architecture == RepositoryManifest.Model.unknownArchitecture
    name = isNameMade ? Self.name(className: file.className ?? "", fingerprint) : model.architecture
    self.fingerprint = fingerprint
    precision = model.statedPrecision ?? file.precision ?? .fp32
    models = [model]
    fileBytes = file.fileBytes
    weightBytes = file.weightBytes ?? 0
  }

  /// `bert-0a21db`: the class's name, and enough digits to tell a folder's architectures apart.
  static func name(className: String, _ fingerprint: String) -> String {
    let word = className.lowercased().filter { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
    return "\(word.isEmpty ? "model" : word)-\(fingerprint.prefix(6))"
  }
}

// MARK: - Manifest

extension Inspection {
  /// What was found out of every model that can be used, as a manifest says it.
  public func findings() -> RepositoryManifest {
    var models: [RepositoryManifest.Model] = []
    for architecture in architectures {
      guard let examined = architecture.examined else { continue }
      for model in architecture.models {
        var entry = model
        entry.architecture = architecture.name
        entry.statedPrecision = architecture.precision
        let look = looks[model.file]
        entry.fileBytes = look?.fileBytes ?? model.fileBytes
        entry.sha256 = look?.sha256 ?? model.sha256
        if entry.inputs.isEmpty { entry.inputs = examined.inputs.map(\.name) }
        if examined.takesTokens {
          entry.vocabulary = architecture.vocabulary
          entry.statedMaxTokens = model.statedMaxTokens ?? examined.largestSize
        } else if examined.problem == nil {
          entry.requestTensors = model.requestTensors ?? examined.requestTensors
        }
        models.append(entry)
      }
    }
    let takeTexts = architectures.contains { $0.examined?.takesTokens ?? false }
    return RepositoryManifest(
      seed: nil, vocabularyFile: manifest?.vocabularyFile ?? (takeTexts ? vocabularyFile : nil),
      lowercases: manifest?.lowercases, models: models)
  }

  /// What the manifest says of files and is not so, as sentences.
  public var contradictions: [String] {
    (manifest?.models ?? []).compactMap { model in
      guard let look = looks[model.file], look.problem == nil else { return nil }
      if model.fileBytes > 0, model.fileBytes != look.fileBytes {
        return "\(model.name): fileBytes is \(model.fileBytes), and \(model.file) has \(look.fileBytes)"
      }
      if let stated = model.sha256, let sha256 = look.sha256, stated != sha256 {
        return "\(model.name): sha256 is not that of \(model.file)"
      }
      if let stated = model.statedPrecision, let precision = look.precision, stated != precision {
        return "\(model.name): precision is \(stated.rawValue), and \(model.file) looks like \(precision.rawValue)"
      }
      return nil
    }
  }

  /// What nobody can find out, as sentences with an example each.
  public var questions: [String] {
    architectures.compactMap { one in
      guard let examined = one.examined, examined.problem != nil, let model = one.models.first else { return nil }
      let name = examined.inputs.first?.name ?? "x"
      let others = one.models.count > 1 ? " and \(one.models.count - 1) more" : ""
      return "\(one.name) (\(model.name)\(others)): it answered none of the tensors that were tried; say in "
        + "\(RepositoryManifest.fileName) what it takes, such as "
        + #""inputTensors": [{"name": "\#(name)", "datatype": "FP32", "shape": [-1, 128]}]"#
    }
  }
}
