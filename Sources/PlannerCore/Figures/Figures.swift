/// Everything that was measured or published, and the one place that decides which of it speaks for a variant, under
/// which conditions, on which machine. `docs/figures.md` states the rules.
public struct Figures: Sendable {
  public var profiles: [Profile]
  public var benchmarks: [PublishedBenchmark]
  /// Architectures whose size was published, beside the presets.
  public var architectures: [PublishedArchitecture]
  /// Host memory that models on accelerators keep, by instance family.
  public var hostMemory: [HostMemoryRule]
  /// Instance types on which benchmarks were taken, and what runs on nodes beside a plan's server.
  public var catalog: Catalog

  public init(
    profiles: [Profile], benchmarks: [PublishedBenchmark], architectures: [PublishedArchitecture] = [],
    hostMemory: [HostMemoryRule] = [], catalog: Catalog
  ) {
    self.profiles = profiles
    self.benchmarks = benchmarks
    self.architectures = architectures
    self.hostMemory = hostMemory
    self.catalog = catalog
  }

  // MARK: - Machines

  /// Every way to run such models on an instance type: measured ones first, then published ones.
  ///
  /// - Throws: `NoFigure` where nothing speaks for that type.
  public func serving(_ query: FigureQuery, on type: InstanceType) throws(NoFigure) -> [ServingFigures] {
    var found: [ServingFigures] = []
    let shortage = shortage(of: type)
    for profile in measured(on: type) {
      // The first profile that has the model speaks; the others count in the lower bound only.
      found += serving(
        query, by: profile, for: type.name, cores: type.vcpus, memoryBytes: hostMemoryBytes(of: type),
        isSuperseded: !found.isEmpty)
    }
    for index in found.indices { found[index].shortage = shortage }
    found += published(query, on: type, isMeasured: !found.isEmpty)
    if found.isEmpty { throw missing(query, on: type) }
    return found
  }

  /// Every way to run such models on the machine at hand, by the profile that it is planned with.
  ///
  /// - Throws: `NoFigure` where that profile has not measured them.
  public func serving(_ query: FigureQuery, on machine: LocalMachine) throws(NoFigure) -> [ServingFigures] {
    let found = serving(
      query, by: machine.profile, for: LocalMachine.name, cores: machine.cores, memoryBytes: machine.memoryBytes,
      isSuperseded: false)
    if found.isEmpty { throw .notInProfileAtHand(query.modelName, size: query.size, cores: machine.cores) }
    return found
  }

  /// Profiles of one type of the catalogue, in the order in which they speak: full before quick, then newest first.
  private func measured(on type: InstanceType) -> [Profile] {
    guard type.accelerator == nil else { return [] }
    return Self.ranked(profiles.filter { $0.speaksFor(Machine(instanceType: type.name)) })
  }

  /// Full profiles before quick ones, newer before older; equals stay in their order.
  static func ranked(_ profiles: [Profile]) -> [Profile] {
    profiles.enumerated().sorted { a, b in
      if a.element.quick != b.element.quick { return !a.element.quick }
      if a.element.measuredAt != b.element.measuredAt { return a.element.measuredAt > b.element.measuredAt }
      return a.offset < b.offset
    }.map(\.element)
  }

  /// The profile that speaks for the processor at hand: the newest one, since that is nearest to what the machine does
  /// now, among those with a figure of that very size and input, else among those that can stand in, else any.
  ///
  /// - Returns: nil where no profile is of that processor.
  public func profile(of host: HostFingerprint, for query: FigureQuery, cores: Int) -> Profile? {
    profile(of: host, for: [query], cores: cores)
  }

  /// As for one query, among the profiles that have figures for all of several; where none has, for most of them.
  public func profile(of host: HostFingerprint, for queries: [FigureQuery], cores: Int) -> Profile? {
    let own = profiles.filter { $0.speaksFor(host.machine) }
    func answered(_ profile: Profile, exactly: Bool) -> Int {
      queries.count { query in
        let query = exactly ? query.exactly : query
        return profile.models.contains { $0.isAsked(by: query) && !usableCells($0, query, cores: cores).isEmpty }
      }
    }
    let counts = own.map { (any: answered($0, exactly: false), exact: answered($0, exactly: true)) }
    let best = own.indices.max {
      (counts[$0].any, counts[$0].exact, -$0) < (counts[$1].any, counts[$1].exact, -$1)
    }
    return best.map { own[$0] }
  }

