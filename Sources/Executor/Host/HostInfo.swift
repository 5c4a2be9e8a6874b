import CLinux
import Foundation
import PlannerCore

/// What this machine is and what of it this process may use.
///
/// Reads files under /proc and /sys only, so that a test can lay another machine's files under a folder of its own.
public enum HostInfo {
  /// What identifies this machine in a profile: its processor, with the CPUs that this process may use, and the
  /// memory that it may use.
  ///
  /// - Throws: `ExecutorError.host`.
  public static func fingerprint() throws -> HostFingerprint {
    try HostFiles().fingerprint(
      architecture: HostFiles.machineArchitecture(), kernel: HostFiles.kernelRelease(), cores: allowedCPUs().count)
  }

  /// Memory that can be used without swapping, bytes: what the kernel has available or what the control group
  /// leaves, whichever is less.
  public static func availableMemoryBytes() throws -> Int64 { try HostFiles().availableMemoryBytes() }

  /// Memory of the machine or of the control group, whichever is less, bytes.
  public static func memoryBytes() throws -> Int64 { try HostFiles().memoryBytes() }

  /// CPUs that this process may run on, ascending: those of its affinity that its control group's cpuset grants, too.
  public static func allowedCPUs() throws -> [Int] {
    var cpus = [Int32](repeating: 0, count: 1024)
    let count = cl_get_thread_affinity(&cpus, cpus.count)
    guard count > 0 else { throw ExecutorError.host(what: "the allowed CPUs", reason: systemMessage(-count)) }
    let allowed = cpus.prefix(Int(count)).map { Int($0) }
    guard let granted = HostFiles().cpuset() else { return allowed }
    let both = allowed.filter(granted.contains)
    return both.isEmpty ? allowed : both
  }

  /// Restricts all threads of this process to `cpus`: what is to be measured on the others is then left alone.
  /// Children inherit it, so callers that start one that needs more say so to it.
  ///
  /// - Throws: `ExecutorError.host`.
  public static func confine(to cpus: [Int]) throws {
    let problem = cpus.map { Int32(clamping: $0) }.withUnsafeBufferPointer {
      cl_set_process_affinity($0.baseAddress, $0.count)
    }
    guard problem == 0 else {
      throw ExecutorError.host(what: "the CPU affinity", reason: systemMessage(problem))
    }
  }

  /// CPUs' worth of time that the control group grants, such as 1.5; nil where it sets no limit.
  public static func cpuQuota() -> Double? { HostFiles().cpuQuota() }

  /// Bytes that this user can still write at `path`, or where its nearest existing parent lies.
  public static func freeDiskBytes(at path: String) throws -> Int64 {
    var place = URL(fileURLWithPath: path).standardizedFileURL.path
    while !FileManager.default.fileExists(atPath: place), place != "/" {
      place = (place as NSString).deletingLastPathComponent
    }
    var facts = statvfs()
    guard statvfs(place, &facts) == 0 else {
      throw ExecutorError.host(what: "the free space at \(place)", reason: systemMessage(errno))
    }
    let (bytes, overflow) = Int64(clamping: facts.f_bavail).multipliedReportingOverflow(by: Int64(facts.f_frsize))
    return overflow ? .max : bytes
  }
}

