/// A machine as measurements know it: by its processor and what of it may be used, by its cloud's name, or by both.
public struct Machine: Hashable, Sendable {
  /// What decides how fast a machine computes.
  public struct Features: Hashable, Sendable {
    public var cpuModel: String
    public var vendor: String
    public var cpuFamily: Int
    public var cpuModelNumber: Int
    /// `x86_64` or `aarch64`.
    public var architecture: String
    /// Vector instruction sets that matter to a matrix product, sorted.
    public var instructionSets: [String]
    /// CPUs that may be used.
    public var cores: Int
    /// CPUs' worth of time that a control group grants; nil where it leaves all of them.
    public var cpuQuota: Double?

    public init(_ host: HostFingerprint) {
      cpuModel = host.cpuModel
      vendor = host.vendor
      cpuFamily = host.cpuFamily
      cpuModelNumber = host.cpuModelNumber
      architecture = host.architecture
      instructionSets = host.instructionSets
      cores = host.cores
      cpuQuota = host.isThrottled ? host.cpuQuota : nil
    }
  }

  /// The cloud's name of its type, such as `c7g.4xlarge`; nil where the machine does not tell.
  public var instanceType: String?
  /// Features of the processor; nil for a type of a catalogue, of which no more than the name is known.
  public var features: Features?

  /// The machine of a fingerprint.
  public init(_ host: HostFingerprint) {
    instanceType = host.instanceType
    features = Features(host)
  }

  /// A machine of a catalogue's type.
  public init(instanceType: String) {
    self.instanceType = instanceType
  }

  /// Whether what was measured on this machine may be taken for a measurement on `other`, as it stands.
  ///
  /// Where the processors of both are known, they are the same, with as many CPUs and the same limit of CPU time; the
  /// kernel's version and the size of the memory may differ. Where `other` is known by name only, the names are the
  /// same, and this machine was not limited: the type in the catalogue is the whole machine. Every question of whose
  /// figures a machine may use is answered here; the plan checker alone states the rule again.
  public func speaksFor(_ other: Machine) -> Bool {
    if let features, let others = other.features { return features == others }
    guard let instanceType, instanceType == other.instanceType else { return false }
    return features?.cpuQuota == nil && other.features?.cpuQuota == nil
  }

  /// Whether the two would speak for each other if their control groups granted the same CPU time, which they do not.
  public func differsInLimitAlone(from other: Machine) -> Bool {
    guard var own = features, var others = other.features, own != others else { return false }
    (own.cpuQuota, others.cpuQuota) = (nil, nil)
    return own == others
  }
}

extension HostFingerprint {
  /// This machine as others' measurements know it.
  public var machine: Machine { Machine(self) }

  /// `Machine.speaksFor` for two fingerprints.
  public func isSameProcessor(as other: HostFingerprint) -> Bool { machine.speaksFor(other.machine) }
}

extension Profile {
  /// Whether the profile's figures may be taken for measurements on `machine`: `Machine.speaksFor`.
  public func speaksFor(_ machine: Machine) -> Bool { host.machine.speaksFor(machine) }
}
