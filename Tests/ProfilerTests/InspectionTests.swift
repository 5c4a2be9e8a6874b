import PlannerCore
import Profiler
import ServerContract
import Testing

/// What is made of files that were looked at, and which of it is measured.
@Suite struct InspectionTests {
  static func file(_ name: String, _ digit: Character, className: String = "Bert", bytes: Int64 = 100) -> LookedFile {
    var file = LookedFile(file: name, fileBytes: bytes)
    file.fingerprint = String(repeating: digit, count: 40)
    file.className = className
    file.weightBytes = bytes / 2
    file.precision = .fp32
    return file
  }

  static func examined(takesTokens: Bool = false, largest: Int? = nil, isLimit: Bool = false) -> ExaminedModel {
    let name = takesTokens ? "input_ids" : "x"
    let shape = largest == nil ? [1, 8] : [1, -1]
    let tensor = TensorDeclaration(name: name, datatype: "INT64", shape: shape, below: 77)
    var found = ExaminedModel(
      inputs: [tensor], optionalInputs: [], outputs: [], requestTensors: [tensor], takesTokens: takesTokens,
      rows: .independent)
    found.largestSize = largest
    found.isLargestALimit = isLimit
    return found
  }

  static func inspection(
    _ files: [LookedFile], manifest: RepositoryManifest? = nil, vocabulary: String? = nil,
    examine: @escaping (RepositoryManifest.Model) throws -> ExaminedModel = { _ in examined() }
  ) async throws -> Inspection {
    try await Inspection.make(
      folder: "/models", manifest: manifest, files: files, vocabularyFile: vocabulary, examine: { try examine($0) })
  }

  @Test func oneModelOfEachArchitectureIsTried() async throws {
    var tried: [String] = []
    let files = (0..<50).map { Self.file("m\($0).pt", $0 % 2 == 0 ? "a" : "b", bytes: 100 + Int64($0)) }
    let found = try await Self.inspection(files) { model in
      tried.append(model.name)
      return Self.examined()
    }
    #expect(tried == ["m0", "m1"])
    #expect(found.architectures.map(\.name) == ["bert-aaaaaa", "bert-bbbbbb"])
    #expect(found.architectures.map(\.models.count) == [25, 25] && found.architectures[1].fileBytes == 149)
  }

  @Test func whatIsBrokenOrCrashesIsSaidAndTheRestGoesOn() async throws {
    var broken = LookedFile(file: "cut.pt", fileBytes: 3)
    broken.problem = "it is empty"
    let found = try await Self.inspection([Self.file("a.pt", "a"), broken, Self.file("b.pt", "b")]) { model in
      if model.name == "a" { throw ProfilerError("model-server examine ended with signal 11: ") }
      return Self.examined()
    }
    #expect(found.broken.map(\.file) == ["cut.pt"] && found.architectures.map { $0.examined != nil } == [false, true])
    #expect(found.architectures[0].problem?.contains("signal 11") == true)
    #expect(found.findings().models.map(\.name) == ["b"])
  }

  @Test func familiesNameArchitecturesAndDeclarationsTellThemApart() async throws {
    var models = ["a", "b", "c"].map { RepositoryManifest.Model(name: $0) }
    models[0].architecture = "ranking"
    models[1].inputTensors = [TensorDeclaration(name: "x", datatype: "FP32", shape: [-1, 8])]
    let manifest = RepositoryManifest(seed: nil, vocabularyFile: nil, lowercases: nil, models: models)
    let files = ["a.pt", "b.pt", "c.pt", "d.pt"].map { Self.file($0, "a") }
    let found = try await Self.inspection(files, manifest: manifest)
    #expect(found.architectures.map(\.name) == ["ranking", "bert-aaaaaa", "bert-aaaaaa-2"])
    #expect(found.architectures[2].models.map(\.name) == ["c", "d"] && found.unlisted == ["d.pt"])
    #expect(found.ambiguousNames.isEmpty)
    var twice = manifest
    for index in twice.models.indices { twice.models[index].architecture = "ranking" }
    let ambiguous = try await Self.inspection([Self.file("a.pt", "a"), Self.file("b.pt", "b")], manifest: twice)
    #expect(ambiguous.ambiguousNames == ["ranking"])
  }

