import Foundation

/// A file's path and content.
struct SourceFile {
  var path: String
  var text: String
}

/// Which folder of a target may mention the types of which other.
enum FolderDirections {
  /// - Parameters:
  ///   - files: a target's sources; their paths begin with the folder.
  ///   - allowed: for each folder, the folders whose types it may mention; "" is the target's own.
  /// - Returns: one sentence a violation, in the order of the files.
  static func findings(_ files: [SourceFile], allowed: [String: Set<String>]) -> [String] {
    var homes: [String: String] = [:]
    let folders = files.map { folder($0.path) }
    for (file, folder) in zip(files, folders) { for name in declaredTypes(file.text) { homes[name] = folder } }
    var found = Set(folders).subtracting(allowed.keys).sorted().map { "the folder \($0) is in no table" }
    for (file, folder) in zip(files, folders) {
      let tokens = SwiftText(file.text).tokens
      for (index, token) in tokens.enumerated() {
        guard let home = homes[token.text], home != folder, allowed[folder]?.contains(home) != true else { continue }
        if index > 0, tokens[index - 1].text == "." { continue }
        found.append("\(file.path):\(token.line) mentions \(token.text), which is in \(home)")
      }
    }
    return found
  }

  /// The folder of a path within a target; empty where the file lies in the target's own.
  static func folder(_ path: String) -> String { path.contains("/") ? String(path.prefix { $0 != "/" }) : "" }

  /// Types that a source declares outside of any other type.
  static func declaredTypes(_ source: String) -> [String] {
    let tokens = SwiftText(source).tokens
    var depth = 0
    var names: [String] = []
    for (index, token) in tokens.enumerated() {
      if token.text == "{" { depth += 1 }
      if token.text == "}" { depth -= 1 }
      let keywords = ["struct", "enum", "class", "actor", "protocol", "typealias"]
      guard depth == 0, keywords.contains(token.text) else { continue }
      if index + 1 < tokens.count { names.append(tokens[index + 1].text) }
    }
    return names
  }

  /// A folder that may reach itself by the table; nil where there is none.
  static func circle(_ allowed: [String: Set<String>]) -> String? {
    allowed.keys.sorted().first { start in
      var reached: Set<String> = []
      var next = allowed[start] ?? []
      while let folder = next.popFirst() {
        reached.insert(folder)
        next.formUnion((allowed[folder] ?? []).subtracting(reached))
      }
      return reached.contains(start)
    }
  }
}

/// The folders of the targets of a package, read from its manifest.
enum TargetFolders {
  static func read(_ manifest: String) -> [String] {
    let targets = /\.(target|executableTarget|testTarget|systemLibrary)\(\s*name: "(?<name>[^"]+)"/
    return manifest.matches(of: targets).map { match in
      var depth = 0
      let call = manifest[match.range.lowerBound...].prefix { character in
        if character == "(" { depth += 1 }
        if character == ")" { depth -= 1 }
        return character != ")" || depth > 0
      }
      if let path = call.firstMatch(of: /path: "([^"]+)"/) { return String(path.output.1) }
      return (match.output.1 == "testTarget" ? "Tests/" : "Sources/") + match.name
    }
  }

  /// Swift files that are in no target: nothing compiles them.
  static func orphans(_ paths: [String], folders: [String]) -> [String] {
    paths.filter { path in
      path.hasSuffix(".swift") && path != "Package.swift" && !folders.contains { path.hasPrefix($0 + "/") }
    }
  }
}

/// The form of CHANGELOG.md: a title, perhaps a paragraph; versions, newest first; in each, parts with entries that are
/// whole sentences.
enum Changelog {
  static let parts: Set = ["Added", "Changed", "Fixed", "Removed", "Predictions"]

  static func findings(_ text: String) -> [Finding] {
    var found: [Finding] = []
    var versions: [[Int]] = []
    var isInPart = false
    var entry = ""
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    if lines.first != "# Changelog" { found.append(Finding(line: 1, text: "the title is not \"# Changelog\"")) }
    for (index, line) in lines.enumerated().dropFirst() {
      let number = index + 1
      func report(_ text: String) { found.append(Finding(line: number, text: text)) }
      if !entry.isEmpty, !line.hasPrefix("  ") {
        if !entry.hasSuffix(".") { found.append(Finding(line: number - 1, text: "the entry is no sentence")) }
        entry = ""
      }
      if line.hasPrefix("## ") {
        isInPart = false
        guard let version = version(line, isFirst: versions.isEmpty) else {
          report("a version is written \"## 1.2.3 (2026-11-24)\", the first one perhaps \"(unreleased)\"")
          continue
        }
        if let last = versions.last, !version.lexicographicallyPrecedes(last) { report("versions stand newest first") }
        versions.append(version)
      } else if line.hasPrefix("### ") {
        isInPart = true
        // `### Added: the server`, `### Fixed (2026-11-26)`
        let name = String(line.dropFirst(4).prefix { $0.isLetter })
        if !parts.contains(name) { report("\(name) is no part; use \(parts.sorted().joined(separator: ", "))") }
      } else if line.hasPrefix("- ") {
        if !isInPart { report("the entry is in no part") }
        entry = line
      } else if line.hasPrefix("  "), !entry.isEmpty {
        entry = line
      } else if !line.isEmpty, !versions.isEmpty {
        report("neither a heading nor an entry")
      }
    }
    return found
  }

  private static func version(_ line: String, isFirst: Bool) -> [Int]? {
    let form = /## (\d+)\.(\d+)\.(\d+) \((\d{4}-\d{2}-\d{2}|unreleased)\)/
    guard let match = line.wholeMatch(of: form) else { return nil }
    if match.output.4 == "unreleased", !isFirst { return nil }
    return [match.output.1, match.output.2, match.output.3].compactMap { Int($0) }
  }
}

/// docs/decisions/README.md names every record, and records have a form.
enum DecisionIndex {
  static func findings(_ index: String, _ records: [SourceFile]) -> [String] {
    var found: [String] = []
    for record in records {
      let number = String(record.path.prefix(4))
      let heading = record.text.prefix { $0 != "\n" }
      let title = heading.drop { $0 != " " }.dropFirst().drop { $0 != " " }.dropFirst()
      if !index.contains("| [\(number)](\(record.path)) | \(title) |") {
        found.append("\(record.path) is not in the index, or not with its title")
      }
      if Int(number) == nil || !heading.hasPrefix("# \(Int(number) ?? 0). ") {
        found.append("\(record.path) has another number in its title")
      }
      for part in ["**Context.**", "**Decision.**"] where !record.text.contains(part) {
        found.append("\(record.path) lacks \(part)")
      }
    }
    let numbers = records.map { String($0.path.prefix(4)) }
    return found
      + Set(numbers).sorted().filter { number in numbers.count { $0 == number } > 1 }.map {
        "\($0) is the number of several records"
      }
  }
}

/// Links of Markdown files to other files of the project.
enum Links {
  static func targets(_ text: String) -> [String] {
    text.matches(of: /\]\((?<target>[^)#\s]+)[^)]*\)/).map { String($0.target) }.filter { !$0.contains("://") }
  }
}
