/// Which of the libraries that a program's libraries name are used at all.
///
/// A library that was linked against many others names them all, also those of which it uses nothing: Debian's libtorch
/// names OpenCV and FFmpeg, and with them two hundred libraries of graphics, databases and maps. Such a name may go
/// from the copy in an image. A library stays
/// - where the program itself names it, or a library of its that holds nothing else than names (as libtorch.so does,
///   and through it libraries for accelerators, which work by being loaded), or
/// - where it is the first, in the dynamic linker's order, to define a name that one which stays leaves undefined, or
/// - where one which stays wants a certain version of its names, or where it is the dynamic linker, or
/// - where it is the only way to one that stays.
package struct UsedLibraries {
  /// Those that stay, the program first, in the order that they were given in.
  package private(set) var kept: [FoundLibrary] = []
  /// Names of those that go, ascending.
  package private(set) var dropped: [String] = []

  /// Names that linkers put into everything.
  private static let edges: Set = ["__bss_start", "_edata", "_end", "_init", "_fini"]

  /// - Parameter all: the program, and what it needs, breadth first.
  package init(_ all: [FoundLibrary]) {
    if all.isEmpty { return }
    var index: [String: Int] = [:]
    for (number, library) in all.enumerated().dropFirst() { index[library.name] = number }
    var stays = [Bool](repeating: false, count: all.count)
    var waiting: [Int] = []
    func keep(_ number: Int) {
      if stays[number] { return }
      stays[number] = true
      waiting.append(number)
    }
    keep(0)
    func keepNamed(by user: Int) { for name in all[user].elf.needed { if let number = index[name] { keep(number) } } }
    keepNamed(by: 0)
    // The C library works hand in hand with the linker that loads it.
    if let linker = all[0].elf.interpreter?.split(separator: "/").last, let number = index[String(linker)] {
      keep(number)
    }
    while true {
      while let user = waiting.popLast() {
        if all[user].symbols.defined.isSubset(of: Self.edges) { keepNamed(by: user) }
        for name in all[user].symbols.undefined {
          if let number = all.firstIndex(where: { $0.symbols.defined.contains(name) }) { keep(number) }
        }
        for name in all[user].symbols.versionedLibraries.sorted() { if let number = index[name] { keep(number) } }
      }
      guard let lost = Self.firstLost(all, stays, index) else { break }
      keep(lost)
    }
    kept = all.indices.filter { stays[$0] }.map { all[$0] }
    dropped = all.indices.filter { !stays[$0] }.map { all[$0].name }.sorted()
  }

  /// A library that does not stay and names one that does, which nobody else leads to.
  private static func firstLost(_ all: [FoundLibrary], _ stays: [Bool], _ index: [String: Int]) -> Int? {
    var reached = [Bool](repeating: false, count: all.count)
    var waiting = [0]
    reached[0] = true
    while let user = waiting.popLast() {
      for name in all[user].elf.needed {
        guard let number = index[name], stays[number], !reached[number] else { continue }
        reached[number] = true
        waiting.append(number)
      }
    }
    guard let lost = all.indices.first(where: { stays[$0] && !reached[$0] }) else { return nil }
    return all.indices.first { !stays[$0] && all[$0].elf.needed.contains(all[lost].name) }
  }
}
