import Foundation

/// A shared object of a few hundred bytes: names, folders and symbols of one's own, and no code.
struct CraftedElf {
  var machine: UInt16 = 62
  var interpreter: String?
  var soname: String?
  var needed: [String] = []
  var runpath: String?
  var defined: [String] = []
  var undefined: [String] = []
  /// Bytes behind the loaded part, with a section header each, that no linker reads.
  var debugBytes = 0

  private func little(_ number: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian) { Array($0) }
  }

  var bytes: [UInt8] {
    let headers = interpreter == nil ? 2 : 3
    var strings: [UInt8] = [0]
    func name(_ text: String) -> UInt64 {
      defer { strings += Array(text.utf8) + [0] }
      return UInt64(strings.count)
    }
    var dynamic: [(UInt64, UInt64)] = needed.map { (1, name($0)) }
    if let soname { dynamic.append((14, name(soname))) }
    if let runpath { dynamic.append((29, name(runpath))) }
    var symbols = [UInt8](repeating: 0, count: 24)
    for (text, section) in undefined.map({ ($0, UInt16(0)) }) + defined.map({ ($0, UInt16(1)) }) {
      symbols += little(UInt32(name(text))) + [0x12, 0] + little(section) + little(UInt64(0)) + little(UInt64(0))
    }
    let symbolCount = UInt32(symbols.count / 24)
    let symbolStart = 64 + headers * 56
    let hashStart = symbolStart + symbols.count
    // One bucket and no chain: only their number is read.
    let hash = little(UInt32(1)) + little(symbolCount) + [UInt8](repeating: 0, count: 4 + 4 * Int(symbolCount))
    let stringStart = hashStart + hash.count
    let interpreterText: [UInt8] = interpreter.map { Array($0.utf8) + [0] } ?? []
    let interpreterStart = stringStart + strings.count
    let dynamicStart = (interpreterStart + interpreterText.count + 7) / 8 * 8
    dynamic += [
      (4, UInt64(hashStart)), (5, UInt64(stringStart)), (6, UInt64(symbolStart)), (10, UInt64(strings.count)), (11, 24),
      (0, 0),
    ]
    let end = dynamicStart + dynamic.count * 16

    var file: [UInt8] = [0x7F, 0x45, 0x4C, 0x46, 2, 1, 1, 0] + [UInt8](repeating: 0, count: 8)
    let sections = debugBytes > 0 ? 3 : 0
    let names = Array("\u{0}.dynamic\u{0}.debug_info\u{0}".utf8)
    let sectionStart = sections > 0 ? end + debugBytes + names.count : 0
    file += little(UInt16(3)) + little(machine) + little(UInt32(1)) + little(UInt64(0)) + little(UInt64(64))
    file += little(UInt64(sectionStart)) + little(UInt32(0)) + little(UInt16(64)) + little(UInt16(56))
    file += little(UInt16(headers)) + little(UInt16(64)) + little(UInt16(sections + (sections > 0 ? 1 : 0)))
    file += little(UInt16(sections > 0 ? 3 : 0))
    func segment(_ kind: UInt32, _ start: Int, _ size: Int) -> [UInt8] {
      little(kind) + little(UInt32(5)) + little(UInt64(start)) + little(UInt64(start)) + little(UInt64(start))
        + little(UInt64(size)) + little(UInt64(size)) + little(UInt64(8))
    }
    file += segment(1, 0, end) + segment(2, dynamicStart, dynamic.count * 16)
    if interpreter != nil { file += segment(3, interpreterStart, interpreterText.count) }
    file += symbols + hash + strings + interpreterText
    file += [UInt8](repeating: 0, count: dynamicStart - file.count)
    for (tag, value) in dynamic { file += little(tag) + little(value) }
    guard sections > 0 else { return file }
    file += [UInt8](repeating: 0xDB, count: debugBytes) + names
    func section(_ name: UInt32, _ kind: UInt32, _ flags: UInt64, _ start: Int, _ size: Int) -> [UInt8] {
      little(name) + little(kind) + little(flags) + little(UInt64(start)) + little(UInt64(start)) + little(UInt64(size))
        + little(UInt32(0)) + little(UInt32(0)) + little(UInt64(1)) + little(UInt64(0))
    }
    file += [UInt8](repeating: 0, count: 64) + section(1, 6, 3, dynamicStart, dynamic.count * 16)
    file += section(10, 1, 0, end, debugBytes) + section(0, 3, 0, end + debugBytes, names.count)
    return file
  }
}