  /// The fastest way to run such models on the processor at hand, by the newest profile of it that has one: in the
  /// preferred precision where there is one and it was measured, else in any.
  public func fastest(
    _ query: FigureQuery, preferring precision: Precision?, on host: HostFingerprint, cores: Int, memoryBytes: Int64
  ) -> ServingFigures? {
    for profile in profiles where profile.speaksFor(host.machine) {
      let found = serving(
        query, by: profile, for: LocalMachine.name, cores: cores, memoryBytes: memoryBytes, isSuperseded: false)
      let preferred = found.filter { $0.variant.precision == precision }
      let best = (preferred.isEmpty ? found : preferred).min {
        $0.service.computeSeconds.mean < $1.service.computeSeconds.mean
      }
      if let best { return best }
    }
    return nil
  }

  // MARK: - Names and sizes

  /// Architectures that a preset, a profile or a publication knows, sorted, presets first.
  public var knownArchitectures: [String] {
    let presets = ArchitecturePreset.allCases.map(\.rawValue)
    let others = Set(profiles.flatMap { $0.models.map(\.architecture) } + benchmarks.map(\.architecture))
    return presets + others.subtracting(presets).sorted()
  }

  /// Bytes that the weights of one model take: counted from a preset's shape or a published number of parameters,
  /// else as some profile measured them.
  public func weightBytes(_ variant: Variant) -> Int64? {
    if let preset = ArchitecturePreset(rawValue: variant.architecture) {
      var shape = preset.shape
      if let vocabulary = variant.vocabulary { shape.vocabulary = vocabulary }
      return Int64(shape.parameterCount) * Int64(variant.precision.bytesPerWeight)
    }
    if let known = architectures.first(where: { $0.name == variant.architecture }) {
      return Int64(known.parameters) * Int64(variant.precision.bytesPerWeight)
    }
    let query = FigureQuery(
      architecture: variant.architecture, vocabulary: variant.vocabulary, precisions: [variant.precision], size: 1,
      input: .tokens)
    return profiles.lazy.flatMap(\.models).first { $0.isAsked(by: query) }?.weightBytes
  }

  // MARK: - Nothing

  private func missing(_ query: FigureQuery, on type: InstanceType) -> NoFigure {
    let (architecture, family) = (query.architecture, type.familyName)
    let known = benchmarks.filter { $0.architecture == architecture && $0.instanceFamilies.contains(family) }
    if let longest = known.filter({ $0.batch == 1 }).map(\.tokens).max(), longest < query.size {
      return .onlyShorter(architecture: architecture, instanceFamily: family, longest: longest, size: query.size)
    }
    if profiles.contains(where: { $0.speaksFor(Machine(instanceType: type.name)) }) {
      return .notInProfile(instanceType: type.name, query.modelName, size: query.size)
    }
    if !known.isEmpty { return .notUsable(architecture: architecture, instanceFamily: family) }
    return .nothingKnown(architecture: architecture, instanceFamily: family)
  }
}

extension ModelProfile {
  /// These figures are of the models asked for: the same architecture with the same vocabulary, in a precision that
  /// is allowed.
  func isAsked(by query: FigureQuery) -> Bool {
    architecture == query.architecture && query.allows(precision)
      && (query.meantVocabulary.map { $0 == vocabulary } ?? true)
  }

  /// What was measured, as a variant; a vocabulary that is the architecture's own is not named.
  public var variant: Variant {
    let own = ArchitecturePreset(rawValue: architecture)?.shape.vocabulary
    return Variant(architecture: architecture, precision: precision, vocabulary: vocabulary == own ? nil : vocabulary)
  }
}
