import Foundation

/// All files of an image, in layers: those that change least below.
package struct ImageContents: Sendable {
  package var layers: [LayerContents]
  /// Packages that any file is from, ascending by name, with their licences.
  package var packages: [(package: DebianPackage, licences: Licences)]
  /// Names of libraries that are named by others and used by none.
  package var unusedLibraries: [String]
  /// Name of the folder that the BLAS comes from; nil for the system's own.
  package var blas: String?
}

/// Gathers the files of an image: the server, what it needs to be loaded, and what it opens when it runs.
package struct ImageGathering {
  package let recipe: ImageRecipe
  package let root: RootFolder
  /// Packages whose files in the image have together at least so many bytes form a layer of their own.
  package static let heavyPackageBytes = 16 << 20
  /// OpenBLAS that shares its threads with libtorch, before all others, as a launch on a machine puts it.
  package static let blasFolder = "openblas-openmp"
  package static let authoritiesFolder = "/usr/share/ca-certificates/mozilla"

  package init(_ recipe: ImageRecipe) {
    self.recipe = recipe
    root = RootFolder(recipe.sysroot)
  }

  package func gather() throws(ImageError) -> ImageContents {
    let blas = "/usr/lib/\(recipe.machine.libraryFolder)/\(Self.blasFolder)"
    let search = try LibrarySearch(root: root, machine: recipe.machine, preferred: [blas])
    let used = UsedLibraries(try search.closure(ofProgram: recipe.server))
    guard let server = used.kept.first else { throw .badData("\(recipe.server) holds no program") }
    let linker = try search.linker(of: server)
    let authorities = try certificates()

    var places = Set(used.kept.dropFirst().compactMap(\.place) + authorities.files)
    if let linker, let place = linker.place { places.insert(place) }
    if let release = root.file("/usr/lib/os-release") { places.insert(release) }
    let texts = commonLicences()
    places.formUnion(texts)
    let database = try DebianPackages(root, owning: places, architecture: recipe.machine.architecture)

    let libraries = try libraryEntries(used, linker: linker, database)
    let heavy = Self.heavyPackages(libraries)
    var system = try baseEntries(authorities.bundle, database)
    for text in texts {
      guard let bytes = try root.contents(text, limit: 1 << 20) else { continue }
      system.append(.file(String(text.dropFirst()), bytes, package: database.owners[text]))
    }
    var numerics: [ImageEntry] = []
    var runtime: [ImageEntry] = []
    for entry in libraries {
      switch entry.package {
      case nil: runtime.append(entry)
      case let name? where heavy.contains(name): numerics.append(entry)
      default: system.append(entry)
      }
    }
    var packages: [(DebianPackage, Licences)] = []
    for name in database.packages.keys.sorted() {
      guard let package = database.packages[name] else { continue }
      let copyright = try copyright(of: name)
      packages.append((package, Licences(copyright: copyright)))
      let entries = Self.documentation(package, copyright)
      if heavy.contains(name) { numerics += entries } else { system += entries }
    }
    runtime += try runtimeLicence(used)
    let program = ImageEntry.file(String(ImageFacts.serverPath.dropFirst()), SlimElf.stripped(server.elf), mode: 0o755)
    return ImageContents(
      layers: [
        LayerContents(title: "system libraries, certificates, users", entries: system),
        LayerContents(title: "libtorch and mathematics", entries: numerics),
        LayerContents(title: "Swift runtime", entries: runtime),
        LayerContents(title: "model-server", entries: [program]),
      ].filter { !$0.entries.isEmpty },
      packages: packages, unusedLibraries: used.dropped,
      blas: used.kept.contains { $0.place?.hasPrefix(blas + "/") == true } ? Self.blasFolder : nil)
  }

  // MARK: Libraries

  /// Libraries lie in the one folder where the dynamic linker finds them without a cache: that of the C library.
  private func libraryEntries(
    _ used: UsedLibraries, linker: FoundLibrary?, _ database: DebianPackages
  ) throws(ImageError) -> [ImageEntry] {
    let place = used.kept.first { $0.name == "libc.so.6" }?.place
    let folder =
      place.map { String($0[..<($0.lastIndex(of: "/") ?? $0.startIndex)].dropFirst()) }
      ?? "usr/lib/\(recipe.machine.libraryFolder)"
    let dropped = Set(used.dropped)
    var entries: [ImageEntry] = []
    for library in used.kept.dropFirst() where library.name != linker?.name {
      let package = library.place.flatMap { database.owners[$0] }
      let isChanged = !dropped.isDisjoint(with: library.elf.needed)
      var elf = library.elf
      if isChanged { elf = try ElfFile(SlimElf.without(dropped, elf), name: library.file) }
      // What a package has stays as it is, so that it can be told by its checksum.
      let bytes = package == nil ? SlimElf.stripped(elf) : elf.file.bytes
      var entry = ImageEntry.file("\(folder)/\(library.name)", bytes, package: package)
      entry.isChanged = isChanged
      entries.append(entry)
    }
    if let linker, let wanted = used.kept.first?.elf.interpreter {
      let package = linker.place.flatMap { database.owners[$0] }
      entries.append(.file("\(folder)/\(linker.name)", linker.elf.file.bytes, mode: 0o755, package: package))
      let path = Self.merged(String(wanted.dropFirst()))
      if path != "\(folder)/\(linker.name)" {
        entries.append(.link(path, to: "/\(folder)/\(linker.name)", package: package))
      }
    }
    return entries
  }

  /// `lib/x` and `lib64/x` lie below `usr`.
  private static func merged(_ path: String) -> String {
    ["lib", "lib64"].contains(path.prefix { $0 != "/" }) ? "usr/" + path : path
  }

  private static func heavyPackages(_ entries: [ImageEntry]) -> Set<String> {
    var sizes: [String: Int] = [:]
    for entry in entries { if let package = entry.package { sizes[package, default: 0] += entry.bytes?.count ?? 0 } }
    return Set(sizes.filter { $0.value >= heavyPackageBytes }.keys)
  }

  // MARK: What is opened at run time

  private func baseEntries(_ authorities: [UInt8], _ database: DebianPackages) throws(ImageError) -> [ImageEntry] {
    let user = ImageFacts.userID
    var entries: [ImageEntry] = [
      .folder("dev"), .folder("etc"), .folder("proc"), .folder("run"), .folder("sys"), .folder("tmp", mode: 0o1777),
      .folder(String(ImageFacts.modelsFolder.dropFirst())),
      .folder(String(ImageFacts.cacheFolder.dropFirst()), owner: user),
      .folder("usr/lib"), .folder("usr/lib64"), .link("lib", to: "usr/lib"), .link("lib64", to: "usr/lib64"),
      .text(
        "etc/passwd",
        """
        root:x:0:0:root:/nonexistent:/usr/sbin/nologin
        model-server:x:\(user):\(user):model-server:/nonexistent:/usr/sbin/nologin

        """),
      .text("etc/group", "root:x:0:\nmodel-server:x:\(user):\n"),
      .text("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
      .file("etc/ssl/certs/ca-certificates.crt", authorities),
    ]
    if let release = root.file("/usr/lib/os-release"), let text = try root.contents(release, limit: 1 << 20) {
      entries.append(.file("usr/lib/os-release", text, package: database.owners[release]))
      entries.append(.link("etc/os-release", to: "../usr/lib/os-release"))
    }
    return entries
  }

  /// The authorities that the distribution trusts, and not those that somebody added to this machine.
  private func certificates() throws(ImageError) -> (files: [String], bundle: [UInt8]) {
    var (files, bundle): ([String], [UInt8]) = ([], [])
    for name in root.names(in: Self.authoritiesFolder) where name.hasSuffix(".crt") {
      guard let place = root.file(Self.authoritiesFolder + "/" + name),
        let text = try root.contents(place, limit: 1 << 20)
      else { continue }
      files.append(place)
      bundle += text
      if text.last != UInt8(ascii: "\n") { bundle.append(UInt8(ascii: "\n")) }
    }
    guard !files.isEmpty else {
      throw .unavailable(
        "\(root.outside(Self.authoritiesFolder)) holds no certificates, which the server needs for https:// and s3://; "
          + "install ca-certificates")
    }
    return (files, bundle)
  }

  // MARK: Licences

  /// Licences that copyright files name instead of holding them.
  private func commonLicences() -> [String] {
    let folder = "/usr/share/common-licenses"
    return root.names(in: folder).compactMap { name in
      let path = folder + "/" + name
      return root.file(path) == path ? path : nil
    }
  }

  private func copyright(of package: String) throws(ImageError) -> String {
    try root.text("/usr/share/doc/\(package)/copyright") ?? ""
  }

  /// A package's copyright file, and its paragraph where scanners look for packages in images without a database.
  private static func documentation(_ package: DebianPackage, _ copyright: String) -> [ImageEntry] {
    var entries = [ImageEntry.text("var/lib/dpkg/status.d/\(package.name)", package.paragraph)]
    if !copyright.isEmpty { entries.append(.text("usr/share/doc/\(package.name)/copyright", copyright)) }
    return entries
  }

  /// Swift's toolchain keeps its licence in `share/swift`, beside the `lib/swift` of its libraries.
  private func runtimeLicence(_ used: UsedLibraries) throws(ImageError) -> [ImageEntry] {
    for library in used.kept {
      guard let place = library.place, let end = place.range(of: "/lib/swift/") else { continue }
      if let text = try root.contents("\(place[..<end.lowerBound])/share/swift/LICENSE.txt", limit: 1 << 20) {
        return [.file("usr/share/doc/swift-runtime/copyright", text)]
      }
    }
    return []
  }
}
