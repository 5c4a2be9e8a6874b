import PlannerCore
import Testing

@Suite struct MachineTests {
  static func host(cores: Int = 4, quota: Double? = nil, instanceType: String? = nil) -> HostFingerprint {
    var host = HostFingerprint(
      cpuModel: "Test CPU", vendor: "V", cpuFamily: 1, cpuModelNumber: 2, architecture: "x86_64", cores: cores,
      memoryBytes: 1 << 30, instructionSets: ["avx2"], hypervisor: nil, kernel: "1", instanceType: instanceType)
    host.cpuQuota = quota
    return host
  }

  @Test func theSameProcessorSpeaks() {
    var other = Self.host()
    other.kernel = "2"
    other.memoryBytes = 2 << 30
    #expect(Self.host().machine.speaksFor(other.machine))
    other.instructionSets = ["avx2", "fma"]
    #expect(!Self.host().machine.speaksFor(other.machine))
    #expect(!Self.host().machine.speaksFor(Self.host(cores: 8).machine))
  }

  @Test func aThrottledMachineSpeaksForItsEqualsOnly() {
    let (whole, half) = (Self.host().machine, Self.host(quota: 0.5).machine)
    #expect(!whole.speaksFor(half) && !half.speaksFor(whole) && half.speaksFor(half))
    #expect(whole.differsInLimitAlone(from: half) && !half.differsInLimitAlone(from: half))
    #expect(!whole.differsInLimitAlone(from: Self.host(cores: 2, quota: 0.5).machine))
    // A quota of all CPUs is no limit.
    #expect(whole.speaksFor(Self.host(quota: 4).machine))
  }

  @Test func aTypeOfACatalogueIsKnownByItsName() {
    let type = Machine(instanceType: "c7a.xlarge")
    #expect(Self.host(instanceType: "c7a.xlarge").machine.speaksFor(type))
    #expect(!Self.host(instanceType: "c7a.large").machine.speaksFor(type) && !Self.host().machine.speaksFor(type))
    // Half of the machine is not what the catalogue sells.
    #expect(!Self.host(quota: 2, instanceType: "c7a.xlarge").machine.speaksFor(type))
    // Where the processors are known, names do not matter.
    #expect(Self.host(instanceType: "a.1").machine.speaksFor(Self.host(instanceType: "b.1").machine))
  }

  @Test(
    arguments: [
      (4, nil, 4, "4", false), (4, 0.1, 1, "0.1", true), (4, 0.55, 1, "0.55", true), (4, 1.5, 1, "1.5", true),
      (4, 2, 2, "2", true), (4, 3.05, 3, "3.05", true), (4, 4, 4, "4", false), (4, 9, 4, "4", false),
    ] as [(Int, Double?, Int, String, Bool)])
  func aQuotaLeavesWholeCPUs(_ cores: Int, _ quota: Double?, _ usable: Int, _ text: String, _ isThrottled: Bool) {
    let host = Self.host(cores: cores, quota: quota)
    #expect(host.usableCPUs == usable && host.cpuLimit == text && host.isThrottled == isThrottled)
  }
}

@Suite struct ComputeTraceTests {
  @Test func ticksAreExact() {
    let seconds = [[0.0003217, 0.0000001], [1.25]]
    let trace = ComputeTrace(cell: "c", seconds: seconds)
    #expect(trace.rounds == [[3217, 1], [12_500_000]])
    #expect(trace.seconds == [0.0003217, 0.0000001, 1.25] && trace.sampleCount == 3)
    #expect(ComputeTrace(cell: "c", seconds: [trace.seconds]).seconds == trace.seconds)
  }

  @Test func aChecksumTellsEveryChange() {
    let trace = ComputeTrace(cell: "c", rounds: [[1, 2], [3]])
    let others = [[[1, 2, 3]], [[2, 1], [3]], [[1, 2], [4]], [[1, 2], [3], []], [[1, 2]]]
    let sums = Set(others.map { ComputeTrace(cell: "c", rounds: $0).checksum } + [trace.checksum])
    #expect(sums.count == others.count + 1 && sums.allSatisfy { $0.count == 16 })
    // FNV-1a of nothing, from its definition.
    #expect(ComputeTrace(cell: "c", rounds: []).checksum == "cbf29ce484222325")
  }

