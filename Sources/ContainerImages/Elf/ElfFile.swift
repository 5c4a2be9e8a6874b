/// A program or library in the Executable and Linkable Format, as the dynamic linker sees it: 64 bits, little-endian.
/// Reads segments and the dynamic section, not the sections, which a linker does not need either.
///
/// Format: System V ABI, "Object Files" and "Dynamic Linking"; hash table of GNU and symbol versions as in glibc.
public struct ElfFile: Sendable {
  /// Processors that images are made for.
  public enum Machine: UInt16, Hashable, Sendable, CaseIterable {
    case x86 = 62
    case arm64 = 183
  }

  public let machine: Machine
  /// Path of the dynamic linker; nil in libraries and in static programs.
  public private(set) var interpreter: String?
  public private(set) var soname: String?
  /// Libraries that it names, in its order.
  public private(set) var needed: [String] = []
  /// Folders that its `DT_RUNPATH` or, where it has none, its `DT_RPATH` names.
  public private(set) var searchPath: [String] = []
  /// Whether the folders stand in `DT_RPATH`, which comes before `LD_LIBRARY_PATH`.
  public private(set) var searchesFirst = false

  let file: ElfBytes
  package private(set) var segments: [Segment] = []
  /// Entries of the dynamic section up to its end mark.
  package private(set) var dynamic: [DynamicEntry] = []
  /// Where the dynamic section's entries stand in the file.
  package private(set) var dynamicOffset = 0
  private var strings = 0..<0

  package struct Segment {
    package enum Kind: Int { case load = 1, dynamic, interpreter }
    package var kind: Int
    package var offset: Int
    package var address: Int
    package var fileBytes: Int
  }

  package struct DynamicEntry {
    package var tag: Int
    package var value: UInt64
  }

  package enum Tag {
    package static let needed = 1, hash = 4, strings = 5, symbols = 6, stringBytes = 10, soname = 14, rpath = 15,
      runpath = 29
    package static let gnuHash = 0x6fff_fef5, versionNeeds = 0x6fff_fffe, versionNeedCount = 0x6fff_ffff
    static let symbolVersions = 0x6fff_fff0
  }

  package static let headerBytes = 64
  package static let programHeaderBytes = 56
  package static let mostSegments = 1024
  package static let mostDynamicEntries = 1 << 16
  /// Largest file that is read.
  public static let mostBytes = 1 << 30

  /// - Throws: `ImageError` (`badData`) that begins with `name`, where these bytes are no such file.
  public init(_ bytes: [UInt8], name: String) throws(ImageError) {
    file = ElfBytes(bytes: bytes)
    guard bytes.starts(with: [0x7F, 0x45, 0x4C, 0x46]) else {
      throw .badData("\(name) is neither a program nor a library of Linux (it is no ELF file)")
    }
    guard bytes.count >= Self.headerBytes, bytes[4] == 2, bytes[5] == 1 else {
      throw .badData("\(name) is not of a processor of 64 bits, little-endian; name one for linux/amd64 or linux/arm64")
    }
    do {
      let kind = try file.half(at: 16)
      guard let machine = Machine(rawValue: UInt16(try file.half(at: 18))), kind == 2 || kind == 3 else {
        throw ImageError.badData("\(name) is no program or library for linux/amd64 or linux/arm64")
      }
      self.machine = machine
      try readSegments()
      try readDynamic()
    } catch let error as ImageError {
      throw error
    } catch {
      throw .badData("\(name) is damaged: its tables lead out of the file")
    }
  }

  private mutating func readSegments() throws {
    let (start, size, count) = (try file.long(at: 32), try file.half(at: 54), try file.half(at: 56))
    guard count <= Self.mostSegments, count == 0 || size == Self.programHeaderBytes else {
      throw ElfBytes.OutOfBounds()
    }
    for index in 0..<count {
      let place = start + index * size
      let segment = Segment(
        kind: try file.word(at: place), offset: try file.long(at: place + 8), address: try file.long(at: place + 16),
        fileBytes: try file.long(at: place + 32))
      guard segment.offset <= file.bytes.count, segment.fileBytes <= file.bytes.count - segment.offset else {
        throw ElfBytes.OutOfBounds()
      }
      segments.append(segment)
    }
    if let place = segments.first(where: { $0.kind == Segment.Kind.interpreter.rawValue }) {
      interpreter = try file.text(at: place.offset, before: place.offset + place.fileBytes)
    }
  }

  private mutating func readDynamic() throws {
    guard let place = segments.first(where: { $0.kind == Segment.Kind.dynamic.rawValue }) else { return }
    dynamicOffset = place.offset
    for index in 0..<min(place.fileBytes / 16, Self.mostDynamicEntries) {
      let at = place.offset + index * 16
      let tag = Int(truncatingIfNeeded: try file.number(UInt64.self, at: at))
      if tag == 0 { break }
      dynamic.append(DynamicEntry(tag: tag, value: try file.number(UInt64.self, at: at + 8)))
    }
    guard let table = value(Tag.strings), let size = value(Tag.stringBytes) else { return }
    let start = try offset(ofAddress: table)
    guard size <= file.bytes.count - start else { throw ElfBytes.OutOfBounds() }
    strings = start..<start + size
    for entry in dynamic {
      switch entry.tag {
      case Tag.needed: needed.append(try string(entry.value))
      case Tag.soname: soname = try string(entry.value)
      case Tag.runpath: (searchPath, searchesFirst) = (Self.folders(try string(entry.value)), false)
      case Tag.rpath where value(Tag.runpath) == nil:
        (searchPath, searchesFirst) = (Self.folders(try string(entry.value)), true)
      default: break
      }
    }
  }

  private static func folders(_ text: String) -> [String] { text.split(separator: ":").map(String.init) }

  /// Value of the first entry with a tag that fits into a place or a size; nil where there is none.
  package func value(_ tag: Int) -> Int? {
    dynamic.first { $0.tag == tag }.flatMap { Int(exactly: $0.value) }
  }

  func string(_ offset: UInt64) throws(ElfBytes.OutOfBounds) -> String {
    guard let offset = Int(exactly: offset), offset < strings.count else { throw ElfBytes.OutOfBounds() }
    return try file.text(at: strings.lowerBound + offset, before: strings.upperBound)
  }

  func offset(ofAddress address: Int) throws(ElfBytes.OutOfBounds) -> Int {
    for segment in segments where segment.kind == Segment.Kind.load.rawValue {
      let (distance, overflow) = address.subtractingReportingOverflow(segment.address)
      if !overflow, distance >= 0, distance < segment.fileBytes { return segment.offset + distance }
    }
    throw ElfBytes.OutOfBounds()
  }
}
