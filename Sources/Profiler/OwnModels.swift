import PlannerCore
import ServerContract

/// What of a user's folder is measured: each architecture once, at the sizes of a workload or at a spread of its own.
public struct OwnModels: Sendable {
  public private(set) var repositories: [ProfileRequest.Repository] = []
  /// What is not measured, or not as it was asked for, as sentences without their full stops.
  public private(set) var omissions: [String] = []

  private let inspection: Inspection
  private let workload: Workload?
  private let sizes: [Int]?
  private let input: RequestInput?
  private let quick: Bool

  /// Sizes where nobody names some, up to what the models take.
  static let usualSizes = [16, 32, 128]
  /// Sides of images.
  static let usualSides = [64, 128, 224]

  /// - Parameters:
  ///   - workload: only its architectures are measured, at its sizes; nil measures all.
  ///   - sizes: of requests; nil takes the workload's, or a spread.
  ///   - input: what requests carry; nil is text where the folder has a vocabulary, else what the models take.
  ///   - quick: few sizes where nobody names some.
  public init(_ inspection: Inspection, workload: Workload?, sizes: [Int]?, input: RequestInput?, quick: Bool) {
    self.inspection = inspection
    self.workload = workload
    self.sizes = sizes
    self.input = input
    self.quick = quick
    for file in inspection.broken { omissions.append("\(file.file) is not measured: \(file.reason)") }
    let found = Dictionary(
      inspection.findings().models.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    for one in inspection.architectures { add(one, found) }
    for group in workload?.groups ?? [] where !inspection.architectures.contains(where: { isAsked($0, by: group) }) {
      omissions.append("\(inspection.folder) holds no model of the workload's \(group.architecture)")
    }
  }

  private func isAsked(_ one: InspectedArchitecture, by group: ModelGroup) -> Bool {
    guard group.architecture != one.name else { return true }
    let names = Set(group.modelNames ?? [])
    return one.models.contains { names.contains($0.name) }
  }

  private mutating func add(_ one: InspectedArchitecture, _ found: [String: RepositoryManifest.Model]) {
    let groups = workload.map { $0.groups.filter { isAsked(one, by: $0) } }
    if let groups, groups.isEmpty {
      omissions.append("\(one.name) is not measured: the workload does not ask for it")
      return
    }
    guard let examined = one.examined, examined.problem == nil else {
      omissions.append("\(one.name) is not measured: \(one.problem ?? "it could not be tried")")
      return
    }
    let input = input(of: examined, groups)
    let sizes = sizes(of: one, examined, input, groups)
    guard !sizes.isEmpty else { return }
    let count = ProfileRequest.residentModels(weightBytes: one.weightBytes)
    var manifest = inspection.findings()
    manifest.models = one.models.prefix(count).compactMap { found[$0.name] }
    for index in manifest.models.indices where manifest.models[index].requestTensors == nil && input == .tensors {
      manifest.models[index].requestTensors = examined.requestTensors
    }
    repositories.append(
      ProfileRequest.Repository(
        folder: inspection.folder, manifest: manifest, architecture: one.name, vocabulary: one.vocabulary,
        precision: one.precision, fileBytes: one.fileBytes, weightBytes: one.weightBytes, sizes: sizes, input: input,
        tensors: input == .tensors ? manifest.models.first?.requestTensors ?? [] : [], notes: examined.notes))
  }

  private mutating func input(of examined: ExaminedModel, _ groups: [ModelGroup]?) -> RequestInput {
    guard examined.takesTokens else { return .tensors }
    let wanted = input ?? groups?.first?.requests.input
    let canText = inspection.findings().vocabularyFile != nil
    if wanted == .tokens || !canText { return .tokens }
    return .text
  }

  // MARK: Sizes

  private mutating func sizes(
    of one: InspectedArchitecture, _ examined: ExaminedModel, _ input: RequestInput, _ groups: [ModelGroup]?
  ) -> [Int] {
    guard examined.varies, let largest = examined.largestSize else { return [1] }
    let isImage = examined.requestTensors.contains { tensor in tensor.shape.count { $0 < 0 } > 1 }
    let failed = Set(examined.failedSizes.map(\.size))
    let least = input == .text ? Self.fewestTextTokens : 1
    func isTaken(_ size: Int) -> Bool {
      size >= least && !failed.contains(size) && (size <= largest || !examined.isLargestALimit)
    }
    var wanted: [Int]
    if let named = sizes ?? groups.map({ $0.flatMap { Self.sizes($0.requests.sizes) } }) {
      wanted = named
      for size in Set(named).sorted() where !isTaken(size) {
        omissions.append(
          "\(one.name) is not measured at size \(size): "
            + (size < least ? "texts have at least \(least) tokens" : "its models do not answer at it"))
      }
    } else {
      wanted = (isImage ? Self.usualSides : Self.usualSizes).filter { $0 <= largest }
      if wanted.isEmpty { wanted = [largest] }
      if quick, let first = wanted.first, let last = wanted.last { wanted = [first, last] }
    }
    let taken = Set(wanted).sorted().filter(isTaken)
    if taken.isEmpty { omissions.append("\(one.name) is not measured: it answers at none of the sizes asked for") }
    return taken
  }

  /// [CLS] question [SEP] context [SEP] with one word each.
  private static let fewestTextTokens = 5

  /// Sizes that stand for a distribution: its middle, its upper end and its largest.
  public static func sizes(_ sizes: RequestSizes) -> [Int] {
    guard let largest = sizes.largest else { return [1] }
    if let only = sizes.only { return [only] }
    let draw = RequestSizes.Draw(sizes)
    var random = RandomStream(seed: 1, stream: "profiled sizes")
    let drawn = (0..<1000).map { _ in draw.next(from: &random) }.sorted()
    return Set([drawn[250], drawn[500], drawn[900], largest]).sorted()
  }
}
