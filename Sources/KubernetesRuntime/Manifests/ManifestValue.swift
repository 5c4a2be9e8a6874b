import Foundation

/// A value of an object of the Kubernetes API, as it is put together here. Keys are written in ascending order, so that
/// equal values are equal bytes.
public enum ManifestValue: Hashable, Sendable {
  case bool(Bool)
  case integer(Int)
  case string(String)
  case array([ManifestValue])
  case object([String: ManifestValue])

  /// The members of an object; nil of anything else.
  public var members: [String: ManifestValue]? {
    if case .object(let members) = self { members } else { nil }
  }

  /// The elements of a list; nil of anything else.
  public var elements: [ManifestValue]? {
    if case .array(let elements) = self { elements } else { nil }
  }

  /// The text of a string; nil of anything else.
  public var text: String? {
    if case .string(let text) = self { text } else { nil }
  }

  /// The value at a key of an object; nil where it is no object or has no such key.
  public subscript(_ key: String) -> ManifestValue? {
    get { members?[key] }
    set {
      guard case .object(var members) = self else { return }
      members[key] = newValue
      self = .object(members)
    }
  }

  /// Labels, annotations and the like.
  static func strings(_ values: [String: String]) -> ManifestValue { .object(values.mapValues { .string($0) }) }

  /// JSON on one line.
  var jsonBytes: [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Strings, whole numbers and truth values: there is nothing that could not be encoded.
    guard let data = try? encoder.encode(self) else { preconditionFailure("manifests are plain values") }
    return Array(data)
  }
}

extension ManifestValue: Encodable {
  public func encode(to encoder: any Encoder) throws {
    var box = encoder.singleValueContainer()
    switch self {
    case .bool(let value): try box.encode(value)
    case .integer(let value): try box.encode(value)
    case .string(let value): try box.encode(value)
    case .array(let value): try box.encode(value)
    case .object(let value): try box.encode(value)
    }
  }
}

extension ManifestValue: Decodable {
  /// Members without a value are left out; numbers that are not whole become texts.
  public init(from decoder: any Decoder) throws {
    let box = try decoder.singleValueContainer()
    if let value = try? box.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? box.decode(Int.self) {
      self = .integer(value)
    } else if let value = try? box.decode(String.self) {
      self = .string(value)
    } else if let value = try? box.decode([ManifestValue?].self) {
      self = .array(value.compactMap(\.self))
    } else if let value = try? box.decode([String: ManifestValue?].self) {
      self = .object(value.compactMapValues(\.self))
    } else {
      self = .string(String(try box.decode(Double.self)))
    }
  }
}

extension ManifestValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  public init(stringLiteral value: String) { self = .string(value) }
  public init(integerLiteral value: Int) { self = .integer(value) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(arrayLiteral elements: ManifestValue...) { self = .array(elements) }
  public init(dictionaryLiteral elements: (String, ManifestValue)...) {
    self = .object(Dictionary(elements) { _, last in last })
  }
}