  @Test func simulationsFollowAsMuchOfEachRound() {
    let rounds = (0..<3).map { round in (0..<3000).map { round * 10_000 + $0 } }
    let followed = ComputeTrace(cell: "c", rounds: rounds).simulatedSeconds
    #expect(followed.count == 3 * 1333 && followed.count <= ComputeTrace.mostSimulated)
    #expect(followed[1332] == 1332 / 1e7 && followed[1333] == 10_000 / 1e7)
  }

  @Test func aReferenceIsFoundAmongProfiles() throws {
    let trace = ComputeTrace(cell: "c", rounds: [[3000, 3100]])
    let table = try #require(trace.table)
    let cell = ServedCell(
      conditions: Conditions(tokens: 1, input: .text, threads: 1, coRunners: 1), residentModels: 1, ratePerSecond: 1,
      times: ServedTimes(computeSeconds: table, overheadSeconds: table, betweenRunCV: 0), trace: trace)
    let model = ModelProfile(
      architecture: "a", precision: .fp32, vocabulary: 1, fileBytes: 1, weightBytes: 1, memoryPerModelBytes: 1,
      loadSeconds: 1, firstRunSeconds: 1, forward: [], served: [cell])
    let profile = Profile(
      host: MachineTests.host(), measuredAt: "2026-01-01T00:00:00Z", quick: true,
      engine: EngineIdentity(name: "e", version: "1"),
      settings: LibrarySettings(blas: "default", coreType: nil, environment: [:]), trials: [], serverMemoryBytes: 1,
      models: [model])
    #expect([profile].computeTraceSeconds(trace.reference) == [0.0003, 0.00031])
    #expect([profile].computeTraceSeconds(TraceReference(cell: "c", samples: 2, checksum: "other")) == nil)
  }
}

@Suite struct InstanceTypeTests {
  static var type: InstanceType {
    InstanceType(
      name: "x.large", costPerHour: 1.5, architecture: "amd64", cpuManufacturer: "m", sustainedClockMHz: nil, vcpus: 4,
      memoryBytes: 8 << 30, allocatableMilliCPU: 3920, allocatableMemoryBytes: 7 << 30, maxPods: 58,
      accelerator: .init(name: "gpu", count: 2, memoryBytes: 16 << 30))
  }

  @Test func singleFiguresAreResources() {
    var type = Self.type
    #expect(type.capacity[.cpu] == 4000 && type.allocatable[.pods] == 58 && type.allocatable[.accelerators] == 2)
    #expect(type.vcpus == 4 && type.accelerator?.memoryBytes == 16 << 30 && type.otherResources.isEmpty)
    type.accelerator = nil
    #expect(type.acceleratorName == nil && type.allocatable[.acceleratorMemory] == nil)
  }

  @Test func aPriceIsTheOneOnDemand() {
    var type = Self.type
    type.offerings = [
      Offering(purchase: .spot, costPerHour: 0.4), Offering(region: "eu-west-1", costPerHour: 1.7),
      Offering(costPerHour: 1.5),
    ]
    #expect(type.costPerHour == 1.5)
    type.costPerHour = 2
    #expect(type.offerings[2].costPerHour == 2 && type.offering(.spot, region: "us-east-1")?.costPerHour == 0.4)
    #expect(type.offering(.reserved, region: "us-east-1") == nil)
    type.offerings = [Offering(purchase: .spot, costPerHour: 0.4)]
    #expect(type.costPerHour == .infinity)
  }

  @Test func resourcesCoverWhatIsNoMore() {
    let has = ResourceList([.cpu: 4000, "neuronCores": 2])
    #expect(has.covers(ResourceList([.cpu: 4000])) && has.covers(ResourceList()))
    #expect(!has.covers(ResourceList([.cpu: 4001])) && !has.covers(ResourceList([.pods: 1])))
    #expect(has.names == [.cpu, "neuronCores"])
  }
}
