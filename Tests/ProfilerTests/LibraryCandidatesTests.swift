import PlannerCore
import Profiler
import Testing

/// Which settings of the BLAS are worth measuring on a processor.
@Suite struct LibraryCandidatesTests {
  private static func coreTypes(_ architecture: String, vendor: String = "", _ sets: [String]) -> [String?] {
    let host = HostFingerprint(
      cpuModel: "tested", vendor: vendor, cpuFamily: 0, cpuModelNumber: 0, architecture: architecture, cores: 2,
      memoryBytes: 1, instructionSets: sets, hypervisor: nil, kernel: "6.1", instanceType: nil)
    return LibraryCandidates(host: host, installed: []).coreTypes
  }

  /// The library's own detection is always one of them; nothing is tried whose instructions the processor lacks.
  @Test func kernelsAreTriedWhoseInstructionsAreThere() {
    let avx512 = ["avx2", "avx512bw", "avx512dq", "avx512f", "avx512vl", "fma"]
    #expect(Self.coreTypes("x86_64", ["sse4_2"]) == [nil])
    #expect(Self.coreTypes("x86_64", vendor: "GenuineIntel", ["avx2", "fma"]) == [nil, "Haswell"])
    #expect(Self.coreTypes("x86_64", vendor: "AuthenticAMD", ["avx2", "fma"]) == [nil, "Zen", "Haswell"])
    #expect(Self.coreTypes("x86_64", vendor: "GenuineIntel", avx512) == [nil, "SkylakeX", "Haswell"])
    #expect(
      Self.coreTypes("x86_64", vendor: "AuthenticAMD", avx512 + ["avx512_bf16"])
        == [nil, "Cooperlake", "SkylakeX", "Zen", "Haswell"])
    #expect(Self.coreTypes("x86_64", vendor: "GenuineIntel", avx512.filter { $0 != "avx512vl" }) == [nil, "Haswell"])
    #expect(Self.coreTypes("aarch64", ["asimd"]) == [nil, "NEOVERSEN1"])
    #expect(Self.coreTypes("aarch64", ["asimd", "sve"]) == [nil, "NEOVERSEV1", "NEOVERSEN1"])
    #expect(Self.coreTypes("riscv64", ["avx2", "fma"]) == [nil])
  }

  @Test func theDefaultIsTriedBesideWhatIsInstalled() {
    let folders = LibraryCandidates.debianFolders(architecture: "aarch64")
    #expect(folders.map(\.name) == ["openblas-openmp", "openblas-pthread"])
    #expect(folders.first?.folder == "/usr/lib/aarch64-linux-gnu/openblas-openmp")
  }

  /// A folder stands before the caller's own library path and does not replace it.
  @Test func settingsAreAnEnvironment() {
    let own = LibraryCandidates.Flavour(name: "default", folder: nil)
    let other = LibraryCandidates.Flavour(name: "openblas-openmp", folder: "/blas")
    #expect(LibraryCandidates.settings(own, coreType: nil, inherited: "/mine").environment == [:])
    #expect(
      LibraryCandidates.settings(other, coreType: "Zen", inherited: "/mine").environment
        == ["LD_LIBRARY_PATH": "/blas:/mine", "OPENBLAS_CORETYPE": "Zen"])
    let alone = LibraryCandidates.settings(other, coreType: nil, inherited: nil)
    #expect(alone.environment == ["LD_LIBRARY_PATH": "/blas"])
  }
}
