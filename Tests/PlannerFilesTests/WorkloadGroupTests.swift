import Foundation
import PlannerCore
import PlannerFiles
import Testing

@Suite struct WorkloadGroupTests {
  static let shop = """
    name: shop
    targetP99: 10ms
    groups:
      - name: reviews
        architecture: bert-base
        models: 1200
        size: 40
        rate: {perModel: 0.5}
        arrivals: {process: poisson}
        targetP99: 20ms
        precisions: [fp32, bf16]
        replicas: 1
        input: text
      - name: clicks
        architecture: dlrm
        models: 3
        rate: {total: 600, popularity: {zipf: 1.1}}
        arrivals: {process: gamma, cv: 2.5}
        replicas: 2
        input: tensors
      - name: searches
        architecture: minilm
        size: {distribution: lognormal, mean: 40, cv: 0.8, max: 128}
        rate: {total: 30, popularity: {file: shares.csv}}
      - name: recorded
        architecture: lstm
        names: [only]
        size: {histogram: sizes.csv}
        arrivals: {process: trace, file: trace.csv}
        input: tokens
    """

  static func folder() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    _ = try folder.file("shares.csv", "model,share\r\n\"a,1\",0.5\r\nb,0.25\r\nc,0.25")
    _ = try folder.file("sizes.csv", "size,weight\n64,1\n8,3\n")
    _ = try folder.file("trace.csv", "seconds,model\n0.5,only\n1,other\n2,only\n")
    return folder
  }

  static func problems(_ text: String, _ folder: TemporaryFolder) throws -> [FileProblem] {
    do throws(FileError) {
      _ = try WorkloadFile.read(try! folder.file("w.yaml", text))
      return []
    } catch {
      return error.problems
    }
  }

  /// A proxy stands in front of all groups, and is written as it is read.
  @Test func aProxyIsSaidOnce() throws {
    let folder = try Self.folder()
    for (line, isProxied) in [("proxy: true", true), ("proxy: false", false), ("", false)] {
      let grouped = try WorkloadFile.read(try folder.file("w.yaml", "\(line)\n" + Self.shop))
      #expect(grouped.groups.allSatisfy { $0.requests.isProxied == isProxied })
      let flat = try WorkloadFile.read(try folder.file("w.yaml", "name: flat\n\(line)\n"))
      #expect(flat.isProxied == isProxied)
      try WorkloadFile.write(flat, to: folder.path + "/again.yaml")
      #expect(try WorkloadFile.read(folder.path + "/again.yaml") == flat)
      let decoded = try JSONDecoder().decode(Workload.self, from: JSONEncoder().encode(grouped))
      #expect(decoded == grouped)
    }
    #expect(try Self.problems("proxy: maybe\n", folder).map(\.key) == ["proxy"])
  }

  @Test func everyFormIsRead() throws {
    let folder = try Self.folder()
    let workload = try WorkloadFile.read(try folder.file("w.yaml", Self.shop))
    let groups = workload.groups
    #expect(workload.name == "shop" && groups.map(\.name) == ["reviews", "clicks", "searches", "recorded"])
    #expect(groups[0].targetP99Seconds == 0.02 && groups[1].targetP99Seconds == 0.01)
    #expect(groups[0].precisions == [.fp32, .bf16] && groups[1].precisions == nil)
    #expect(groups[1].popularity == .zipf(exponent: 1.1) && groups[1].ratePerModelPerSecond == 200)
    #expect(groups[1].arrivals == .gamma(cv: 2.5) && groups[1].leastReplicas == 2)
    #expect(groups[1].requests == RequestMix(sizes: .none, input: .tensors))
    #expect(groups[2].modelNames == ["a,1", "b", "c"] && groups[2].popularity == .shares([0.5, 0.25, 0.25]))
    #expect(groups[2].rates() == [15, 7.5, 7.5])
    #expect(groups[2].requests.sizes == .lognormal(mean: 40, cv: 0.8, max: 128))
    #expect(groups[3].arrivals == .trace([0.5, 2]) && groups[3].totalRatePerSecond == 1 && groups[3].models == 1)
    #expect(
      groups[3].requests.sizes == .histogram([SizeWeight(size: 8, weight: 3), SizeWeight(size: 64, weight: 1)]))
    #expect(!workload.isFlat)
  }

  /// One group that says what the flat form says is the same but for its name, and can be planned.
  @Test func oneGroupIsTheFlatForm() throws {
    let folder = try TemporaryFolder()
    let flat = try WorkloadFile.read(
      try folder.file(
        "flat.yaml",
        "name: x\nsource: s\nfamily: minilm\nmodels: 60\ntokens: 16\nratePerModelPerSecond: 0.9\n"))
    let grouped = try WorkloadFile.read(
      try folder.file(
        "grouped.yaml",
        "name: x\nsource: s\ntargetP99: 10ms\ngroups: [{name: x, architecture: minilm, models: 60, size: 16, "
          + "rate: {perModel: 0.9}}]\n"))
    #expect(flat == grouped && grouped.isFlat)
  }

  /// Each mistake by itself is found, at its key.
  @Test(arguments: [
    ("models: 1200", "models: 0", "groups[0].models"), ("models: 1200", "models: 1e9", "groups[0].models"),
    ("models: 1200", "models: -3", "groups[0].models"), ("size: 40", "size: 0", "groups[0].size"),
    ("size: 40", "size: 100001", "groups[0].size"), ("size: 40", "size: .nan", "groups[0].size"),
    ("    size: 40\n", "", "groups[0].size"), ("size: 40", "size: {mean: 4}", "groups[0].size.distribution"),
    ("size: 40", "size: {histogram: none.csv}", nil), ("cv: 0.8", "cv: -1", "groups[2].size.cv"),
    ("mean: 40, cv", "mean: nan, cv", "groups[2].size.mean"), (", max: 128", "", "groups[2].size.max"),
    ("max: 128", "max: 30", "groups[2].size.mean"), ("{perModel: 0.5}", "0.5", "groups[0].rate"),
    ("{perModel: 0.5}", "{perModel: 0}", "groups[0].rate.perModel"),
    ("{perModel: 0.5}", "{perModel: 1e10}", "groups[0].rate.perModel"),
    ("{perModel: 0.5}", "{perModel: 0.5, total: 3}", "groups[0].rate"), ("{perModel: 0.5}", "{}", "groups[0].rate"),
    ("{zipf: 1.1}", "{zipf: -1}", "groups[1].rate.popularity.zipf"),
    ("{zipf: 1.1}", "{zipf: 11}", "groups[1].rate.popularity.zipf"),
    ("{zipf: 1.1}", "some", "groups[1].rate.popularity"), ("{zipf: 1.1}", "{}", "groups[1].rate.popularity"),
    ("{zipf: 1.1}", "{zipf: 1, file: shares.csv}", "groups[1].rate.popularity"),
    ("{process: poisson}", "{process: bursts}", "groups[0].arrivals.process"),
    ("{process: poisson}", "{process: poisson, cv: 3}", "groups[0].arrivals.cv"),
    ("cv: 2.5", "cv: 0", "groups[1].arrivals.cv"), ("file: trace.csv", "file: none.csv", "groups[3].arrivals.file"),
    ("names: [only]", "names: [other, only]", "groups[3].arrivals.file"),
    ("names: [only]", "names: []", "groups[3].names"),
    ("names: [only]", "names: [only, only]", "groups[3].names[1]"),
    ("names: [only]", "names: [only]\n    rate: {total: 3}", "groups[3].rate"),
    ("names: [only]", "names: [only]\n    models: 2", "groups[3].models"), ("20ms", "20", "groups[0].targetP99"),
    ("20ms", "0ms", "groups[0].targetP99"), ("[fp32, bf16]", "[fp64]", "groups[0].precisions"),
    ("[fp32, bf16]", "[fp32, fp32]", "groups[0].precisions"), ("replicas: 2", "replicas: 0", "groups[1].replicas"),
    ("input: tensors", "input: pictures", "groups[1].input"), ("name: clicks", "name: reviews", "groups[1].name"),
    ("    architecture: bert-base\n", "", "groups[0].architecture"), ("groups:", "zzz: 1\ngroups:", "zzz"),
    ("groups:", "models: 3\ngroups:", "models"), ("name: clicks", "nom: clicks", "groups[1].nom"),
    ("name: clicks", "name: clicks\n    names: [only, x, y]", "groups[3].names"),
  ])
  func aMistakeIsFoundAtItsKey(_ right: String, _ wrong: String, _ key: String?) throws {
    let folder = try Self.folder()
    let text = Self.shop.replacing(right, with: wrong, maxReplacements: 1)
    #expect(text != Self.shop)
    let problems = try Self.problems(text, folder)
    if let key {
      #expect(problems.map(\.key).contains(key), "\(problems)")
      #expect(problems.first { $0.key == key }?.line != nil)
    } else {
      #expect(!problems.isEmpty)
    }
  }

  @Test(arguments: [
    ("shares.csv", "model,share\na,0.5\na,0.5\n", 3, "second time"), ("shares.csv", "a,0.5\nb,x\n", 2, "not a share"),
    ("shares.csv", "a,0.5\nb,-0.1\nc,0.6", 2, "not a share"), ("shares.csv", "a,nan\n", 1, "not a share"),
    ("shares.csv", "a,0.5\nb,0.2\n", nil, "sum to 0.7"), ("shares.csv", "model,share\n", nil, "no share"),
    ("shares.csv", "a,0.5\n0.5\n", 2, "columns"), ("shares.csv", "a,0.5,3\nb,0.5", 1, "neither"),
    ("shares.csv", ",1\n", 1, "empty name"), ("sizes.csv", "8,1\n8,2\n", 2, "second time"),
    ("sizes.csv", "0,1\n", 1, "not a size"), ("sizes.csv", "9,-1\n", 1, "not a weight"),
    ("sizes.csv", "9,inf\n", 1, "not a weight"), ("sizes.csv", "9,0\n", nil, "no weight"),
    ("sizes.csv", "9\n", 1, "size,weight"),
  ])
  func aMistakeInATableIsFoundAtItsLine(_ file: String, _ text: String, _ line: Int?, _ message: String) throws {
    let folder = try Self.folder()
    _ = try folder.file(file, text)
    let problems = try Self.problems(Self.shop, folder)
    let found = try #require(problems.first { $0.file.hasSuffix(file) }, "\(problems)")
    #expect(found.line == line && found.message.contains(message), "\(found)")
  }

  @Test func allMistakesAreReportedAtOnce() throws {
    let folder = try Self.folder()
    _ = try folder.file("shares.csv", "a,2\nb,-1\n")
    var text = Self.shop
    let changes = [("models: 1200", "models: 0"), ("size: 40", "size: x"), ("cv: 2.5", "cv: x"), ("20ms", "x")]
    for (right, wrong) in changes {
      text = text.replacing(right, with: wrong)
    }
    #expect(try Self.problems(text, folder).count == 6)
  }

  /// A file of a million wrong lines is not answered with a million.
  @Test func manyWrongLinesAreCounted() throws {
    let folder = try Self.folder()
    _ = try folder.file("sizes.csv", String(repeating: "x,1\n", count: 5000))
    let problems = try Self.problems(Self.shop, folder)
    #expect(problems.count == 21 && problems.last?.message.contains("4980 more") == true)
  }

  @Test func blanksAreAskedFor() throws {
    let folder = try TemporaryFolder()
    let workload = Workload(
      name: "w",
      groups: [
        ModelGroup(
          name: "g", architecture: "x", models: 1, requests: RequestMix(tokens: 3), ratePerModelPerSecond: 1,
          targetP99Seconds: 1)
      ], source: "s")
    let path = folder.path + "/w.yaml"
    try WorkloadFile.write(workload, to: path, blanks: [.architecture, .size, .target])
    let error = try #require(throws: FileError.self) { try WorkloadFile.read(path) }
    #expect(Set(error.problems.map(\.key)) == ["targetP99", "groups[0].architecture", "groups[0].size"])
    #expect(error.problems.allSatisfy { $0.message.contains("filled in") && $0.remedy?.contains("write") == true })
  }

  // MARK: Round trip

  /// A random text of all that may stand in a name.
  private static func text(_ random: inout RandomStream) -> String {
    let parts = ["a", "Z9", "-", ".", "_", "é", "模型", "🙂", "\"", ",", "'", ":", "#", "{", "\\", "%", " x", "~", "?"]
    return "n" + (0..<random.integer(below: 6)).map { _ in parts[random.integer(below: parts.count)] }.joined()
  }

  private static func group(_ index: Int, _ random: inout RandomStream) -> ModelGroup {
    let models = 1 + random.integer(below: 20)
    var group = ModelGroup(
      name: "\(index) " + text(&random), architecture: text(&random), models: models, requests: RequestMix(tokens: 1),
      ratePerModelPerSecond: random.exponential(), targetP99Seconds: random.exponential())
    let isNamed = random.integer(below: 2) == 0
    if isNamed { group.modelNames = (0..<models).map { "\(index).\($0)" + text(&random) } }
    if random.integer(below: 2) == 0 { group.vocabulary = 200 + random.integer(below: 1000) }
    if random.integer(below: 2) == 0 { group.precisions = [.int8, .fp32] }
    group.leastReplicas = 1 + random.integer(below: 3)
    group.requests.input = RequestInput.allCases[random.integer(below: 3)]
    switch random.integer(below: 4) {
    case 0: group.requests.sizes = .fixed(1 + random.integer(below: 100_000))
    case 1: group.requests.sizes = .lognormal(mean: 1 + random.exponential(), cv: random.exponential(), max: 90_000)
    case 2:
      group.requests.sizes = .histogram(
        (1...5).map { SizeWeight(size: $0 * (1 + random.integer(below: 2)) * 100 + $0, weight: random.uniform()) }
          .sorted { $0.size < $1.size })
    default: if group.requests.input == .tensors { group.requests.sizes = .none }
    }
    switch random.integer(below: 3) {
    case 0: group.popularity = .zipf(exponent: random.uniform() * 3)
    case 1:
      let weights = (0..<models).map { _ in random.exponential() }
      let sum = weights.reduce(0, +)
      group.popularity = .shares(weights.map { $0 / sum })
    default: break
    }
    switch random.integer(below: 4) {
    case 0: group.arrivals = .gamma(cv: random.exponential())
    case 1: group.arrivals = .deterministic
    case 2 where group.popularity == .uniform:
      let times = (0..<9).map { _ in random.uniform() * 100 }.sorted()
      group.arrivals = .trace(times)
      group.ratePerModelPerSecond = ArrivalProcess.meanRate(ofTrace: times)
    default: break
    }
    return group
  }

  @Test(arguments: 0..<60)
  func whatIsWrittenIsReadBackTheSame(_ seed: Int) throws {
    let folder = try TemporaryFolder()
    var random = RandomStream(seed: UInt64(seed), stream: "workloads")
    let groups = (0..<1 + random.integer(below: 4)).map { Self.group($0, &random) }
    let workload = Workload(
      name: Self.text(&random), groups: groups, source: Self.text(&random) + "\n\t\u{7f}\u{2028}x")
    let path = folder.path + "/deep/w.x.yaml"
    let files = try WorkloadFile.write(workload, to: path, notes: ["a note: {"])
    #expect(try WorkloadFile.read(path) == workload)
    let there = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/deep").sorted()
    #expect(there == files.map { URL(fileURLWithPath: $0).lastPathComponent }.sorted())
  }
}
