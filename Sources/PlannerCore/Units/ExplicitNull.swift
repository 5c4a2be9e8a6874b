/// An optional that is written as `null` instead of left out, so that readers of our JSON find every key.
@propertyWrapper
public struct ExplicitNull<Value: Codable & Hashable & Sendable>: Codable, Hashable, Sendable {
  public var wrappedValue: Value?

  public init(wrappedValue: Value?) { self.wrappedValue = wrappedValue }

  public init(from decoder: any Decoder) throws {
    let box = try decoder.singleValueContainer()
    wrappedValue = box.decodeNil() ? nil : try box.decode(Value.self)
  }

  public func encode(to encoder: any Encoder) throws {
    var box = encoder.singleValueContainer()
    if let wrappedValue { try box.encode(wrappedValue) } else { try box.encodeNil() }
  }
}

extension KeyedDecodingContainer {
  /// A missing key reads as nil, as it does for any optional.
  public func decode<Value>(
    _ type: ExplicitNull<Value>.Type, forKey key: Key
  ) throws -> ExplicitNull<Value> {
    try decodeIfPresent(type, forKey: key) ?? ExplicitNull(wrappedValue: nil)
  }
}
