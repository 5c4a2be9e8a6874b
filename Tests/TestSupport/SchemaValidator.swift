import Foundation

/// Validates JSON against the part of JSON Schema (draft 2020-12) that this project's schemas use.
///
/// A schema with any other keyword is refused: a keyword that is not understood would check nothing and look as
/// if it did.
public struct SchemaValidator: Sendable {
  /// The schema as it was read.
  public let schema: JSONValue

  private static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path
  /// Where the schemas that ship lie.
  public static let shippedFolder = repository + "/docs/schemas"

  /// - Throws: `SchemaError` with everything that is wrong with the schema; `DecodingError` where it is no JSON.
  public init(schema text: String) throws {
    schema = try JSONValue(parsing: text)
    var problems: [String] = []
    Self.check(schema, definitions: schema["$defs"]?.members ?? [:], at: "#", &problems)
    if !problems.isEmpty { throw SchemaError(problems: problems) }
  }

  /// The schema `docs/schemas/<name>.schema.json`.
  public static func shipped(_ name: String) throws -> SchemaValidator {
    try SchemaValidator(
      schema: String(contentsOfFile: "\(shippedFolder)/\(name).schema.json", encoding: .utf8))
  }

  /// Names of the schemas that ship, ascending.
  public static func shippedNames() throws -> [String] {
    let suffix = ".schema.json"
    return try FileManager.default.contentsOfDirectory(atPath: shippedFolder).filter { $0.hasSuffix(suffix) }
      .map { String($0.dropLast(suffix.count)) }.sorted()
  }

  /// - Parameter strict: report keys, too, that the schema allows and does not describe.
  /// - Returns: what the schema does not allow; empty for a valid document.
  public func violations(in text: String, strict: Bool = false) throws -> [SchemaViolation] {
    violations(in: try JSONValue(parsing: text), strict: strict)
  }

  public func violations(in document: JSONValue, strict: Bool = false) -> [SchemaViolation] {
    var walk = Walk(definitions: schema["$defs"]?.members ?? [:], strict: strict)
    walk.validate(document, schema, "")
    return walk.violations
  }
}

// MARK: - Schemas

extension SchemaValidator {
  private static let annotations: Set<String> = [
    "$schema", "$id", "$comment", "title", "description", "examples", "default", "format",
  ]
  private static let numberKeywords: Set<String> = [
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems", "minLength",
  ]
  private static let typeNames: Set<String> = ["null", "boolean", "number", "integer", "string", "array", "object"]

  private static func check(
    _ schema: JSONValue, definitions: [String: JSONValue], at place: String, _ problems: inout [String]
  ) {
    if case .bool = schema { return }
    guard let keywords = schema.members else {
      problems.append("\(place): is neither an object nor true or false")
      return
    }
    for (keyword, value) in keywords.sorted(by: { $0.key < $1.key }) {
      let here = "\(place)/\(keyword)"
      switch keyword {
      case "properties", "$defs":
        guard let members = value.members else {
          problems.append("\(here): is not an object")
          continue
        }
        for (name, child) in members.sorted(by: { $0.key < $1.key }) {
          check(child, definitions: definitions, at: "\(here)/\(name)", &problems)
        }
      case "items", "additionalProperties": check(value, definitions: definitions, at: here, &problems)
      case "anyOf":
        guard let branches = value.elements, !branches.isEmpty else {
          problems.append("\(here): is not a list of schemas")
          continue
        }
        for (index, branch) in branches.enumerated() {
          check(branch, definitions: definitions, at: "\(here)/\(index)", &problems)
        }
      default:
        if let problem = problem(with: keyword, value, definitions) { problems.append("\(here): \(problem)") }
      }
    }
  }

  /// Keywords that hold no schema of their own.
  private static func problem(
    with keyword: String, _ value: JSONValue, _ definitions: [String: JSONValue]
  ) -> String? {
    switch keyword {
    case "$ref":
      guard let name = value.text.flatMap(definitionName), definitions[name] != nil else { return "leads nowhere" }
    case "type":
      let names = value.elements ?? [value]
      guard !names.isEmpty, names.allSatisfy({ $0.text.map(typeNames.contains) ?? false }) else {
        return "is not a type"
      }
    case "required":
      guard let names = value.elements, names.allSatisfy({ $0.text != nil }) else { return "is not a list of keys" }
    case "enum":
      guard value.elements?.isEmpty == false else { return "is not a list of values" }
    case "pattern":
      guard let pattern = value.text, (try? Regex(pattern)) != nil else { return "is not a regular expression" }
    case "const": break
    default:
      if annotations.contains(keyword) { return nil }
      guard numberKeywords.contains(keyword) else { return "is a keyword that this validator does not know" }
      guard case .number = value else { return "is not a number" }
    }
    return nil
  }

