import PlannerCore

/// What a profile is to cover.
public struct ProfileRequest: Codable, Hashable, Sendable {
  public typealias Case = ProfileCase

  /// Models of one architecture that are there already.
  public struct Repository: Codable, Hashable, Sendable {
    /// Where their files are.
    public var folder: String
    /// The models that are measured, with what is needed to serve them alone.
    public var manifest: RepositoryManifest
    public var architecture: String
    public var vocabulary: Int
    public var precision: Precision
    public var fileBytes: Int64
    /// Bytes of one model's parameters and buffers, as its file says it.
    public var weightBytes: Int64
    /// Sizes of requests; 1 where they have none.
    public var sizes: [Int]
    public var input: RequestInput
    /// What a request brings where that is neither text nor token ids.
    public var tensors: [TensorDeclaration]
    /// What is to be known of these models, as clauses.
    public var notes: [String]

    public init(
      folder: String, manifest: RepositoryManifest, architecture: String, vocabulary: Int, precision: Precision,
      fileBytes: Int64, weightBytes: Int64, sizes: [Int], input: RequestInput, tensors: [TensorDeclaration] = [],
      notes: [String] = []
    ) {
      self.folder = folder
      self.manifest = manifest
      self.architecture = architecture
      self.vocabulary = vocabulary
      self.precision = precision
      self.fileBytes = fileBytes
      self.weightBytes = weightBytes
      self.sizes = sizes
      self.input = input
      self.tensors = tensors
      self.notes = notes
    }
  }

  /// Architectures to synthesize and measure.
  public var cases: [Case]
  /// Measured instead of `cases` where there are some.
  public var repositories: [Repository] = []
  /// What the profile is made for; nil where it is for no workload or folder in particular.
  public var purpose: ProfilePurpose?
  public var precisions: [Precision]
  public var quick: Bool
  /// Cores that the server may compute on: the others are the load generator's.
  public var servingCores: Int
  public var seed: UInt64
  /// How served requests carry their content.
  public var input: RequestInput

  public init(
    cases: [Case], precisions: [Precision], quick: Bool, servingCores: Int, seed: UInt64, input: RequestInput = .text
  ) {
    self.cases = cases
    self.precisions = precisions
    self.quick = quick
    self.servingCores = servingCores
    self.seed = seed
    self.input = input
  }

  /// Everything that plans ask for by default: every architecture at the usual lengths, or with `quick` three of them.
  public static func standard(quick: Bool, servingCores: Int, seed: UInt64) -> ProfileRequest {
    let cases =
      quick
      ? [
        Case(architecture: .bertTiny, vocabulary: 2000, tokens: [32]),
        Case(architecture: .miniLM, vocabulary: 2000, tokens: [16]),
        Case(architecture: .bertBase, vocabulary: nil, tokens: [128]),
      ]
      : ArchitecturePreset.allCases.map {
        Case(architecture: $0, vocabulary: $0 == .bertTiny ? 2000 : nil, tokens: [16, 32, 64, 128])
      }
    return ProfileRequest(
      cases: cases, precisions: quick ? quickPrecisions : Precision.allCases, quick: quick, servingCores: servingCores,
      seed: seed)
  }

  /// Precisions of a quick profile: bf16 is seldom the fastest, and costs as much to measure as the others.
  public static let quickPrecisions: [Precision] = [.fp32, .int8]

  // MARK: Effort

  /// Seconds of forward passes in one cell of the matrix.
  var secondsPerCell: Double { quick ? 0.7 : 4.0 }
  /// Seconds of forward passes in one trial of library settings.
  var secondsPerTrial: Double { quick ? 0.6 : 2.0 }
  /// Requests of one round of a served cell; the round lasts until so many are due.
  var servedRequests: Double { quick ? 300 : 5_000 }
  /// Requests that one round has at least, however long that takes.
  static let leastServedRequests = 10.0
  /// Seconds that one round of a served cell lasts at least.
  var minServedSeconds: Double { quick ? 2 : 12 }
  /// Seconds that one round of a served cell lasts at most.
  var maxServedSeconds: Double { quick ? 6 : 40 }

  /// Longest request, in tokens, at which library settings are compared.
  var mostTrialTokens: Int { quick ? 16 : .max }

  /// Times that each served cell is measured, with everything else in between.
  var servedRounds: Int { quick ? 3 : 5 }

  /// Busy share of the workers while served cells are measured. Requests then meet seldom enough for their waiting to
  /// be taken out exactly, and the processor is as awake as it is in service.
  static let servedUtilization = 0.3
  /// What a request is taken to occupy at least when its rate is chosen: HTTP takes longer than the passes of the
  /// smallest models, and would be the one that is saturated.
  static let leastBusySeconds = 5e-4

  /// Intra-op threads to measure: powers of two up to the cores that serve.
  var threadCounts: [Int] {
    var counts: [Int] = []
    var threads = 1
    while threads <= servingCores {
      counts.append(threads)
      threads *= 2
    }
    return counts
  }

  /// Models to go round, so that their weights exceed any cache and come from memory as they do in service.
  static func residentModels(weightBytes: Int64) -> Int {
    let enough: Int64 = 256 << 20
    return Int(min(64, max(2, (enough + weightBytes - 1) / max(weightBytes, 1))))
  }
}
