import TestSupport

/// Goes through documents and their schema side by side.
struct SchemaWalk {
  let root: JSONValue

  /// Keys of the objects that were met, by the place of their schema: in all of them, and in any of them.
  private(set) var keysInAll: [String: Set<String>] = [:]
  private(set) var keysInAny: [String: Set<String>] = [:]

  init(_ validator: SchemaValidator) { root = validator.schema }

  mutating func visit(_ document: JSONValue) { visit(document, root, "#") }

  private mutating func visit(_ value: JSONValue, _ schema: JSONValue, _ place: String) {
    if let reference = schema["$ref"]?.text, let target = definition(reference) { visit(value, target, reference) }
    for (index, branch) in (schema["anyOf"]?.elements ?? []).enumerated() {
      visit(value, branch, "\(place)/anyOf/\(index)")
    }
    if let properties = schema["properties"]?.members, let members = value.members {
      let keys = Set(members.keys)
      keysInAll[place] = keysInAll[place].map { $0.intersection(keys) } ?? keys
      keysInAny[place, default: []].formUnion(keys)
      for (name, child) in properties {
        if let member = members[name] { visit(member, child, "\(place)/properties/\(name)") }
      }
    }
    if let items = schema["items"], let elements = value.elements {
      for element in elements { visit(element, items, "\(place)/items") }
    }
  }

  private func definition(_ reference: String) -> JSONValue? {
    root["$defs"]?[String(reference.dropFirst("#/$defs/".count))]
  }

  /// Every schema that has properties, with its place.
  func objects() -> [(place: String, schema: JSONValue)] {
    var found: [(String, JSONValue)] = []
    Self.collect(root, "#", &found)
    return found
  }

  private static func collect(_ schema: JSONValue, _ place: String, _ found: inout [(String, JSONValue)]) {
    if let properties = schema["properties"]?.members {
      found.append((place, schema))
      for (name, child) in properties { collect(child, "\(place)/properties/\(name)", &found) }
    }
    for (name, child) in schema["$defs"]?.members ?? [:] { collect(child, "#/$defs/\(name)", &found) }
    if let items = schema["items"] { collect(items, "\(place)/items", &found) }
    for (index, branch) in (schema["anyOf"]?.elements ?? []).enumerated() {
      collect(branch, "\(place)/anyOf/\(index)", &found)
    }
  }
}

extension JSONValue {
  /// The document with one value after another replaced or, where `change` returns nil for a key's value, removed.
  ///
  /// - Parameter change: given the path and the value; nil leaves the value out of the result, which only members of
  ///   objects can be; an empty list leaves it as it is.
  func variants(
    at path: String = "", changing change: (String, JSONValue) -> [JSONValue?]
  ) -> [(path: String, JSONValue)] {
    var found: [(String, JSONValue)] = []
    switch self {
    case .object(let members):
      for (name, value) in members.sorted(by: { $0.key < $1.key }) {
        let place = path.isEmpty ? name : "\(path).\(name)"
        for replacement in change(place, value) {
          var copy = members
          copy[name] = replacement
          found.append((place, .object(copy)))
        }
        for (deeper, variant) in value.variants(at: place, changing: change) {
          var copy = members
          copy[name] = variant
          found.append((deeper, .object(copy)))
        }
      }
    case .array(let elements):
      // Long lists are of one kind: their first two elements stand for all.
      for (index, value) in elements.enumerated().prefix(2) {
        let place = "\(path)[\(index)]"
        for replacement in change(place, value).compactMap({ $0 }) {
          var copy = elements
          copy[index] = replacement
          found.append((place, .array(copy)))
        }
        for (deeper, variant) in value.variants(at: place, changing: change) {
          var copy = elements
          copy[index] = variant
          found.append((deeper, .array(copy)))
        }
      }
    case .null, .bool, .number, .string: break
    }
    return found
  }
}
