/// Licences that a Debian package's copyright file names, as SPDX writes them.
///
/// Form of the file: "Machine-readable debian/copyright file", version 1.0. Its short names are Debian's own; those
/// that mean a licence of SPDX's list are written as that, every other one as a reference.
package struct Licences {
  /// Expressions of the licences, each once, ascending; empty where the file is in prose.
  package private(set) var expressions: [String] = []
  /// Those of them that are references, with the name that the file has for each.
  package private(set) var references: [String: String] = [:]

  package init(copyright text: String) {
    guard text.hasPrefix("Format:") else { return }
    var found: Set<String> = []
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    for (number, line) in lines.enumerated() where line.hasPrefix("License:") {
      var name = line.dropFirst("License:".count).trimmed
      // The name may stand on the next line.
      if name.isEmpty, number + 1 < lines.count, lines[number + 1].first == " " { name = lines[number + 1].trimmed }
      guard !name.isEmpty else { continue }
      if let known = Self.known[name.lowercased()] {
        found.insert(known)
      } else {
        let reference = Self.reference(name)
        references[reference] = name
        found.insert(reference)
      }
    }
    expressions = found.sorted()
  }

  /// All licences together, as one expression; nil where none is known.
  package var expression: String? { expressions.isEmpty ? nil : expressions.joined(separator: " AND ") }

  package static func reference(_ name: String) -> String {
    let safe = name.map { character -> Character in
      character.isASCII && (character.isLetter || character.isNumber || character == ".") ? character : "-"
    }
    return "LicenseRef-Debian-" + String(safe)
  }

  /// Debian's short names in lower case, and SPDX's. https://spdx.org/licenses/
  private static let known: [String: String] = [
    "agpl-3": "AGPL-3.0-only", "apache-2.0": "Apache-2.0", "artistic": "Artistic-1.0", "artistic-2.0": "Artistic-2.0",
    "bsd-2-clause": "BSD-2-Clause", "bsd-3-clause": "BSD-3-Clause", "bsd-4-clause": "BSD-4-Clause",
    "bsd-4-clause-uc": "BSD-4-Clause-UC", "bsl-1.0": "BSL-1.0", "boost-1.0": "BSL-1.0", "cc0": "CC0-1.0",
    "cc0-1.0": "CC0-1.0", "cc-by-sa-4.0": "CC-BY-SA-4.0", "curl": "curl", "expat": "MIT", "mit": "MIT", "x11": "X11",
    "fsfullr": "FSFULLR", "gpl-1": "GPL-1.0-only", "gpl-1+": "GPL-1.0-or-later", "gpl-2": "GPL-2.0-only",
    "gpl-2.0": "GPL-2.0-only", "gpl-2+": "GPL-2.0-or-later", "gpl-2.0+": "GPL-2.0-or-later", "gpl-3": "GPL-3.0-only",
    "gpl-3.0": "GPL-3.0-only", "gpl-3+": "GPL-3.0-or-later", "gpl-3.0+": "GPL-3.0-or-later", "isc": "ISC",
    "lgpl-2": "LGPL-2.0-only", "lgpl-2+": "LGPL-2.0-or-later", "lgpl-2.1": "LGPL-2.1-only",
    "lgpl-2.1+": "LGPL-2.1-or-later", "lgpl-3": "LGPL-3.0-only", "lgpl-3+": "LGPL-3.0-or-later",
    "lgpl-3.0+": "LGPL-3.0-or-later", "mpl-1.1": "MPL-1.1", "mpl-2.0": "MPL-2.0", "ntp": "NTP",
    "oldap-2.8": "OLDAP-2.8", "openldap-2.8": "OLDAP-2.8", "openssl": "OpenSSL", "python": "Python-2.0",
    "unlicense": "Unlicense", "zlib": "Zlib",
    "gpl-3+ with gcc-runtime exception": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "gpl-2+ with autoconf exception": "GPL-2.0-or-later WITH Autoconf-exception-2.0",
    "gpl-3+ with autoconf exception": "GPL-3.0-or-later WITH Autoconf-exception-3.0",
    "gpl-2+ with libtool exception": "GPL-2.0-or-later WITH Libtool-exception",
    "gpl-3+ with libtool exception": "GPL-3.0-or-later WITH Libtool-exception",
  ]
}

extension Substring {
  fileprivate var trimmed: String {
    var text = self
    while text.first?.isWhitespace == true { text.removeFirst() }
    while text.last?.isWhitespace == true { text.removeLast() }
    return String(text)
  }
}
