import ContainerImages
import Foundation
import TestSupport
import Testing

@Suite struct ElfTests {
  private static let library = CraftedElf(
    interpreter: "/lib64/ld.so", soname: "libone.so.1", needed: ["libtwo.so", "libthree.so"], runpath: "$ORIGIN:/opt/x",
    defined: ["offered"], undefined: ["wanted", "other"])

  @Test func whatTheLinkerNeedsIsRead() throws {
    let elf = try ElfFile(Self.library.bytes, name: "one")
    #expect(elf.machine == .x86 && elf.interpreter == "/lib64/ld.so" && elf.soname == "libone.so.1")
    #expect(elf.needed == ["libtwo.so", "libthree.so"] && elf.searchPath == ["$ORIGIN", "/opt/x"])
    let symbols = try ElfSymbols(elf, name: "one")
    #expect(symbols.defined == ["offered"] && symbols.undefined == ["wanted", "other"])
  }

  /// Names and symbols of a real library are those that readelf and nm of binutils find.
  @Test func realLibrariesAreRead() throws {
    let path = "/proc/self/exe"
    let elf = try ElfFile(try InputFile.contents(path, limit: 1 << 30), name: path)
    #expect(elf.needed.contains("libc.so.6") && elf.interpreter?.hasPrefix("/lib") == true)
    let symbols = try ElfSymbols(elf, name: path)
    // A name in a version is that of the library whose version it is.
    #expect(symbols.versionedLibraries.contains("libc.so.6") && !symbols.undefined.contains("malloc"))
    #expect(symbols.undefined.contains { $0.hasPrefix("$s") })
  }

