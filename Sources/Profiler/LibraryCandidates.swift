import PlannerCore

/// The library settings worth trying on a machine.
///
/// Defaults cost two to five times on a processor that the BLAS takes for an older one, or with a BLAS whose
/// threads fight with the engine's; nothing but trying tells. The candidates come from what is installed and
/// from the instruction sets that the processor has.
public struct LibraryCandidates: Sendable {
  /// A BLAS that is installed: its name and the folder to put first in the library path; nil for the system's own.
  public struct Flavour: Hashable, Sendable {
    public var name: String
    public var folder: String?

    public init(name: String, folder: String?) {
      self.name = name
      self.folder = folder
    }
  }

  public var flavours: [Flavour]
  /// Kernel families for `OPENBLAS_CORETYPE`; nil leaves the library's own detection.
  public var coreTypes: [String?]

  public init(host: HostFingerprint, installed: [Flavour]) {
    flavours = [Flavour(name: "default", folder: nil)] + installed
    coreTypes = [nil] + Self.coreTypes(host)
  }

  /// Debian keeps one folder for each flavour beside the system's library folder.
  public static func debianFolders(architecture: String) -> [Flavour] {
    ["openmp", "pthread"].map {
      Flavour(name: "openblas-\($0)", folder: "/usr/lib/\(architecture)-linux-gnu/openblas-\($0)")
    }
  }

  /// Names of OpenBLAS's kernel families whose instructions this processor has, widest vectors first.
  static func coreTypes(_ host: HostFingerprint) -> [String] {
    let has = Set(host.instructionSets)
    switch host.architecture {
    case "x86_64":
      var names: [String] = []
      if has.isSuperset(of: ["avx512_bf16", "avx512bw", "avx512vl"]) { names.append("Cooperlake") }
      if has.isSuperset(of: ["avx512f", "avx512bw", "avx512dq", "avx512vl"]) { names.append("SkylakeX") }
      if has.isSuperset(of: ["avx2", "fma"]) {
        names += host.vendor == "AuthenticAMD" ? ["Zen", "Haswell"] : ["Haswell"]
      }
      return names
    case "aarch64": return has.contains("sve") ? ["NEOVERSEV1", "NEOVERSEN1"] : ["NEOVERSEN1"]
    default: return []
    }
  }

  /// The environment that brings a combination about in a child process.
  ///
  /// How long OpenMP's idle threads spin is left to the library: asleep they make a pass of two threads a tenth to a
  /// half longer, and with more threads than CPUs it spins a thousandth as long by itself.
  public static func settings(_ flavour: Flavour, coreType: String?, inherited libraryPath: String?) -> LibrarySettings
  {
    var environment: [String: String] = [:]
    if let folder = flavour.folder {
      environment["LD_LIBRARY_PATH"] = libraryPath.map { "\(folder):\($0)" } ?? folder
    }
    if let coreType { environment["OPENBLAS_CORETYPE"] = coreType }
    return LibrarySettings(blas: flavour.name, coreType: coreType, environment: environment)
  }
}
