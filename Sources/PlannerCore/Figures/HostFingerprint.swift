/// What identifies the machine on which something was measured.
public struct HostFingerprint: Codable, Hashable, Sendable {
  public var cpuModel: String
  public var vendor: String
  public var cpuFamily: Int
  public var cpuModelNumber: Int
  /// `x86_64` or `aarch64`.
  public var architecture: String
  public var cores: Int
  public var memoryBytes: Int64
  /// Vector instruction sets that matter to a matrix product, sorted.
  public var instructionSets: [String]
  public var hypervisor: String?
  public var kernel: String
  /// The cloud's name of this machine, where its metadata file tells.
  public var instanceType: String?

  public init(
    cpuModel: String, vendor: String, cpuFamily: Int, cpuModelNumber: Int, architecture: String, cores: Int,
    memoryBytes: Int64, instructionSets: [String], hypervisor: String?, kernel: String, instanceType: String?
  ) {
    self.cpuModel = cpuModel
    self.vendor = vendor
    self.cpuFamily = cpuFamily
    self.cpuModelNumber = cpuModelNumber
    self.architecture = architecture
    self.cores = cores
    self.memoryBytes = memoryBytes
    self.instructionSets = instructionSets
    self.hypervisor = hypervisor
    self.kernel = kernel
    self.instanceType = instanceType
  }

  /// The same processor with as many cores: a profile from one speaks for the other. The kernel's version
  /// and the exact memory size may differ.
  public func isSameProcessor(as other: HostFingerprint) -> Bool {
    cpuModel == other.cpuModel && vendor == other.vendor && cpuFamily == other.cpuFamily
      && cpuModelNumber == other.cpuModelNumber && architecture == other.architecture && cores == other.cores
      && instructionSets == other.instructionSets
  }

  /// Lower-case words joined by `-`, for file names: `amd-epyc-fam25-mod17`.
  public var slug: String {
    let words = "\(cpuModel) fam\(cpuFamily) mod\(cpuModelNumber)".lowercased()
      .split(whereSeparator: { !($0.isASCII && ($0.isLetter || $0.isNumber)) })
    return words.joined(separator: "-")
  }
}
