/// Where the dynamic linker finds libraries by name: `/etc/ld.so.cache` in the form that glibc writes since 2.2, which
/// glibc 2.32 extended (sysdeps/generic/dl-cache.h).
package struct LinkerCache {
  package static let path = "/etc/ld.so.cache"
  private static let magic = Array("glibc-ld.so.cache1.1".utf8)
  private static let headerBytes = 48
  private static let entryBytes = 24

  /// Path of each library's name.
  package private(set) var paths: [String: String] = [:]

  package init() {}

  /// - Throws: `ImageError` (`badData`) where these bytes are no such cache.
  package init(_ bytes: [UInt8], machine: ElfFile.Machine) throws(ImageError) {
    guard bytes.starts(with: Self.magic) else {
      throw .badData("\(Self.path) is of another form; run ldconfig as root, and build the image again")
    }
    let file = ElfBytes(bytes: bytes)
    do {
      let count = try file.word(at: 20)
      guard count <= bytes.count / Self.entryBytes else { throw ElfBytes.OutOfBounds() }
      for index in 0..<count {
        let at = Self.headerBytes + index * Self.entryBytes
        // Variants for some processors only do not belong into an image for all.
        guard try file.word(at: at) == Self.flags(machine), try file.number(UInt64.self, at: at + 16) == 0 else {
          continue
        }
        let name = try file.text(at: try file.word(at: at + 4), before: bytes.count)
        let path = try file.text(at: try file.word(at: at + 8), before: bytes.count)
        if paths[name] == nil { paths[name] = path }
      }
    } catch {
      throw .badData("\(Self.path) is damaged; run ldconfig as root, and build the image again")
    }
  }

  /// Kind of library: for glibc 2 (3), and the processor's calling convention.
  private static func flags(_ machine: ElfFile.Machine) -> Int {
    switch machine {
    case .x86: 0x0303
    case .arm64: 0x0A03
    }
  }
}
