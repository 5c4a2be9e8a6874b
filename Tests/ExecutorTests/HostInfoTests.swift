import Executor
import Foundation
import PlannerCore
import ServerContract
import Testing

/// Other machines' files, laid under a folder.
@Suite struct HostInfoTests {
  private let memory = "MemTotal:       8000000 kB\nMemFree:  100 kB\nMemAvailable:   6000000 kB\n"

  private let intel = """
    processor\t: 0
    vendor_id\t: GenuineIntel
    cpu family\t: 6
    model\t\t: 106
    model name\t: Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz
    stepping\t: 6
    flags\t\t: fpu vme avx avx2 fma avx512f avx512_vnni hypervisor avx512bw f16c
    bugs\t\t: spectre_v1

    processor\t: 1
    vendor_id\t: Other
    """

  private let graviton = """
    processor\t: 0
    BogoMIPS\t: 2100.00
    Features\t: fp asimd evtstrm aes asimdhp asimddp sve i8mm bf16 svebf16 fphp
    CPU implementer\t: 0x41
    CPU architecture: 8
    CPU variant\t: 0x1
    CPU part\t: 0xd40
    CPU revision\t: 1

    processor\t: 1
    """

  private func machine(_ files: [String: String]) throws -> (Scratch, HostFiles) {
    let scratch = try Scratch()
    for (path, text) in files { _ = try scratch.write(text, to: path) }
    return (scratch, HostFiles(root: scratch.path))
  }

  @Test func readsAnIntelMachine() throws {
    let (scratch, files) = try machine(["proc/cpuinfo": intel, "proc/meminfo": memory])
    defer { withExtendedLifetime(scratch) {} }
    let host = try files.fingerprint(architecture: "x86_64", kernel: "6.1.0", cores: 2)
    #expect(host.cpuModel == "Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz" && host.vendor == "GenuineIntel")
    #expect(host.cpuFamily == 6 && host.cpuModelNumber == 106 && host.cores == 2)
    #expect(host.instructionSets == ["avx", "avx2", "avx512_vnni", "avx512bw", "avx512f", "f16c", "fma"])
    #expect(host.memoryBytes == 8_000_000 << 10 && host.hypervisor == "unknown" && host.instanceType == nil)
  }

  @Test func readsAGravitonMachine() throws {
    let (scratch, files) = try machine([
      "proc/cpuinfo": graviton, "proc/meminfo": memory, "sys/class/dmi/id/sys_vendor": "Amazon EC2\n",
      "sys/class/dmi/id/product_name": "c7g.4xlarge\n",
    ])
    defer { withExtendedLifetime(scratch) {} }
    let host = try files.fingerprint(architecture: "aarch64", kernel: "6.1.0", cores: 16)
    #expect(host.cpuModel == "Neoverse-V1" && host.vendor == "ARM")
    #expect(host.cpuFamily == 8 && host.cpuModelNumber == 0xd40)
    #expect(host.instructionSets == ["asimd", "asimddp", "asimdhp", "bf16", "fphp", "i8mm", "sve", "svebf16"])
    #expect(host.instanceType == "c7g.4xlarge" && host.hypervisor == "Amazon EC2")
  }

  @Test func anUnknownProcessorIsNamedByItsNumbers() {
    let processor = Processor(cpuinfo: "CPU implementer\t: 0x99\nCPU part\t: 0xabc\n")
    #expect(processor.vendor == "implementer 0x99" && processor.model == "implementer 0x99 part 0xabc")
    #expect(Processor(cpuinfo: "").model == "unknown")
  }

  @Test func withoutControlGroupsTheMachineSetsTheLimits() throws {
    let (scratch, files) = try machine(["proc/meminfo": memory])
    defer { withExtendedLifetime(scratch) {} }
    #expect(try files.memoryBytes() == 8_000_000 << 10)
    #expect(try files.availableMemoryBytes() == 6_000_000 << 10)
    #expect(files.cpuQuota() == nil)
  }

  @Test func theTightestGroupOfVersion2Binds() throws {
    let (scratch, files) = try machine([
      "proc/meminfo": memory, "proc/self/cgroup": "0::/pods/mine\n",
      "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
      "sys/fs/cgroup/pods/mine/memory.max": "max\n", "sys/fs/cgroup/pods/mine/memory.current": "1000\n",
      "sys/fs/cgroup/pods/memory.max": "2000000000\n", "sys/fs/cgroup/pods/memory.current": "1500000000\n",
      "sys/fs/cgroup/pods/memory.stat": "anon 5\ninactive_file 400000000\n",
      "sys/fs/cgroup/pods/mine/cpu.max": "150000 100000\n", "sys/fs/cgroup/pods/cpu.max": "max 100000\n",
    ])
    defer { withExtendedLifetime(scratch) {} }
    #expect(try files.memoryBytes() == 2_000_000_000)
    #expect(try files.availableMemoryBytes() == 900_000_000)
    #expect(files.cpuQuota() == 1.5)
  }