  @Test func findingsFillWhatIsMissing() async throws {
    var model = RepositoryManifest.Model(name: "a")
    model.maxTokens = 64
    let manifest = RepositoryManifest(seed: nil, vocabularyFile: nil, lowercases: nil, models: [model])
    let found = try await Self.inspection(
      [Self.file("a.pt", "a"), Self.file("new.pt", "b")], manifest: manifest, vocabulary: "vocab.txt"
    ) { model in Self.examined(takesTokens: model.name == "a", largest: 256, isLimit: true) }
    let models = found.findings().models
    #expect(models.map(\.vocabulary) == [77, 0] && models.map(\.statedMaxTokens) == [64, nil])
    #expect(
      models.map { $0.requestTensors?.first?.shape } == [nil, [1, -1]] && models.map(\.fileBytes) == [100, 100])
    #expect(found.findings().vocabularyFile == "vocab.txt")
    #expect(found.questions.isEmpty && found.contradictions.isEmpty)
  }

  @Test func aManifestThatIsWrongIsSaid() async throws {
    var model = RepositoryManifest.Model(name: "a", fileBytes: 99)
    let manifest = RepositoryManifest(seed: nil, vocabularyFile: nil, lowercases: nil, models: [model])
    #expect(try await Self.inspection([Self.file("a.pt", "a")], manifest: manifest).contradictions.count == 1)
    model.fileBytes = 100
    model.precision = .int8
    let other = RepositoryManifest(seed: nil, vocabularyFile: nil, lowercases: nil, models: [model])
    #expect(try await Self.inspection([Self.file("a.pt", "a")], manifest: other).contradictions[0].contains("int8"))
  }

  @Test func whatAnswersNoTryIsAskedForWithAnExample() async throws {
    let found = try await Self.inspection([Self.file("a.pt", "a")]) { _ in
      var examined = Self.examined()
      examined.problem = "it answered none of the tensors that were tried"
      return examined
    }
    #expect(found.questions.count == 1 && found.questions[0].contains(#""inputTensors": [{"name": "x""#))
  }
}

/// Which of a folder's models a profile measures, and with what.
@Suite struct OwnModelsTests {
  private func own(
    _ examined: ExaminedModel, vocabulary: String? = nil, workload: Workload? = nil, sizes: [Int]? = nil,
    input: RequestInput? = nil
  ) async throws -> OwnModels {
    let inspection = try await InspectionTests.inspection(
      (0..<100).map { InspectionTests.file("m\($0).pt", "a", bytes: 64 << 20) }, vocabulary: vocabulary
    ) { _ in examined }
    return OwnModels(inspection, workload: workload, sizes: sizes, input: input, quick: false)
  }

  @Test func requestsCarryWhatTheModelTakes() async throws {
    let tokens = InspectionTests.examined(takesTokens: true, largest: 256, isLimit: true)
    #expect(try await own(tokens).repositories.map(\.input) == [.tokens])
    let texts = try await own(tokens, vocabulary: "vocab.txt").repositories[0]
    #expect(texts.input == .text && texts.tensors.isEmpty && texts.vocabulary == 77)
    #expect(try await own(tokens, vocabulary: "vocab.txt", input: .tokens).repositories[0].input == .tokens)
    let tensors = try await own(InspectionTests.examined(largest: 300)).repositories[0]
    #expect(tensors.input == .tensors && tensors.tensors.map(\.below) == [77] && tensors.vocabulary == 0)
    // As many models as exceed the caches.
    #expect(tensors.manifest.models.count == 8)
  }

  @Test func sizesAreWhatTheModelTakes() async throws {
    #expect(try await own(InspectionTests.examined()).repositories[0].sizes == [1])
    let short = InspectionTests.examined(largest: 40, isLimit: true)
    #expect(try await own(short).repositories[0].sizes == [16, 32])
    var failing = short
    failing.failedSizes = [ExaminedModel.FailedSize(size: 32, reason: "expected 31")]
    let asked = try await own(failing, sizes: [8, 32, 512])
    #expect(asked.repositories[0].sizes == [8])
    #expect(asked.omissions.count == 2 && asked.omissions[1].contains("size 512"))
    let none = try await own(short, sizes: [64])
    #expect(none.repositories.isEmpty && none.omissions.last?.contains("none of the sizes") == true)
  }

  @Test func aWorkloadChoosesArchitecturesAndSizes() async throws {
    func workload(_ architecture: String, _ sizes: RequestSizes) -> Workload {
      var group = ModelGroup(
        name: "g", architecture: architecture, models: 3, requests: RequestMix(sizes: sizes, input: .tensors),
        ratePerModelPerSecond: 1, targetP99Seconds: 0.1)
      group.modelNames = nil
      return Workload(name: "w", groups: [group], source: "test")
    }
    let any = InspectionTests.examined(largest: 4096)
    let fixed = try await own(any, workload: workload("bert-aaaaaa", .fixed(24)))
    #expect(fixed.repositories[0].sizes == [24] && fixed.omissions.isEmpty)
    let drawn = try await own(any, workload: workload("bert-aaaaaa", .lognormal(mean: 60, cv: 0.5, max: 200)))
    let sizes = drawn.repositories[0].sizes
    #expect(sizes.count == 4 && sizes.last == 200 && sizes[0] < 60 && sizes == sizes.sorted())
    let other = try await own(any, workload: workload("gpt", .fixed(24)))
    #expect(other.repositories.isEmpty && other.omissions.count == 2)
  }
}