  fileprivate static func definitionName(_ reference: String) -> String? {
    let prefix = "#/$defs/"
    return reference.hasPrefix(prefix) ? String(reference.dropFirst(prefix.count)) : nil
  }
}

// MARK: - Documents

private struct Walk {
  let definitions: [String: JSONValue]
  let strict: Bool
  var violations: [SchemaViolation] = []

  init(definitions: [String: JSONValue], strict: Bool) {
    self.definitions = definitions
    self.strict = strict
  }

  mutating func report(_ path: String, _ message: String) {
    violations.append(SchemaViolation(path: path, message: message))
  }

  mutating func validate(_ value: JSONValue, _ schema: JSONValue, _ path: String) {
    if case .bool(let isAllowed) = schema {
      if !isAllowed { report(path, "is not allowed here") }
      return
    }
    guard let keywords = schema.members else { return }
    if let name = keywords["$ref"]?.text.flatMap(SchemaValidator.definitionName), let target = definitions[name] {
      validate(value, target, path)
    }
    if let types = keywords["type"] {
      let names = (types.elements ?? [types]).compactMap(\.text)
      guard names.contains(where: value.types.contains) else {
        return report(path, "is not of type \(names.joined(separator: " or "))")
      }
    }
    if let allowed = keywords["enum"]?.elements, !allowed.contains(value) { report(path, "is not among its values") }
    if let only = keywords["const"], only != value { report(path, "is not the one value that it may have") }
    if let branches = keywords["anyOf"]?.elements { validate(value, anyOf: branches, path) }
    switch value {
    case .number(let number): validate(number, keywords, path)
    case .string(let text): validate(text, keywords, path)
    case .array(let elements): validate(elements, keywords, path)
    case .object(let members): validate(members, keywords, path)
    case .null, .bool: break
    }
  }

  /// The branch that came furthest tells what is wrong.
  private mutating func validate(_ value: JSONValue, anyOf branches: [JSONValue], _ path: String) {
    var best: [SchemaViolation]?
    for branch in branches {
      var walk = Walk(definitions: definitions, strict: strict)
      walk.validate(value, branch, path)
      if walk.violations.isEmpty { return }
      // A branch for another type says nothing but that.
      if walk.violations.allSatisfy({ $0.path != path || !$0.message.hasPrefix("is not of type") }) {
        best = best ?? walk.violations
      }
    }
    if let best { violations += best } else { report(path, "is none of the forms that it may have") }
  }

  private mutating func validate(_ number: Double, _ keywords: [String: JSONValue], _ path: String) {
    if let least = limit("minimum", keywords), number < least { report(path, "is below \(least)") }
    if let most = limit("maximum", keywords), number > most { report(path, "is above \(most)") }
    if let least = limit("exclusiveMinimum", keywords), number <= least { report(path, "is not above \(least)") }
    if let most = limit("exclusiveMaximum", keywords), number >= most { report(path, "is not below \(most)") }
  }

  private mutating func validate(_ text: String, _ keywords: [String: JSONValue], _ path: String) {
    // Unicode scalars, as the specification counts.
    if let least = limit("minLength", keywords), Double(text.unicodeScalars.count) < least {
      report(path, "is too short")
    }
    guard let pattern = keywords["pattern"]?.text, let expression = try? Regex(pattern) else { return }
    if text.firstMatch(of: expression) == nil { report(path, "does not match \(pattern)") }
  }

  private mutating func validate(_ elements: [JSONValue], _ keywords: [String: JSONValue], _ path: String) {
    if let least = limit("minItems", keywords), Double(elements.count) < least { report(path, "has too few elements") }
    if let most = limit("maxItems", keywords), Double(elements.count) > most { report(path, "has too many elements") }
    guard let items = keywords["items"] else { return }
    for (index, element) in elements.enumerated() { validate(element, items, "\(path)[\(index)]") }
  }

  private mutating func validate(_ members: [String: JSONValue], _ keywords: [String: JSONValue], _ path: String) {
    let properties = keywords["properties"]?.members ?? [:]
    for name in (keywords["required"]?.elements ?? []).compactMap(\.text) where members[name] == nil {
      report(Self.join(path, name), "is missing")
    }
    for (name, value) in members.sorted(by: { $0.key < $1.key }) {
      let place = Self.join(path, name)
      if let property = properties[name] {
        validate(value, property, place)
      } else if let others = keywords["additionalProperties"], others != .bool(true) {
        validate(value, others, place)
      } else if strict, keywords["properties"] != nil {
        report(place, "is not described")
      }
    }
  }

  private func limit(_ keyword: String, _ keywords: [String: JSONValue]) -> Double? {
    guard case .number(let value)? = keywords[keyword] else { return nil }
    return value
  }

  private static func join(_ path: String, _ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }
}
