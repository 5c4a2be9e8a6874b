import Foundation

/// The part of JSON Schema (2020-12) that docs/schemas uses: type, enum, required, properties, items, anyOf and
/// references to `$defs`.
struct SchemaValidator {
  private let root: [String: Any]

  init(file: String) throws {
    let data = try Data(contentsOf: URL(fileURLWithPath: file))
    root = try JSONSerialization.jsonObject(with: data) as? [String: Any] ?? [:]
  }

  init(schema: [String: Any]) { root = schema }

  /// Where the value does not fit, and why; empty where it does.
  func problems(_ value: Any) -> [String] { check(value, root, "$") }

  private func check(_ value: Any, _ schema: [String: Any], _ path: String) -> [String] {
    if let reference = schema["$ref"] as? String {
      let name = reference.split(separator: "/").last.map(String.init) ?? ""
      guard let target = (root["$defs"] as? [String: Any])?[name] as? [String: Any] else {
        return ["\(path): \(reference) leads nowhere"]
      }
      return check(value, target, path)
    }
    if let options = schema["anyOf"] as? [[String: Any]] {
      let results = options.map { check(value, $0, path) }
      return results.contains { $0.isEmpty } ? [] : ["\(path): fits none of the choices: \(results)"]
    }
    if let allowed = schema["enum"] as? [AnyHashable] {
      guard let value = value as? AnyHashable, allowed.contains(value) else { return ["\(path): is not in the list"] }
    }
    if let type = schema["type"] as? String, !Self.fits(value, type) { return ["\(path): is no \(type)"] }
    var found: [String] = []
    if let object = value as? [String: Any] {
      for key in schema["required"] as? [String] ?? [] where object[key] == nil {
        found.append("\(path).\(key): is missing")
      }
      let properties = schema["properties"] as? [String: [String: Any]] ?? [:]
      for key in object.keys.sorted() {
        if let inner = properties[key], let value = object[key] { found += check(value, inner, "\(path).\(key)") }
      }
    }
    if let list = value as? [Any], let items = schema["items"] as? [String: Any] {
      for (index, element) in list.enumerated() { found += check(element, items, "\(path)[\(index)]") }
    }
    return found
  }

  private static func fits(_ value: Any, _ type: String) -> Bool {
    // Foundation keeps JSON's numbers and booleans in one class; only its own type tells them apart.
    let isBoolean = (value as? NSNumber).map { String(cString: $0.objCType) == "c" } ?? false
    switch type {
    case "object": return value is [String: Any]
    case "array": return value is [Any]
    case "string": return value is String
    case "boolean": return isBoolean
    case "null": return value is NSNull
    case "number": return value is NSNumber && !isBoolean
    case "integer":
      guard !isBoolean, let number = (value as? NSNumber)?.doubleValue else { return false }
      return number == number.rounded()
    default: return false
    }
  }
}
