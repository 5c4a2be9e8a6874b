import PlannerCore
import Yams

/// Reads a YAML mapping key by key, collecting every problem with its line instead of stopping at the first.
final class YAMLReader {
  let file: String
  private(set) var problems: [FileProblem] = []

  init(file: String) { self.file = file }

  func report(_ node: Node?, _ key: String, _ message: String, _ remedy: String? = nil) {
    problems.append(FileProblem(file: file, line: node?.mark?.line, key: key, message: message, remedy: remedy))
  }

  /// Adds what is wrong with another file that this one names.
  func report(_ error: FileError) { problems += error.problems }

  /// - Throws: `FileError` with all that was reported.
  func check() throws(FileError) {
    if !problems.isEmpty { throw FileError(.badData, problems) }
  }

  /// The file's top mapping.
  ///
  /// - Throws: `FileError` where the file cannot be read, is not YAML or not a mapping.
  static func open(_ path: String) throws(FileError) -> (YAMLReader, YAMLMap) {
    let text = try AtomicFile.read(path)
    let reader = YAMLReader(file: path)
    let root: Node?
    do {
      root = try compose(yaml: text)
    } catch {
      let line: Int? =
        if let error = error as? YamlError, case .parser(_, _, let mark, _) = error { mark.line } else { nil }
      throw FileError(.badData, [FileProblem(file: path, line: line, message: "is not YAML")])
    }
    guard let root, case .mapping(let mapping) = root else {
      throw FileError(.badData, [FileProblem(file: path, message: "holds no mapping of keys to values")])
    }
    return (reader, YAMLMap(node: root, mapping: mapping, path: "", reader: reader))
  }
}

/// One mapping of a YAML file.
struct YAMLMap {
  let node: Node
  let mapping: Node.Mapping
  let path: String
  let reader: YAMLReader

  func key(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

  /// Reports every key that is not in `names`, with the nearest one that is.
  func allow(_ names: [String]) {
    for (found, _) in mapping {
      guard let name = found.string else {
        reader.report(found, path, "has a key that is not text")
        continue
      }
      if !names.contains(name) {
        reader.report(found, key(name), "is not a known key", "known here: \(names.joined(separator: ", "))")
      }
    }
  }

  func node(_ name: String) -> Node? { mapping[Node(name)] }

  func required(_ name: String) -> Node? {
    guard let value = node(name) else {
      reader.report(node, key(name), "is missing")
      return nil
    }
    return value
  }

  func text(_ name: String) -> String? {
    guard let value = node(name) else { return nil }
    guard let text = value.scalar?.string, !text.isEmpty else {
      reader.report(value, key(name), "is not text")
      return nil
    }
    return text
  }

  /// A whole number in `range`; `fallback` where the key is missing, or wrong and reported.
  func integer(_ name: String, in range: ClosedRange<Int>, fallback: Int) -> Int {
    guard let value = node(name) else { return fallback }
    guard let text = value.scalar?.string, let number = Int(text), range.contains(number) else {
      reader.report(value, key(name), "is not a whole number from \(range.lowerBound) to \(range.upperBound)")
      return fallback
    }
    return number
  }

  /// A finite number above `minimum` (or equal to it, if `inclusive`).
  func number(_ name: String, above minimum: Double, inclusive: Bool = false) -> Double? {
    guard let value = required(name) else { return nil }
    guard let text = value.scalar?.string, let number = Double(text), number.isFinite,
      number > minimum || (inclusive && number == minimum)
    else {
      reader.report(value, key(name), "is not a number \(inclusive ? "≥" : ">") \(minimum)")
      return nil
    }
    return number
  }

  /// A duration in seconds; nil where the key is missing, or wrong and reported.
  func seconds(_ name: String) -> Double? {
    guard let value = node(name) else { return nil }
    guard let text = value.scalar?.string, let seconds = Quantity.seconds(text) else {
      reader.report(value, key(name), "is not a time", "write a number with us, ms, s, m or h, such as 10ms")
      return nil
    }
    return seconds
  }

  func requiredSeconds(_ name: String) -> Double? { required(name) == nil ? nil : seconds(name) }

  func map(_ name: String) -> YAMLMap? {
    guard let value = node(name) else { return nil }
    guard case .mapping(let mapping) = value else {
      reader.report(value, key(name), "is not a mapping of keys to values")
      return nil
    }
    return YAMLMap(node: value, mapping: mapping, path: key(name), reader: reader)
  }

  func requiredMap(_ name: String) -> YAMLMap? { required(name) == nil ? nil : map(name) }

  /// The mappings of a list that must have at least one.
  func maps(_ name: String) -> [YAMLMap] {
    guard let value = required(name) else { return [] }
    guard case .sequence(let sequence) = value, !sequence.isEmpty else {
      reader.report(value, key(name), "is not a list with at least one entry")
      return []
    }
    return sequence.enumerated().compactMap { index, entry in
      guard case .mapping(let mapping) = entry else {
        reader.report(entry, "\(key(name))[\(index)]", "is not a mapping of keys to values")
        return nil
      }
      return YAMLMap(node: entry, mapping: mapping, path: "\(key(name))[\(index)]", reader: reader)
    }
  }
}