  @Test func aGroupOfVersion1Binds() throws {
    let (scratch, files) = try machine([
      "proc/meminfo": memory, "proc/self/cgroup": "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/\n",
      // Inside a container only the group itself is mounted.
      "sys/fs/cgroup/memory/memory.limit_in_bytes": "3000000000\n",
      "sys/fs/cgroup/memory/memory.usage_in_bytes": "1000000000\n",
      "sys/fs/cgroup/memory/memory.stat": "inactive_file 1\ntotal_inactive_file 200000000\n",
      "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "200000\n",
      "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    ])
    defer { withExtendedLifetime(scratch) {} }
    #expect(try files.memoryBytes() == 3_000_000_000)
    #expect(try files.availableMemoryBytes() == 2_200_000_000)
    #expect(files.cpuQuota() == 2)
  }

  @Test func aQuotaIsPartOfTheFingerprint() throws {
    let (scratch, files) = try machine([
      "proc/cpuinfo": intel, "proc/meminfo": memory, "proc/self/cgroup": "1:cpu:/\n0::/\n",
      "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "10000\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    ])
    defer { withExtendedLifetime(scratch) {} }
    let host = try files.fingerprint(architecture: "x86_64", kernel: "6.1.0", cores: 2)
    #expect(host.cpuQuota == 0.1 && host.isThrottled && host.usableCPUs == 1)
  }

  @Test func cpusetsOfBothVersionsAreIntersected() throws {
    let (scratch, files) = try machine([
      "proc/self/cgroup": "3:cpuset:/docker/abc\n0::/pods/mine\n", "sys/fs/cgroup/cgroup.controllers": "cpuset\n",
      "sys/fs/cgroup/pods/mine/cpuset.cpus.effective": "0-3,8\n", "sys/fs/cgroup/pods/cpuset.cpus.effective": "0-15\n",
      "sys/fs/cgroup/cpuset/docker/abc/cpuset.cpus": "2-9\n", "sys/fs/cgroup/cpuset/cpuset.cpus": "\n",
    ])
    defer { withExtendedLifetime(scratch) {} }
    #expect(files.cpuset() == [2, 3, 8])
    let (other, none) = try machine(["proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpuset.cpus.effective": "all\n"])
    defer { withExtendedLifetime(other) {} }
    #expect(none.cpuset() == nil)
  }

  @Test func noLimitInVersion1IsNoLimit() throws {
    let (scratch, files) = try machine([
      "proc/meminfo": memory, "proc/self/cgroup": "4:memory:/\n",
      "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
      "sys/fs/cgroup/memory/memory.usage_in_bytes": "1\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
    ])
    defer { withExtendedLifetime(scratch) {} }
    #expect(try files.memoryBytes() == 8_000_000 << 10)
    #expect(files.cpuQuota() == nil)
  }

  @Test func aMachineWithoutTheseFilesIsAnError() throws {
    let (scratch, files) = try machine([:])
    defer { withExtendedLifetime(scratch) {} }
    #expect(throws: ExecutorError.self) { try files.availableMemoryBytes() }
    #expect(throws: ExecutorError.self) { try files.fingerprint(architecture: "x86_64", kernel: "", cores: 1) }
  }

  @Test func thisMachineIsReadable() throws {
    let host = try HostInfo.fingerprint()
    #expect(host.cpuModel != "unknown" && host.memoryBytes > 1 << 28 && !host.kernel.isEmpty)
    #expect(host.architecture == "x86_64" || host.architecture == "aarch64")
    let again = try HostInfo.fingerprint()
    #expect(!host.instructionSets.isEmpty && host.isSameProcessor(as: again))
    let cpus = try HostInfo.allowedCPUs()
    #expect(host.cores == cpus.count && cpus == cpus.sorted() && !cpus.isEmpty)
    let available = try HostInfo.availableMemoryBytes()
    #expect(available > 0 && available <= host.memoryBytes)
    #expect(try HostInfo.freeDiskBytes(at: "/tmp") > 0)
    #expect(try HostInfo.freeDiskBytes(at: "/tmp/not/there/yet") > 0)
  }

  @Test func privateMemoryIsCounted() throws {
    let own = try ProcessMemory.privateBytes(pid: getpid())
    #expect(own > 1 << 20)
    #expect(throws: ExecutorError.self) { try ProcessMemory.privateBytes(pid: 0x7fff_fff0) }
  }
}
