/// Names by which a program or library and others are bound to each other when it is loaded.
public struct ElfSymbols: Sendable {
  /// Names that others have to define, or may, in no certain version; a name in a version is that of one library.
  public private(set) var undefined: Set<String> = []
  /// Names that others may use.
  public private(set) var defined: Set<String> = []
  /// Libraries of which it wants certain versions of names; the dynamic linker insists that each is there.
  public private(set) var versionedLibraries: Set<String> = []

  static let mostSymbols = 1 << 24
  private static let symbolBytes = 24

  /// - Throws: `ImageError` (`badData`) that begins with `name`, where the file's tables lead out of it.
  public init(_ elf: ElfFile, name: String) throws(ImageError) {
    do {
      let versions = try readVersions(elf)
      try readSymbols(elf, versions)
    } catch {
      throw .badData("\(name) is damaged: its tables of symbols lead out of the file")
    }
  }

  /// - Parameter versions: numbers of versions that are those of other libraries.
  private mutating func readSymbols(_ elf: ElfFile, _ versions: Set<Int>) throws(ElfBytes.OutOfBounds) {
    guard let address = elf.value(ElfFile.Tag.symbols) else { return }
    let table = try elf.offset(ofAddress: address)
    let count = try Self.count(elf)
    guard count <= Self.mostSymbols else { throw ElfBytes.OutOfBounds() }
    let numbers = try elf.value(ElfFile.Tag.symbolVersions).map { address throws(ElfBytes.OutOfBounds) in
      try elf.offset(ofAddress: address)
    }
    // The first is none.
    for index in stride(from: 1, to: count, by: 1) {
      let at = table + index * Self.symbolBytes
      let binding = Int(try elf.file.number(UInt8.self, at: at + 4)) >> 4
      // Global, weak, or GNU's unique.
      guard [1, 2, 10].contains(binding) else { continue }
      let name = try elf.string(UInt64(try elf.file.word(at: at)))
      if name.isEmpty { continue }
      guard try elf.file.half(at: at + 6) == 0 else {
        defined.insert(name)
        continue
      }
      // The highest bit says something else.
      if let numbers, versions.contains(try elf.file.half(at: numbers + index * 2) & 0x7FFF) { continue }
      undefined.insert(name)
    }
    undefined.subtract(defined)
  }

  /// How many symbols there are, which no table says outright: from either of the two hash tables.
  private static func count(_ elf: ElfFile) throws(ElfBytes.OutOfBounds) -> Int {
    let file = elf.file
    if let address = elf.value(ElfFile.Tag.hash) {
      return try file.word(at: try elf.offset(ofAddress: address) + 4)
    }
    guard let address = elf.value(ElfFile.Tag.gnuHash) else { return 0 }
    let start = try elf.offset(ofAddress: address)
    let (buckets, first, words) = (
      try file.word(at: start), try file.word(at: start + 4), try file.word(at: start + 8)
    )
    guard buckets <= mostSymbols, words <= mostSymbols else { throw ElfBytes.OutOfBounds() }
    let bucketTable = start + 16 + words * 8
    var last = 0
    for index in 0..<buckets { last = max(last, try file.word(at: bucketTable + index * 4)) }
    if last < first { return first }
    // A chain's last element has its lowest bit set.
    let chains = bucketTable + buckets * 4
    while try file.word(at: chains + (last - first) * 4) & 1 == 0 { last += 1 }
    return last + 1
  }

  /// - Returns: the numbers by which symbols name the versions.
  private mutating func readVersions(_ elf: ElfFile) throws(ElfBytes.OutOfBounds) -> Set<Int> {
    guard let address = elf.value(ElfFile.Tag.versionNeeds), let count = elf.value(ElfFile.Tag.versionNeedCount)
    else { return [] }
    var numbers: Set<Int> = []
    var at = try elf.offset(ofAddress: address)
    for _ in 0..<min(count, ElfFile.mostDynamicEntries) {
      versionedLibraries.insert(try elf.string(UInt64(try elf.file.word(at: at + 4))))
      var version = at + (try elf.file.word(at: at + 8))
      for _ in 0..<(try elf.file.half(at: at + 2)) {
        numbers.insert(try elf.file.half(at: version + 6) & 0x7FFF)
        version += try elf.file.word(at: version + 12)
      }
      let next = try elf.file.word(at: at + 12)
      if next == 0 { break }
      at += next
    }
    return numbers
  }
}
