import Foundation
import PlannerCore
import ServerHTTP
import Testing

@Suite struct JSONReaderTests {
  static func reading<Value>(
    _ text: some Collection<UInt8>, _ body: (inout JSONReader) throws(JSONError) -> Value
  ) -> Result<Value, JSONError> {
    Array(text).withUnsafeBytes { bytes in
      Result { () throws(JSONError) in
        var reader = JSONReader(bytes)
        let value = try body(&reader)
        try reader.finish()
        return value
      }
    }
  }

  static func isJSON(_ text: some Collection<UInt8>) -> Bool {
    let result = reading(text) { (reader) throws(JSONError) in try reader.skipValue() }
    return (try? result.get()) != nil
  }

  static func string(_ text: String) -> String? {
    try? reading(text.utf8) { (reader) throws(JSONError) in try reader.readString() }.get()
  }

  static func double(_ text: String) -> Double? {
    try? reading(text.utf8) { (reader) throws(JSONError) in try reader.readDouble() }.get()
  }

  static func integer(_ text: String) -> Int64? {
    try? reading(text.utf8) { (reader) throws(JSONError) in try reader.readInteger() }.get()
  }

  @Test(arguments: [
    "0", "-0", "1.5e-3", " [ ] ", "{}", "[1,2]", #"{"a":[{"b":null},true,false]}"#, #""\u00e9\ud83d\ude00\n""#,
    "\"é😀\"",
    "1E+2", "[[[]]]", "\t\r\n null",
  ])
  func whatIsJSONIsTaken(_ text: String) { #expect(Self.isJSON(text.utf8)) }

  @Test(arguments: [
    "", " ", "[", "]", "{", "}", "[1,]", "[,1]", "[1 2]", "{a:1}", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#,
    #"{"a":1 "b":2}"#,
    "01", "-", "+1", ".5", "1.", "1e", "1e+", "0x1", "NaN", "Infinity", "-Infinity", "tru", "nulL", "'a'", "\"", "\"\\",
    #""\x""#, #""\u12""#, #""\ud800""#, #""\ud800\u0041""#, #""\udc00""#, #""\ud800\ud800""#, "\"\n\"", "\"\u{0}\"",
    "1 1",
    "[1]]", "/**/1", "[1}", #"{"a":1]"#,
  ])
  func whatIsNotIsRefused(_ text: String) { #expect(!Self.isJSON(text.utf8)) }

  @Test func bytesThatAreNotUTF8AreRefused() {
    for bytes: [UInt8] in [
      [0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xE2, 0x82], [0x80],
    ] {
      #expect(!Self.isJSON([0x22] + bytes + [0x22]))
      // The same where an escape came first, which is another path.
      #expect(!Self.isJSON([0x22, 0x5C, 0x6E] + bytes + [0x22]))
    }
    #expect(!Self.isJSON([0xEF, 0xBB, 0xBF, 0x31]))
  }

  @Test func stringsAreDecoded() {
    #expect(Self.string(#""a\"\\\/\b\f\n\r\tz""#) == "a\"\\/\u{8}\u{C}\n\r\tz")
    #expect(Self.string(#""\u00E9\ud83d\uDE00\u0000""#) == "é😀\u{0}")
    #expect(Self.string("\"naïve 😀\"") == "naïve 😀")
    #expect(Self.string(#""""#) == "")
  }

  @Test func numbersAreTheNearest() throws {
    for text in [
      "0", "-0.0", "1", "-1.5", "0.1", "123456789012345678", "9007199254740993", "1e22", "1e23",
      "1.7976931348623157e308",
      "5e-324", "2.2250738585072011e-308", "3.4028235e38", "0.30000000000000004", "1e-22", "1e-23", "-12.5e3",
    ] {
      #expect(Self.double(text)?.bitPattern == Double(text)?.bitPattern, "\(text)")
    }
    var random = RandomStream(seed: 7, stream: "numbers", index: 0)
    for _ in 0..<20_000 {
      let bits = UInt64(random.integer(below: 1 << 32)) << 32 | UInt64(random.integer(below: 1 << 32))
      let value = Double(bitPattern: bits)
      guard value.isFinite else { continue }
      #expect(Self.double(value.description)?.bitPattern == bits)
    }
    for text in ["1e309", "-1e400", "1e999999999999", String(repeating: "9", count: 400)] {
      #expect(Self.double(text) == nil, "\(text)")
    }
    #expect(Self.double("1e-999999999") == 0)
  }

  @Test func wholeNumbersKeepTheirRange() {
    #expect(Self.integer("9223372036854775807") == .max && Self.integer("-9223372036854775808") == .min)
    #expect(Self.integer("-0") == 0)
    for text in ["9223372036854775808", "-9223372036854775809", "1.0", "1e2", "true", "\"1\"", "99999999999999999999"] {
      #expect(Self.integer(text) == nil, "\(text)")
    }
  }

  @Test func depthIsBounded() {
    let deepest = JSONReader.deepest
    for (open, close) in [("[", "]"), (#"{"a":"#, "}")] {
      let inside = open == "[" ? "" : "1"
      func nested(_ depth: Int) -> String {
        String(repeating: open, count: depth) + inside + String(repeating: close, count: depth)
      }
      #expect(Self.isJSON(nested(deepest).utf8))
      #expect(!Self.isJSON(nested(deepest + 1).utf8))
      #expect(!Self.isJSON(nested(1_000_000).utf8))
    }
  }

  @Test func namesThatComeTwiceAreRefused() {
    func names(_ text: String) -> [String]? {
      try? Self.reading(text.utf8) { (reader) throws(JSONError) in
        var names: [String] = []
        try reader.readObject { (reader, name) throws(JSONError) in
          names.append(name)
          try reader.skipValue()
        }
        return names
      }.get()
    }
    #expect(names(#"{"a":1,"b":{"a":2,"a":3}}"#) == ["a", "b"])
    #expect(names(#"{"a":1,"\u0061":2}"#) == nil)
  }

  /// Documents made at random, and the same with one byte changed: Foundation agrees on which are JSON.
  @Test func foundationAgrees() throws {
    var random = RandomStream(seed: 11, stream: "documents", index: 0)
    func document(_ depth: Int) -> String {
      switch random.integer(below: depth > 4 ? 5 : 7) {
      case 0: return "null"
      case 1: return random.integer(below: 2) == 0 ? "true" : "false"
      case 2: return "\(random.integer(below: 2000) - 1000)"
      case 3: return "-\(random.integer(below: 100)).\(random.integer(below: 100))e-\(random.integer(below: 20))"
      case 4: return [#""a\n\u00e9""#, #""""#, #""xyz \\""#][random.integer(below: 3)]
      case 5:
        return "[" + (0..<random.integer(below: 4)).map { _ in document(depth + 1) }.joined(separator: ", ") + "]"
      default:
        return "{"
          + (0..<random.integer(below: 4)).map { "\"k\($0)\": " + document(depth + 1) }.joined(separator: ",") + "}"
      }
    }
    let bytes = Array(#"{}[]",:\0123456789eE+-.truefalsn ux"#.utf8)
    var refused = 0
    for _ in 0..<4_000 {
      var text = Array(document(0).utf8)
      #expect(Self.isJSON(text))
      text[random.integer(below: text.count)] = bytes[random.integer(below: bytes.count)]
      // Foundation refuses numbers beyond its own range, which JSON has; here they are refused where they are read.
      if String(decoding: text, as: UTF8.self).contains(#/[eE][+]?\d\d\d/#) { continue }
      let reference = (try? JSONSerialization.jsonObject(with: Data(text), options: .fragmentsAllowed)) != nil
      #expect(Self.isJSON(text) == reference, "\(String(decoding: text, as: UTF8.self))")
      if !reference { refused += 1 }
    }
    #expect(refused > 500)
  }
}
