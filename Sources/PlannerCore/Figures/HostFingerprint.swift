/// What identifies the machine on which something was measured, and how much of it the measuring process might use.
public struct HostFingerprint: Codable, Hashable, Sendable {
  public var cpuModel: String
  public var vendor: String
  public var cpuFamily: Int
  public var cpuModelNumber: Int
  /// `x86_64` or `aarch64`.
  public var architecture: String
  /// CPUs that the process may run on: those of its affinity and of its control group's cpuset.
  public var cores: Int
  /// Memory that the process may use, bytes.
  public var memoryBytes: Int64
  /// Vector instruction sets that matter to a matrix product, sorted.
  public var instructionSets: [String]
  public var hypervisor: String?
  public var kernel: String
  /// The cloud's name of this machine, where its metadata file tells.
  public var instanceType: String?
  /// CPUs' worth of time that the control group grants the process, such as 1.5; nil where it sets no limit.
  public var cpuQuota: Double?

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

  /// Lower-case words joined by `-`, for file names: `amd-epyc-fam25-mod17`.
  public var slug: String {
    let words = "\(cpuModel) fam\(cpuFamily) mod\(cpuModelNumber)".lowercased()
      .split(whereSeparator: { !($0.isASCII && ($0.isLetter || $0.isNumber)) })
    return words.joined(separator: "-")
  }
}

extension HostFingerprint {
  /// The control group grants less time than the CPUs that the process may run on: times measured so are those of the
  /// throttled machine.
  public var isThrottled: Bool { cpuQuota.map { $0 < Double(cores) } ?? false }

  /// CPUs that can compute all the time: those that the process may run on, and no more than the control group's quota
  /// pays for, since a thread beyond it makes all of them wait.
  ///
  /// At least 1; a quota of 0.5 or 1.5 CPUs gives 1, one of 2 gives 2.
  public var usableCPUs: Int {
    guard let cpuQuota, cpuQuota < Double(cores) else { return max(1, cores) }
    return max(1, Int(cpuQuota))
  }

  /// CPUs' worth of time that the process gets, with at most two decimals: `0.5`, `2`.
  public var cpuLimit: String {
    let hundredths = Int((min(cpuQuota ?? Double(cores), Double(cores)) * 100).rounded())
    let (whole, rest) = hundredths.quotientAndRemainder(dividingBy: 100)
    if rest == 0 { return "\(whole)" }
    return rest % 10 == 0 ? "\(whole).\(rest / 10)" : "\(whole).\(rest < 10 ? "0" : "")\(rest)"
  }
}
