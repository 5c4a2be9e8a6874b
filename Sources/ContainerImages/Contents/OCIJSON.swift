import Foundation

/// JSON whose bytes are a function of the value alone, since its digest is its name: sorted keys, no blanks.
enum OCIJSON {
  static func write(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(value))
  }

  static func read<Value: Decodable>(
    _ type: Value.Type, _ bytes: [UInt8], source: String, what: String
  ) throws(ImageError) -> Value {
    do { return try JSONDecoder().decode(type, from: Data(bytes)) } catch {
      throw .badData("\(source) is not \(what)")
    }
  }
}
