/// A tar archive of one file (POSIX.1-1988 ustar), as containers are given files.
package enum TarFile {
  /// - Parameter name: of at most 99 bytes.
  package static func archive(_ name: String, _ content: [UInt8]) -> [UInt8] {
    precondition(name.utf8.count < 100 && !name.isEmpty, "a short name")
    var header = [UInt8](repeating: 0, count: 512)
    func put(_ text: String, at offset: Int) {
      for (index, byte) in text.utf8.enumerated() { header[offset + index] = byte }
    }
    func octal(_ number: Int, digits: Int) -> String {
      let text = String(number, radix: 8)
      return String(repeating: "0", count: digits - text.count) + text
    }
    put(name, at: 0)
    put(octal(0o644, digits: 7), at: 100)
    put(octal(0, digits: 7), at: 108)
    put(octal(0, digits: 7), at: 116)
    put(octal(content.count, digits: 11), at: 124)
    put(octal(0, digits: 11), at: 136)
    // The sum is taken with blanks in its own place.
    put("        ", at: 148)
    put("0", at: 156)
    put("ustar", at: 257)
    put("00", at: 263)
    put(octal(header.reduce(0) { $0 + Int($1) }, digits: 6), at: 148)
    header[154] = 0
    let padding = [UInt8](repeating: 0, count: (512 - content.count % 512) % 512 + 1024)
    return header + content + padding
  }
}
