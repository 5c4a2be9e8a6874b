import PlannerCore

/// What a profile is to cover.
public struct ProfileRequest: Codable, Hashable, Sendable {
  public typealias Case = ProfileCase

  /// Models that are there already, all of one architecture.
  public struct Repository: Codable, Hashable, Sendable {
    public var folder: String
    public var modelNames: [String]
    public var architecture: String
    public var vocabulary: Int
    public var precision: Precision
    public var fileBytes: Int64
    public var tokens: [Int]

    public init(
      folder: String, modelNames: [String], architecture: String, vocabulary: Int, precision: Precision,
      fileBytes: Int64, tokens: [Int]
    ) {
      self.folder = folder
      self.modelNames = modelNames
      self.architecture = architecture
      self.vocabulary = vocabulary
      self.precision = precision
      self.fileBytes = fileBytes
      self.tokens = tokens
    }
  }

  /// Architectures to synthesize and measure.
  public var cases: [Case]
  /// Measured instead of `cases` where given.
  public var repository: Repository?
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
      cases: cases, precisions: Precision.allCases, quick: quick, servingCores: servingCores, seed: seed)
  }

  // MARK: Effort

  /// Seconds of forward passes in one cell of the matrix.
  var secondsPerCell: Double { quick ? 1.0 : 4.0 }
  /// Seconds of forward passes in one trial of library settings.
  var secondsPerTrial: Double { quick ? 0.8 : 2.0 }
  /// Requests of one round of a served cell; the round lasts until so many are due.
  var servedRequests: Double { quick ? 2_000 : 5_000 }
  /// Seconds that one round of a served cell lasts at least.
  var minServedSeconds: Double { quick ? 6 : 12 }
  /// Seconds that one round of a served cell lasts at most.
  var maxServedSeconds: Double { quick ? 10 : 40 }

  /// Times that each served cell is measured, with everything else in between.
  var servedRounds: Int { quick ? 3 : 5 }

  /// Busy share of the workers while served cells are measured. Requests then meet seldom enough for their waiting to
  /// be taken out exactly, and the processor is as awake as it is in service.
  static let servedUtilization = 0.3

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
