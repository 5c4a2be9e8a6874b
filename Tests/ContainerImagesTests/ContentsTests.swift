import ContainerImages
import Foundation
import TestSupport
import Testing

/// Images of a root file system that is made here: a processor that this machine is not, packages that nobody has.
@Suite struct ContentsTests {
  private static func put(_ root: TemporaryFolder, _ path: String, _ bytes: [UInt8]) throws {
    let url = URL(fileURLWithPath: root.path + path)
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: url)
  }

  private static func put(_ root: TemporaryFolder, _ path: String, _ text: String) throws {
    try put(root, path, Array(text.utf8))
  }

  private static let copyright = """
    Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

    Files: *
    License: GPL-2+

    Files: a
    License:
     Expat

    Files: b
    License: Odd (c) Licence
     text

    """

  private static let status = """
    Package: libc6
    Status: install ok installed
    Maintainer: Somebody <s@example.com>
    Architecture: arm64
    Source: glibc (2.36)
    Version: 2.36-9+deb12u1
    Homepage: https://www.gnu.org/software/libc/

    Package: libc6
    Status: install ok installed
    Architecture: amd64
    Version: 9

    Package: ca-certificates
    Status: install ok installed
    Architecture: all
    Version: 2023

    Package: gone
    Status: deinstall ok config-files
    Architecture: arm64
    Version: 1

    """

  private static func root() throws -> TemporaryFolder {
    let root = try TemporaryFolder()
    try FileManager.default.createSymbolicLink(atPath: root.path + "/lib", withDestinationPath: "usr/lib")
    let folder = "/usr/lib/aarch64-linux-gnu/"
    func arm(_ needed: [String], defined: [String] = [], undefined: [String] = []) -> [UInt8] {
      CraftedElf(machine: 183, needed: needed, defined: defined, undefined: undefined).bytes
    }
    try put(root, folder + "libc.so.6", arm(["ld-linux-aarch64.so.1"], defined: ["malloc"]))
    try put(root, folder + "ld-linux-aarch64.so.1", arm([]))
    try FileManager.default.createSymbolicLink(
      atPath: root.path + "/usr/lib/ld-linux-aarch64.so.1",
      withDestinationPath: "aarch64-linux-gnu/ld-linux-aarch64.so.1")
    try put(root, folder + "libtorch.so", arm(["libunused.so"], defined: ["run"], undefined: ["malloc"]))
    try put(root, folder + "libunused.so", arm([]))
    try put(root, "/usr/share/ca-certificates/mozilla/b.crt", "second")
    try put(root, "/usr/share/ca-certificates/mozilla/a.crt", "first\n")
    try put(root, "/usr/local/share/ca-certificates/own.crt", "own")
    try put(root, "/usr/lib/os-release", "ID=debian\n")
    try put(root, "/var/lib/dpkg/status", status)
    try put(
      root, "/var/lib/dpkg/info/libc6:arm64.list", "/lib/aarch64-linux-gnu/libc.so.6\n\(folder)ld-linux-aarch64.so.1\n")
    try put(root, "/var/lib/dpkg/info/ca-certificates.list", "/usr/share/ca-certificates/mozilla/a.crt\n")
    try put(root, "/usr/share/doc/libc6/copyright", copyright)
    let server = CraftedElf(
      machine: 183, interpreter: "/lib/ld-linux-aarch64.so.1", needed: ["libtorch.so", "libc.so.6"], undefined: ["run"],
      debugBytes: 3000)
    try put(root, "/server", server.bytes)
    return root
  }

  private static func recipe(_ root: TemporaryFolder) throws -> ImageRecipe {
    ImageRecipe(
      server: root.path + "/server", sysroot: root.path, machine: .arm64,
      name: try #require(ImageReference("shop/server:1")), version: "1.2", time: 0)
  }

  @Test func anotherProcessorsFilesAreGathered() throws {
    let root = try Self.root()
    let contents = try ImageGathering(try Self.recipe(root)).gather()
    let entries = contents.layers.flatMap(\.entries)
    func entry(_ path: String) throws -> ImageEntry { try #require(entries.first { $0.path == path }, "\(path)") }
    #expect(contents.unusedLibraries == ["libunused.so"])
    #expect(!entries.contains { $0.path.hasSuffix("libunused.so") })
    let torch = try entry("usr/lib/aarch64-linux-gnu/libtorch.so")
    #expect(try ElfFile(try #require(torch.bytes), name: "torch").needed == [] && torch.isChanged)
    let libc = try entry("usr/lib/aarch64-linux-gnu/libc.so.6")
    #expect(libc.package == "libc6" && !libc.isChanged)
    #expect(
      libc.bytes == Array(try Data(contentsOf: URL(fileURLWithPath: root.path + "/lib/aarch64-linux-gnu/libc.so.6"))))
    guard case .link(let target) = try entry("usr/lib/ld-linux-aarch64.so.1").kind else {
      Issue.record("the path by which the server names its linker is no link")
      return
    }
    #expect(target == "/usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1")
    #expect(try entry("etc/ssl/certs/ca-certificates.crt").bytes == Array("first\nsecond\n".utf8))
    #expect(try #require(try entry("usr/bin/model-server").bytes).count < 2000)
    #expect(try entry("cache").owner == 65532 && entry("models").owner == 0 && entry("tmp").mode == 0o1777)
    #expect(String(decoding: try #require(try entry("etc/passwd").bytes), as: UTF8.self).contains(":65532:65532:"))
    #expect(contents.packages.map(\.package.name) == ["ca-certificates", "libc6"])
    #expect(contents.packages.map(\.package.version) == ["2023", "2.36-9+deb12u1"])
    #expect(contents.packages[1].package.source == "glibc")
    // Every path once, and below a folder that is there.
    for layer in contents.layers {
      let paths = layer.complete.map(\.path)
      #expect(Set(paths).count == paths.count)
      for path in paths where path.contains("/") {
        #expect(paths.contains(String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])), "\(path)")
      }
    }
  }

  @Test func anImageOfAnotherProcessorIsBuilt() async throws {
    let root = try Self.root()
    let place = try TemporaryFolder()
    let recipe = try Self.recipe(root)
    let one = try await ImageBuild.run(recipe, to: place.path + "/one.tar", sbomPath: place.path + "/parts.json")
    let two = try await ImageBuild.run(recipe, to: place.path + "/two.tar")
    #expect(one.digest == two.digest && one.platform == "linux/arm64" && one.name == "shop/server:1")
    #expect(FileManager.default.contentsEqual(atPath: place.path + "/one.tar", andPath: place.path + "/two.tar"))
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: place.path).sorted() == ["one.tar", "parts.json", "two.tar"])
    let archive = try ImageArchive(reading: place.path + "/one.tar")
    for blob in archive.manifest.blobs { try archive.check(blob) }
    let parts = try String(contentsOfFile: place.path + "/parts.json", encoding: .utf8)
    for wanted in [
      "GPL-2.0-or-later AND LicenseRef-Debian-Odd--c--Licence AND MIT",
      "pkg:deb/debian/libc6@2.36-9%2Bdeb12u1?arch=arm64",
      "./usr/lib/aarch64-linux-gnu/libtorch.so", "1970-01-01T00:00:00Z",
    ] { #expect(parts.contains(wanted), "\(wanted)") }
    #expect(!parts.contains(root.path))
  }

  @Test func whatIsMissingIsSaid() throws {
    for (gone, said) in [
      ("/usr/share/ca-certificates", "install ca-certificates"),
      ("/usr/lib/aarch64-linux-gnu/libtorch.so", "libtorch.so"),
      ("/usr/lib/ld-linux-aarch64.so.1", "install libc6"),
    ] {
      let root = try Self.root()
      try FileManager.default.removeItem(atPath: root.path + gone)
      let recipe = try Self.recipe(root)
      #expect { _ = try ImageGathering(recipe).gather() } throws: { error in
        (error as? ImageError).map { $0.kind == .unavailable && $0.message.contains(said) } == true
      }
    }
  }

  @Test func licencesAreRead() {
    let licences = Licences(copyright: Self.copyright)
    #expect(licences.expressions == ["GPL-2.0-or-later", "LicenseRef-Debian-Odd--c--Licence", "MIT"])
    #expect(licences.references == ["LicenseRef-Debian-Odd--c--Licence": "Odd (c) Licence"])
    #expect(Licences(copyright: "This is prose.\nLicense: GPL-2+\n").expression == nil)
  }

  @Test func timesAreChecked() throws {
    #expect(try ImageRecipe.time(environment: [:]) == 0)
    #expect(try ImageRecipe.time(environment: ["SOURCE_DATE_EPOCH": "1700000000"]) == 1_700_000_000)
    for text in ["-1", "x", "1.5", "99999999999999999999", "99999999999"] {
      #expect(throws: ImageError.self) { try ImageRecipe.time(environment: ["SOURCE_DATE_EPOCH": text]) }
    }
  }
}
