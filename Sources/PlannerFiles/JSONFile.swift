import Foundation
import PlannerCore

/// The project's JSON: sorted keys, indented, one value a file with `kind` and `schemaVersion`.
public enum JSONFile {
  public static func encode(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    // JSON has no infinity; a percentile that lies among failed requests has one.
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
    return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
  }

  /// JSON of a value on one line, for files that hold a value a line.
  ///
  /// - Returns: text that ends in the only line break in it.
  public static func encodeLine(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
  }

  /// Reads what `encodeLine` wrote, without a look at kind and version.
  ///
  /// - Throws: `DecodingError`.
  public static func decodeLine<Value: Decodable>(_ type: Value.Type, from line: String) throws -> Value {
    try JSONDecoder().decode(Value.self, from: Data(line.utf8))
  }

  public static func write(_ value: some Encodable, to path: String) throws {
    try AtomicFile.write(try encode(value), to: path)
  }

  /// Reads a file of that kind.
  ///
  /// - Parameter oldest: the oldest version that `type` reads; nil reads `schemaVersion` alone.
  /// - Throws: `FileError` that names file and key.
  public static func read<Value: Decodable>(
    _ type: Value.Type, from path: String, kind: String, schemaVersion: Int, oldest: Int? = nil
  ) throws(FileError) -> Value {
    try decode(
      type, from: try AtomicFile.read(path), path: path, kind: kind, schemaVersion: schemaVersion, oldest: oldest)
  }

  /// Reads the text of such a file, which came from `path`.
  ///
  /// - Parameter oldest: the oldest version that `type` reads; nil reads `schemaVersion` alone.
  /// - Throws: `FileError` that names `path` and key.
  public static func decode<Value: Decodable>(
    _ type: Value.Type, from text: String, path: String, kind: String, schemaVersion: Int, oldest: Int? = nil
  ) throws(FileError) -> Value {
    func bad(_ key: String?, _ message: String, _ remedy: String? = nil) -> FileError {
      FileError(.badData, [FileProblem(file: path, key: key, message: message, remedy: remedy)])
    }
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
    let data = Data(text.utf8)
    let header: Header
    do {
      header = try decoder.decode(Header.self, from: data)
    } catch DecodingError.dataCorrupted(_) {
      throw bad(nil, "is not JSON, or was cut off", "write it again with the command that made it")
    } catch {
      throw bad(nil, "is JSON, but not one of this program's files: \(Self.describe(error).message)")
    }
    guard header.kind == kind else {
      throw bad("kind", "is '\(header.kind)' where a \(kind) is needed", "name a file that holds a \(kind)")
    }
    guard (min(oldest ?? schemaVersion, schemaVersion)...schemaVersion).contains(header.schemaVersion) else {
      let known = oldest.map { $0 < schemaVersion ? "\($0) to " : "" } ?? ""
      throw bad(
        "schemaVersion", "is \(header.schemaVersion); this program reads \(known)\(schemaVersion)",
        header.schemaVersion > schemaVersion ? "use a newer planner" : "write the file again with this planner")
    }
    do {
      return try decoder.decode(Value.self, from: data)
    } catch {
      let problem = Self.describe(error)
      throw bad(problem.key, problem.message, "write it again with the command that made it")
    }
  }

  private struct Header: Decodable {
    var kind: String
    var schemaVersion: Int
  }

  private static func describe(_ error: any Error) -> (key: String?, message: String) {
    guard let error = error as? DecodingError else { return (nil, "\(error)") }
    func path(_ context: DecodingError.Context, _ last: (any CodingKey)? = nil) -> String {
      var text = ""
      for key in context.codingPath + (last.map { [$0] } ?? []) {
        if let index = key.intValue {
          text += "[\(index)]"
        } else {
          text += (text.isEmpty ? "" : ".") + key.stringValue
        }
      }
      return text
    }
    switch error {
    case .keyNotFound(let key, let context): return (path(context, key), "is missing")
    case .typeMismatch(let type, let context): return (path(context), "is not a \(type)")
    case .valueNotFound(let type, let context): return (path(context), "is null where a \(type) is needed")
    case .dataCorrupted(let context): return (path(context), context.debugDescription)
    @unknown default: return (nil, "\(error)")
    }
  }
}
