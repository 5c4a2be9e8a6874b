/// Makes a copy of a program or library that does the same and holds less.
package enum SlimElf {
  /// The file without the sections that are not loaded: symbols for debuggers, debugging information, comments.
  /// Segments stay where they are, so nothing that runs can tell the difference.
  ///
  /// - Returns: the file as it is where there is nothing to leave out.
  package static func stripped(_ elf: ElfFile) -> [UInt8] {
    (try? strip(elf)) ?? elf.file.bytes
  }

  /// The file without the names of these libraries among those that it needs.
  ///
  /// - Precondition: no symbol version of the file is wanted of any of them; the dynamic linker would not start it.
  package static func without(_ dropped: Set<String>, _ elf: ElfFile) -> [UInt8] {
    var bytes = elf.file.bytes
    var at = elf.dynamicOffset
    func put(_ number: UInt64) {
      withUnsafeBytes(of: number.littleEndian) { bytes.replaceSubrange(at..<at + 8, with: $0) }
      at += 8
    }
    let kept = elf.dynamic.filter { entry in
      guard entry.tag == ElfFile.Tag.needed, let name = try? elf.string(entry.value) else { return true }
      return !dropped.contains(name)
    }
    for entry in kept {
      put(UInt64(bitPattern: Int64(entry.tag)))
      put(entry.value)
    }
    // Entries of tag 0 end the table.
    for _ in kept.count..<elf.dynamic.count {
      put(0)
      put(0)
    }
    return bytes
  }

  fileprivate struct Section {
    static let bytes = 64
    static let holdsNothing = 8
    var fields: [UInt8]
    var name: String
    var kind: Int
    var flags: Int
    var end: Int
    var link: Int
    var info: Int
    var isLoaded: Bool { flags & 2 != 0 }
    /// Whether `info` is the number of a section.
    var infoIsSection: Bool { flags & 0x40 != 0 }
  }

  private static func strip(_ elf: ElfFile) throws -> [UInt8]? {
    let file = elf.file
    let sections = try readSections(file)
    guard !sections.isEmpty else { return nil }
    let end = elf.segments.map { $0.offset + $0.fileBytes }.max() ?? 0
    let headersEnd = ElfFile.headerBytes + elf.segments.count * ElfFile.programHeaderBytes
    let kept = sections.indices.filter { $0 == 0 || sections[$0].isLoaded }
    guard end >= headersEnd,
      kept.allSatisfy({ sections[$0].kind == Section.holdsNothing || sections[$0].end <= end })
    else { return nil }
    var numbers: [Int: Int] = [:]
    for (new, old) in kept.enumerated() { numbers[old] = new }

    var bytes = Array(file.bytes[..<end])
    var names: [UInt8] = [0]
    var headers: [UInt8] = []
    for old in kept {
      var section = sections[old]
      if old > 0 {
        section.put(names.count, at: 0)
        names += Array(section.name.utf8) + [0]
        section.put(numbers[section.link] ?? 0, at: 40)
        if section.infoIsSection { section.put(numbers[section.info] ?? 0, at: 44) }
      }
      headers += section.fields
    }
    var last = Section(fields: .init(repeating: 0, count: 64), name: "", kind: 3, flags: 0, end: 0, link: 0, info: 0)
    last.put(names.count, at: 0)
    names += Array(".shstrtab".utf8) + [0]
    last.put(3, at: 4)
    last.putLong(bytes.count, at: 24)
    last.putLong(names.count, at: 32)
    last.putLong(1, at: 48)
    bytes += names
    bytes += [UInt8](repeating: 0, count: (8 - bytes.count % 8) % 8)
    let table = bytes.count
    bytes += headers + last.fields
    withUnsafeBytes(of: UInt64(table).littleEndian) { bytes.replaceSubrange(40..<48, with: $0) }
    withUnsafeBytes(of: UInt16(kept.count + 1).littleEndian) { bytes.replaceSubrange(60..<62, with: $0) }
    withUnsafeBytes(of: UInt16(kept.count).littleEndian) { bytes.replaceSubrange(62..<64, with: $0) }
    return bytes.count < file.bytes.count ? bytes : nil
  }

  private static func readSections(_ file: ElfBytes) throws -> [Section] {
    let (start, size) = (try file.long(at: 40), try file.half(at: 58))
    let (count, names) = (try file.half(at: 60), try file.half(at: 62))
    guard start > 0, size == Section.bytes, names < count else { return [] }
    let nameHeader = start + names * size
    let nameStart = try file.long(at: nameHeader + 24)
    let (nameEnd, overflow) = nameStart.addingReportingOverflow(try file.long(at: nameHeader + 32))
    guard !overflow, nameEnd <= file.bytes.count else { throw ElfBytes.OutOfBounds() }
    return try (0..<count).map { index in
      let at = start + index * size
      guard at <= file.bytes.count - size else { throw ElfBytes.OutOfBounds() }
      let (end, overflow) = try file.long(at: at + 24).addingReportingOverflow(try file.long(at: at + 32))
      guard !overflow else { throw ElfBytes.OutOfBounds() }
      return Section(
        fields: Array(file.bytes[at..<at + size]),
        name: try file.text(at: nameStart + (try file.word(at: at)), before: nameEnd),
        kind: try file.word(at: at + 4), flags: try file.long(at: at + 8), end: end,
        link: try file.word(at: at + 40), info: try file.word(at: at + 44))
    }
  }
}

extension SlimElf.Section {
  fileprivate mutating func put(_ number: Int, at offset: Int) {
    withUnsafeBytes(of: UInt32(truncatingIfNeeded: number).littleEndian) {
      fields.replaceSubrange(offset..<offset + 4, with: $0)
    }
  }

  fileprivate mutating func putLong(_ number: Int, at offset: Int) {
    withUnsafeBytes(of: UInt64(number).littleEndian) { fields.replaceSubrange(offset..<offset + 8, with: $0) }
  }
}