/// The kernel's files, under `root`.
package struct HostFiles {
  package var root = ""

  package init(root: String = "") { self.root = root }

  package static func machineArchitecture() -> String { unameField { $0.machine } }
  package static func kernelRelease() -> String { unameField { $0.release } }

  private static func unameField<Field>(_ field: (utsname) -> Field) -> String {
    var names = utsname()
    uname(&names)
    return withUnsafeBytes(of: field(names)) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  func text(_ path: String) -> String? { try? String(contentsOfFile: root + path, encoding: .utf8) }

  /// One line of a file in which a value stands alone; nil where it is missing or empty.
  func value(_ path: String) -> String? {
    guard let line = text(path)?.split(whereSeparator: \.isNewline).first else { return nil }
    let trimmed = line.trimmingCharacters(in: .whitespaces)
    return trimmed.isEmpty ? nil : trimmed
  }

  package func fingerprint(architecture: String, kernel: String, cores: Int) throws -> HostFingerprint {
    guard let listing = text("/proc/cpuinfo") else {
      throw ExecutorError.host(what: "the processor", reason: "/proc/cpuinfo cannot be read")
    }
    let processor = Processor(cpuinfo: listing)
    let maker = value("/sys/class/dmi/id/sys_vendor")
    let product = value("/sys/class/dmi/id/product_name")
    var host = HostFingerprint(
      cpuModel: processor.model, vendor: processor.vendor, cpuFamily: processor.family,
      cpuModelNumber: processor.modelNumber, architecture: architecture, cores: cores, memoryBytes: try memoryBytes(),
      instructionSets: processor.instructionSets, hypervisor: hypervisor(processor, maker: maker), kernel: kernel,
      instanceType: maker == "Amazon EC2" ? product : nil)
    host.cpuQuota = cpuQuota()
    return host
  }

  /// The hypervisor's name where the system tells, `unknown` where it only tells that there is one.
  private func hypervisor(_ processor: Processor, maker: String?) -> String? {
    if let type = value("/sys/hypervisor/type") { return type }
    let names = ["Amazon EC2", "QEMU", "Microsoft Corporation", "VMware, Inc.", "Google", "Xen", "innotek GmbH"]
    if let maker, names.contains(maker) { return maker }
    return processor.isVirtual ? "unknown" : nil
  }
}

/// What /proc/cpuinfo says of the first processor, on x86 and on ARM.
package struct Processor {
  package var model = "unknown"
  package var vendor = "unknown"
  package var family = 0
  package var modelNumber = 0
  package var instructionSets: [String] = []
  package var isVirtual = false

  /// Flags that decide how fast a matrix product can be.
  private static let relevant: Set<String> = [
    "sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512_vnni",
    "avx512_bf16", "avx512_fp16", "avx_vnni", "avx_vnni_int8", "amx_tile", "amx_int8", "amx_bf16", "amx_fp16",
    "asimd", "asimdhp", "asimddp", "fphp", "bf16", "i8mm", "sve", "sve2", "svebf16", "svei8mm", "sme", "sme2",
  ]

  package init(cpuinfo: String) {
    var fields: [String: String] = [:]
    for line in cpuinfo.split(separator: "\n", omittingEmptySubsequences: false) {
      // The first processor's block; the others repeat it.
      if line.isEmpty {
        if fields.isEmpty { continue } else { break }
      }
      guard let colon = line.firstIndex(of: ":") else { continue }
      let name = line[..<colon].trimmingCharacters(in: .whitespaces)
      fields[name] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
    }
    let flags = Set((fields["flags"] ?? fields["Features"] ?? "").split(separator: " ").map(String.init))
    instructionSets = flags.intersection(Self.relevant).sorted()
    isVirtual = flags.contains("hypervisor")
    if let vendor = fields["vendor_id"] {
      self.vendor = vendor
      model = fields["model name"] ?? model
      family = fields["cpu family"].flatMap { Int($0) } ?? 0
      modelNumber = fields["model"].flatMap { Int($0) } ?? 0
    } else if let implementer = fields["CPU implementer"].flatMap(Self.number) {
      let part = fields["CPU part"].flatMap(Self.number) ?? 0
      vendor = Self.implementers[implementer] ?? "implementer 0x\(String(implementer, radix: 16))"
      model = Self.armNames[implementer << 16 | part] ?? "\(vendor) part 0x\(String(part, radix: 16))"
      family = fields["CPU architecture"].flatMap { Int($0) } ?? 8
      modelNumber = part
    }
  }

  private static func number(_ text: String) -> Int? {
    text.hasPrefix("0x") ? Int(text.dropFirst(2), radix: 16) : Int(text)
  }

  private static let implementers = [
    0x41: "ARM", 0x42: "Broadcom", 0x43: "Cavium", 0x48: "HiSilicon", 0x61: "Apple", 0xc0: "Ampere",
  ]

  /// Cores of servers, by implementer and part (Arm's MIDR registers); the Graviton generation in brackets.
  private static let armNames = [
    0x41_0000 | 0xd08: "Cortex-A72", 0x41_0000 | 0xd0c: "Neoverse-N1", 0x41_0000 | 0xd40: "Neoverse-V1",
    0x41_0000 | 0xd49: "Neoverse-N2", 0x41_0000 | 0xd4f: "Neoverse-V2", 0x41_0000 | 0xd83: "Neoverse-V3AE",
    0x41_0000 | 0xd84: "Neoverse-V3", 0x41_0000 | 0xd8e: "Neoverse-N3", 0xc0_0000 | 0xac3: "Ampere-1",
    0xc0_0000 | 0xac4: "Ampere-1a",
  ]
}
