/// A program or library with the place where it was found.
package struct FoundLibrary: Sendable {
  /// Name by which others need it.
  package var name: String
  /// Path in the root file system, links followed; nil where it lies outside of it.
  package var place: String?
  /// Path by which this process reads it.
  package var file: String
  package var elf: ElfFile
  package var symbols: ElfSymbols
}

/// Finds what a program needs, as the dynamic linker would (ld.so(8)), without running anything.
package struct LibrarySearch {
  package let root: RootFolder
  package let machine: ElfFile.Machine
  /// Folders in the root that come before all but `DT_RPATH`, as those of `LD_LIBRARY_PATH` do.
  package var preferred: [String] = []
  package let cache: LinkerCache
  package static let mostLibraries = 2000

  package init(root: RootFolder, machine: ElfFile.Machine, preferred: [String]) throws(ImageError) {
    (self.root, self.machine, self.preferred) = (root, machine, preferred)
    cache =
      try root.contents(LinkerCache.path, limit: 64 << 20).map { bytes throws(ImageError) in
        try LinkerCache(bytes, machine: machine)
      } ?? LinkerCache()
  }

  /// The folders that the dynamic linker looks into at last, on Debian.
  package var standardFolders: [String] {
    ["/lib/\(machine.libraryFolder)", "/usr/lib/\(machine.libraryFolder)", "/lib", "/usr/lib", "/lib64", "/usr/lib64"]
  }

  /// A program and all that it needs, in the dynamic linker's order: breadth first.
  ///
  /// - Parameter path: of the program, for this process; it may lie outside of the root file system.
  /// - Throws: `ImageError` that names the file, what is missing, and who needs it.
  package func closure(ofProgram path: String) throws(ImageError) -> [FoundLibrary] {
    let program = try load(path, name: path, place: nil)
    guard program.elf.machine == machine else {
      throw .badData(
        "\(path) is built for \(program.elf.machine.platform), and the image is to be for \(machine.platform); name a "
          + "server for \(machine.platform) with --server, and its libraries with --sysroot")
    }
    var found = [program]
    var known: Set<String> = []
    var next = 0
    while next < found.count {
      let user = found[next]
      next += 1
      for name in user.elf.needed where known.insert(name).inserted {
        guard found.count < Self.mostLibraries else {
          throw .badData("\(path) needs more than \(Self.mostLibraries) libraries; is it the right program?")
        }
        found.append(try find(name, for: user))
      }
    }
    return found
  }

  /// The dynamic linker that a program asks for.
  package func linker(of program: FoundLibrary) throws(ImageError) -> FoundLibrary? {
    guard let path = program.elf.interpreter else { return nil }
    guard path.hasPrefix("/"), let place = root.file(path) else {
      throw .unavailable(
        "\(program.name) is started by \(quotable(path)), which is not there; "
          + (root.folder.isEmpty ? "install libc6" : "install libc6 into \(root.folder)"))
    }
    return try load(root.outside(place), name: String(path.split(separator: "/").last ?? ""), place: place)
  }

  private func load(_ file: String, name: String, place: String?) throws(ImageError) -> FoundLibrary {
    let elf = try ElfFile(try InputFile.contents(file, limit: ElfFile.mostBytes), name: file)
    return FoundLibrary(
      name: name, place: place, file: file, elf: elf, symbols: try ElfSymbols(elf, name: file))
  }

  private func find(_ name: String, for user: FoundLibrary) throws(ImageError) -> FoundLibrary {
    guard !name.isEmpty, !name.contains("/"), name.utf8.count <= 255, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
    else { throw .badData("\(user.file) needs a library with the name '\(quotable(name))', which is no file's name") }
    for candidate in candidates(name, for: user) {
      // What cannot be read, or is of another processor, is passed over, as the dynamic linker does.
      guard let library = try? load(candidate.file, name: name, place: candidate.place),
        library.elf.machine == machine
      else { continue }
      return library
    }
    let where_ = root.folder.isEmpty ? "on this machine" : "in \(root.folder)"
    throw .unavailable(
      "\(name), which \(user.file) needs, is not there \(where_) for \(machine.platform); install the "
        + "package that has it, or build model-server again")
  }

  private func candidates(_ name: String, for user: FoundLibrary) -> [(file: String, place: String?)] {
    let own = user.elf.searchPath.compactMap { folder in place(ofFolder: folder, for: user) }
    let preferred = preferred.map { ($0, isInside: true) }
    var folders = user.elf.searchesFirst ? own + preferred : preferred + own
    if let cached = cache.paths[name] {
      folders.append((String(cached[..<(cached.lastIndex(of: "/") ?? cached.startIndex)]), isInside: true))
    }
    folders += standardFolders.map { ($0, isInside: true) }
    return folders.compactMap { folder, isInside in
      if !isInside { return (folder + "/" + name, nil) }
      return root.file(folder + "/" + name).map { (root.outside($0), $0) }
    }
  }

  /// A folder of a search path; nil where it stands for something that is not known before the program runs.
  private func place(ofFolder folder: String, for user: FoundLibrary) -> (String, isInside: Bool)? {
    for origin in ["$ORIGIN", "${ORIGIN}"] where folder.hasPrefix(origin) {
      let rest = String(folder.dropFirst(origin.count))
      guard rest.isEmpty || rest.hasPrefix("/"), !rest.contains("$") else { return nil }
      let file = user.place ?? user.file
      return (String(file[..<(file.lastIndex(of: "/") ?? file.startIndex)]) + rest, user.place != nil)
    }
    guard folder.hasPrefix("/"), !folder.contains("$") else { return nil }
    return (folder, isInside: true)
  }
}

extension ElfFile.Machine {
  /// Debian's name for the folder of a processor's libraries.
  package var libraryFolder: String {
    switch self {
    case .x86: "x86_64-linux-gnu"
    case .arm64: "aarch64-linux-gnu"
    }
  }

  /// Name of the processor in images and in Debian's packages.
  public var architecture: String {
    switch self {
    case .x86: "amd64"
    case .arm64: "arm64"
    }
  }

  public var platform: String { "linux/" + architecture }

  /// - Returns: nil unless `platform` is `linux/amd64` or `linux/arm64`.
  public init?(platform: String) {
    guard let machine = Self.allCases.first(where: { $0.platform == platform }) else { return nil }
    self = machine
  }

  /// The processor of this machine.
  public static var own: ElfFile.Machine? {
    #if arch(x86_64)
      .x86
    #elseif arch(arm64)
      .arm64
    #else
      nil
    #endif
  }
}