  /// Cut off or changed anywhere, a file is refused or read, and nothing is read outside of it.
  @Test func brokenFilesAreRefused() throws {
    let whole = Self.library.bytes
    for count in 0..<whole.count {
      #expect(throws: ImageError.self) {
        _ = try ElfSymbols(try ElfFile(Array(whole[..<count]), name: "cut"), name: "cut")
      }
    }
    for place in whole.indices {
      for value: UInt8 in [0, 1, 0x7F, 0x80, 0xFF] {
        var bytes = whole
        bytes[place] = value
        guard let elf = try? ElfFile(bytes, name: "changed") else { continue }
        _ = try? ElfSymbols(elf, name: "changed")
        _ = SlimElf.stripped(elf)
        _ = SlimElf.without(["libtwo.so"], elf)
      }
    }
  }

  @Test(arguments: [
    ("#!/bin/sh\n", "neither a program nor a library"), ("", "neither a program nor a library"),
    ("\u{7F}ELF", "64 bits"),
  ])
  func whatIsNoProgramIsSaid(_ text: String, _ said: String) {
    #expect { _ = try ElfFile(Array(text.utf8), name: "/x") } throws: {
      ($0 as? ImageError).map { $0.kind == .badData && $0.message.hasPrefix("/x ") && $0.message.contains(said) }
        == true
    }
  }

  @Test func otherProcessorsAreSaid() {
    var crafted = Self.library
    crafted.machine = 243
    let bytes = crafted.bytes
    #expect { _ = try ElfFile(bytes, name: "/x") } throws: { "\($0)".contains("linux/arm64") }
  }

  @Test func namesOfLibrariesAreTakenOut() throws {
    let elf = try ElfFile(Self.library.bytes, name: "one")
    let slim = try ElfFile(SlimElf.without(["libtwo.so"], elf), name: "slim")
    #expect(slim.needed == ["libthree.so"] && slim.soname == "libone.so.1" && slim.searchPath == elf.searchPath)
    #expect(try ElfSymbols(slim, name: "slim").undefined == ["wanted", "other"])
  }

  @Test func whatIsNotLoadedIsStripped() throws {
    var crafted = Self.library
    crafted.debugBytes = 5000
    let elf = try ElfFile(crafted.bytes, name: "one")
    let bytes = SlimElf.stripped(elf)
    #expect(bytes.count < crafted.bytes.count - 4900)
    let slim = try ElfFile(bytes, name: "slim")
    #expect(slim.needed == elf.needed && slim.soname == elf.soname)
    // Once is enough.
    #expect(SlimElf.stripped(slim) == bytes)
    // Binutils read what is left.
    let folder = try TemporaryFolder()
    try Data(bytes).write(to: URL(fileURLWithPath: folder.path + "/slim.so"))
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/readelf")
    process.arguments = ["--wide", "--sections", "--dynamic", folder.path + "/slim.so"]
    let (output, errors) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    // The crafted file's dynamic section names no section of strings, before and after.
    let complaints = said.split(separator: "\n").filter { !$0.contains("Link field (0)") }
    #expect(process.terminationStatus == 0 && complaints.isEmpty, "\(said)")
    #expect(text.contains(".dynamic") && text.contains(".shstrtab") && !text.contains(".debug_info"))
    #expect(text.contains("libtwo.so"))
  }

  // MARK: Places

  private static func tree(_ files: [String: CraftedElf], links: [String: String] = [:]) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for (path, elf) in files {
      let url = URL(fileURLWithPath: folder.path + path)
      try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(elf.bytes).write(to: url)
    }
    for (path, target) in links {
      let url = URL(fileURLWithPath: folder.path + path)
      try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try FileManager.default.createSymbolicLink(atPath: url.path, withDestinationPath: target)
    }
    return folder
  }

  @Test func linksStayInTheRoot() throws {
    let folder = try Self.tree(
      ["/usr/lib/a": CraftedElf()],
      links: [
        "/lib": "usr/lib", "/out": "../../../../etc/passwd", "/absolute": "/usr/lib/a", "/up": "usr/../../lib/a",
        "/round": "/round", "/host": "/etc/hostname",
      ])
    let root = RootFolder(folder.path + "/")
    #expect(root.resolve("/lib/a") == "/usr/lib/a" && root.resolve("/absolute") == "/usr/lib/a")
    #expect(root.resolve("/up") == "/usr/lib/a" && root.resolve("/../../lib/./a") == "/usr/lib/a")
    #expect(root.resolve("/out") == nil && root.resolve("/round") == nil && root.resolve("/host") == nil)
    #expect(root.file("/lib") == nil && root.file("/lib/a") == "/usr/lib/a")
  }

  private static func names(_ root: TemporaryFolder, machine: ElfFile.Machine = .arm64) throws -> [String] {
    let search = try LibrarySearch(root: RootFolder(root.path), machine: machine, preferred: ["/usr/lib/blas"])
    return try search.closure(ofProgram: root.path + "/server").dropFirst().map {
      "\($0.name) \($0.place ?? "outside")"
    }
  }

  /// The dynamic linker's order: preferred folders, the object's own, the standard ones; what is of another processor
  /// is passed over.
  @Test func librariesAreFoundWhereTheLinkerFindsThem() throws {
    func arm(_ needed: [String] = [], runpath: String? = nil) -> CraftedElf {
      CraftedElf(machine: 183, needed: needed, runpath: runpath)
    }
    let root = try Self.tree(
      [
        "/server": arm(
          ["libown.so", "libblas.so", "libc.so", "libother.so"], runpath: "$ORIGIN/own:/opt/swift:$LIB/x"),
        "/own/libown.so": arm(["libdeep.so"]), "/opt/swift/libother.so": arm(["libc.so"], runpath: "${ORIGIN}/deeper"),
        "/opt/swift/deeper/libdeep.so": arm(), "/usr/lib/blas/libblas.so": arm(), "/usr/lib/libblas.so": arm(),
        "/usr/lib/aarch64-linux-gnu/libc.so": arm(), "/lib/libc.so": arm(), "/usr/lib/libdeep.so": arm(),
        "/opt/swift/libc.so": CraftedElf(machine: 62),
      ])
    #expect(
      try Self.names(root) == [
        "libown.so outside", "libblas.so /usr/lib/blas/libblas.so", "libc.so /usr/lib/aarch64-linux-gnu/libc.so",
        "libother.so /opt/swift/libother.so", "libdeep.so /usr/lib/libdeep.so",
      ])
  }

  @Test func whatIsMissingIsSaid() throws {
    let root = try Self.tree(["/server": CraftedElf(needed: ["libgone.so"])])
    #expect { _ = try Self.names(root, machine: .x86) } throws: {
      let text = "\($0)"
      return text.contains("libgone.so") && text.contains("/server") && text.contains(root.path)
    }
    #expect { _ = try Self.names(root, machine: .arm64) } throws: { "\($0)".contains("--sysroot") }
    for name in ["../x.so", "/etc/passwd", "a\nb", ""] {
      let hostile = try Self.tree(["/server": CraftedElf(needed: [name])])
      #expect { _ = try Self.names(hostile, machine: .x86) } throws: { ($0 as? ImageError)?.kind == .badData }
    }
  }

  /// This machine's own cache, beside what ldconfig itself reads in it.
  @Test(.enabled(if: access("/etc/ld.so.cache", R_OK) == 0 && ElfFile.Machine.own != nil))
  func theLinkersCacheIsRead() throws {
    let machine = try #require(ElfFile.Machine.own)
    let cache = try LinkerCache(try InputFile.contents("/etc/ld.so.cache", limit: 64 << 20), machine: machine)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/sbin/ldconfig")
    process.arguments = ["-p"]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    var said: [String: String] = [:]
    for line in text.split(separator: "\n").dropFirst() where !line.contains("hwcap") && line.contains(" => ") {
      let words = line.split(separator: " ")
      let name = String(words[0].drop { $0 == "\t" })
      guard line.contains(machine == .x86 ? "libc6,x86-64" : "libc6,AArch64"), said[name] == nil else { continue }
      said[name] = words.last.map(String.init)
    }
    #expect(cache.paths == said && cache.paths.count > 10)
  }

  @Test func unusedLibrariesGo() throws {
    func library(_ needed: [String], defined: [String] = [], undefined: [String] = []) -> CraftedElf {
      CraftedElf(needed: needed, defined: defined, undefined: undefined)
    }
    let root = try Self.tree([
      "/server": library(["libmain.so", "libplain.so", "libnames.so"], undefined: ["run"]),
      "/lib/libnames.so": library(["libplugin.so"], defined: ["_end"]),
      "/lib/libplugin.so": library([], defined: ["none"]),
      "/lib/libmain.so": library(
        ["libused.so", "libnever.so", "libbridge.so"], defined: ["run"], undefined: ["help", "far"]),
      "/lib/libplain.so": library([]), "/lib/libused.so": library([], defined: ["help"]),
      "/lib/libnever.so": library(["libdeep.so"], defined: ["nobody"], undefined: ["depth"]),
      "/lib/libdeep.so": library([], defined: ["depth"]),
      "/lib/libbridge.so": library(["libfar.so"]), "/lib/libfar.so": library([], defined: ["far"]),
    ])
    let search = try LibrarySearch(root: RootFolder(root.path), machine: .x86, preferred: [])
    let used = UsedLibraries(try search.closure(ofProgram: root.path + "/server"))
    #expect(used.dropped == ["libdeep.so", "libnever.so"])
    // One that the program names, directly or through one that only names, stays, and the only way to another does.
    #expect(
      Set(used.kept.map(\.name)).isSuperset(of: [
        "libplain.so", "libbridge.so", "libfar.so", "libused.so", "libplugin.so",
      ]))
  }
}
