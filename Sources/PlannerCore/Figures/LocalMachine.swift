/// The machine at hand as one more place to run: there is one of it, and it costs nothing.
public struct LocalMachine: Sendable {
  /// Name of the machine at hand among instance types, in plans and on the command line.
  public static let name = "local"

  public var profile: Profile
  /// Cores that may compute; those kept for the load generator are not among them.
  public var cores: Int
  /// Memory that the server and its models may take, bytes.
  public var memoryBytes: Int64

  public init(profile: Profile, cores: Int, memoryBytes: Int64) {
    self.profile = profile
    self.cores = cores
    self.memoryBytes = memoryBytes
  }

  /// Named `local`, price 0.
  public var instanceType: InstanceType {
    InstanceType(
      name: Self.name, costPerHour: 0, architecture: profile.host.architecture == "aarch64" ? "arm64" : "amd64",
      cpuManufacturer: profile.host.vendor, sustainedClockMHz: nil, vcpus: profile.host.cores,
      memoryBytes: profile.host.memoryBytes, allocatableMilliCPU: cores * 1000, allocatableMemoryBytes: memoryBytes,
      maxPods: 1, accelerator: nil)
  }
}
