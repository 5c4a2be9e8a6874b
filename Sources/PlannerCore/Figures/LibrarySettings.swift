/// Library settings of a process that computes; they are chosen before it starts.
public struct LibrarySettings: Codable, Hashable, Sendable {
  /// `default`, or the flavour of BLAS put first in the library path: `openblas-openmp`, `openblas-pthread`.
  public var blas: String
  /// Kernel family that OpenBLAS is told to use; nil leaves its own detection.
  public var coreType: String?
  /// The environment variables that bring these settings about.
  public var environment: [String: String]

  public init(blas: String, coreType: String?, environment: [String: String]) {
    self.blas = blas
    self.coreType = coreType
    self.environment = environment
  }
}

/// One combination of library settings that was tried, with the time of the reference forward pass.
public struct SettingsTrial: Codable, Hashable, Sendable {
  public var settings: LibrarySettings
  public var threads: Int
  public var precision: Precision
  public var tokens: Int
  /// Median time of the reference pass, seconds.
  public var p50Seconds: Double
  /// Passes that were timed.
  public var samples: Int

  public init(
    settings: LibrarySettings, threads: Int, precision: Precision, tokens: Int, p50Seconds: Double, samples: Int
  ) {
    self.settings = settings
    self.threads = threads
    self.precision = precision
    self.tokens = tokens
    self.p50Seconds = p50Seconds
    self.samples = samples
  }
}
