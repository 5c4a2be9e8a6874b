import APIClient
import Foundation
import PlannerFiles
import Yams

/// How a cluster is reached and by whom, as kubeconfig files say it: clusters, users and contexts by name.
///
/// Of several files the first that names something decides, as with kubectl; paths in a file are relative to it.
struct Kubeconfig {
  /// An entry with the file that it is from.
  struct Entry {
    var file: String
    var line: Int?
    /// `users[2]`, by which problems are found again.
    var key: String
    var node: Node

    var folder: String { (file as NSString).deletingLastPathComponent }
  }

  private(set) var clusters: [String: Entry] = [:]
  private(set) var users: [String: Entry] = [:]
  private(set) var contexts: [String: Entry] = [:]
  private(set) var currentContext: String?
  /// Files that were read, for messages.
  private(set) var files: [String] = []

  static let mostBytes = 8 << 20

  /// The files that kubectl would read: those in KUBECONFIG, or `~/.kube/config`. Missing ones are skipped.
  ///
  /// - Throws: `FileError` where one cannot be read, or makes no sense.
  static func load(environment: [String: String]) throws(FileError) -> Kubeconfig {
    var config = Kubeconfig()
    let named = (environment["KUBECONFIG"] ?? "").split(separator: ":").map(String.init)
    let home = environment["HOME"] ?? NSHomeDirectory()
    var seen: Set<String> = []
    for file in named.isEmpty ? ["\(home)/.kube/config"] : named where seen.insert(file).inserted {
      if FileManager.default.fileExists(atPath: file) { try config.read(file) }
    }
    return config
  }

  private mutating func read(_ file: String) throws(FileError) {
    let text = try AtomicFile.read(file)
    guard text.utf8.count <= Self.mostBytes else {
      throw Self.bad(file, nil, nil, "is larger than 8 MiB", "is it a kubeconfig?")
    }
    let root: Node?
    do {
      root = try compose(yaml: text)
    } catch {
      var line: Int?
      if let error = error as? YamlError, case .parser(_, _, let mark, _) = error { line = mark.line }
      // What stands there may be a secret: it is not repeated.
      throw Self.bad(file, line, nil, "is not YAML", nil)
    }
    guard let root, let mapping = root.mapping else {
      throw Self.bad(file, nil, nil, "holds no mapping of keys to values", "is it a kubeconfig?")
    }
    if let kind = mapping["kind"]?.string, kind != "Config" {
      throw Self.bad(file, mapping["kind"]?.mark?.line, "kind", "is '\(kind.prefix(40))', not Config", nil)
    }
    files.append(file)
    if let current = mapping["current-context"]?.string, !current.isEmpty, currentContext == nil {
      currentContext = current
    }
    try add(mapping, "clusters", "cluster", file, to: &clusters)
    try add(mapping, "users", "user", file, to: &users)
    try add(mapping, "contexts", "context", file, to: &contexts)
  }

  private func add(
    _ root: Node.Mapping, _ list: String, _ key: String, _ file: String, to entries: inout [String: Entry]
  ) throws(FileError) {
    guard let node = root[Node(list)] else { return }
    // `clusters: null` and `clusters: []` are both nothing.
    guard let sequence = node.sequence else {
      if let text = node.scalar?.string, text.isEmpty || text == "null" || text == "~" { return }
      throw Self.bad(file, node.mark?.line, list, "is not a list", nil)
    }
    for (index, item) in sequence.enumerated() {
      let place = "\(list)[\(index)]"
      guard let name = item.mapping?["name"]?.string, !name.isEmpty else {
        throw Self.bad(file, item.mark?.line, "\(place).name", "is missing", nil)
      }
      guard let value = item.mapping?[Node(key)], value.mapping != nil else { continue }
      if entries[name] == nil {
        entries[name] = Entry(file: file, line: value.mark?.line, key: "\(place).\(key)", node: value)
      }
    }
  }

  static func bad(_ file: String, _ line: Int?, _ key: String?, _ message: String, _ remedy: String?) -> FileError {
    FileError(.badData, [FileProblem(file: file, line: line, key: key, message: message, remedy: remedy)])
  }
}

extension Kubeconfig.Entry {
  func bad(_ name: String, _ message: String, _ remedy: String? = nil) -> FileError {
    Kubeconfig.bad(file, node.mapping?[Node(name)]?.mark?.line ?? line, "\(key).\(name)", message, remedy)
  }

  /// The text at a key; nil where it is missing or empty.
  func text(_ name: String) throws(FileError) -> String? {
    guard let value = node.mapping?[Node(name)] else { return nil }
    guard let text = value.scalar?.string else { throw bad(name, "is not text") }
    return text.isEmpty ? nil : text
  }

  func flag(_ name: String) throws(FileError) -> Bool {
    switch try text(name) {
    case nil, "false": return false
    case "true": return true
    default: throw bad(name, "is neither true nor false")
    }
  }

  /// A path as the file means it.
  func path(_ text: String) -> String { text.hasPrefix("/") ? text : folder.isEmpty ? text : "\(folder)/\(text)" }

  /// The bytes that `name-data` holds in base64, or that the file has which `name` names; the former where both are
  /// there.
  func bytes(_ name: String) throws(FileError) -> [UInt8]? {
    if let encoded = try text("\(name)-data") {
      guard let data = Data(base64Encoded: encoded, options: .ignoreUnknownCharacters), !data.isEmpty else {
        throw bad("\(name)-data", "is not base64")
      }
      return Array(data)
    }
    guard let path = try text(name).map(path) else { return nil }
    guard let size = (try? FileManager.default.attributesOfItem(atPath: path))?[.size] as? Int else {
      throw bad(name, "names \(path), which is not there")
    }
    guard size <= 1 << 20 else { throw bad(name, "names \(path), which is larger than 1 MiB") }
    guard let data = FileManager.default.contents(atPath: path) else {
      throw bad(name, "names \(path), which cannot be read")
    }
    return Array(data)
  }
}
