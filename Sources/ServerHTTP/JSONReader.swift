import PlannerCore

/// Why a text is not the JSON that was expected, and at which byte.
package struct JSONError: Error, Hashable, Sendable {
  package var message: String
  package var offset: Int
}

/// Reads JSON (RFC 8259) in one pass, pulled by the caller: numbers go straight into typed arrays, and nothing is
/// built that the caller did not ask for.
///
/// Nesting is bounded and skipping does not recurse, so no text can exhaust the stack. Text must be UTF-8; `\u`
/// escapes must pair their surrogates. Reading is strict: no comments, no trailing commas; `NaN`, `Infinity` and
/// `-Infinity`, which JSON does not have and Python's writers use, are read by `readFloat` and refused everywhere
/// else.
/// Complexity: O(bytes); duplicate names of an object that is read cost O(names²), and there may be 64 of them.
package struct JSONReader {
  /// Lists and objects in one another.
  package static let deepest = 64
  /// Characters of one number: no float64 needs as many.
  static let longestNumber = 512
  /// Names of one object that is read.
  static let mostMembers = 64

  package enum Kind: Sendable { case object, array, string, number, bool, null }

  private let bytes: UnsafeRawBufferPointer
  package private(set) var position: Int
  private var depth = 0

  /// - Parameter bytes: must outlive the reader.
  package init(_ bytes: UnsafeRawBufferPointer, at position: Int = 0) {
    self.bytes = bytes
    self.position = position
  }

  // MARK: Structure

  /// What stands next. Only the first byte is looked at.
  package mutating func peek() throws(JSONError) -> Kind {
    skipSpace()
    switch current {
    case UInt8(ascii: "{"): return .object
    case UInt8(ascii: "["): return .array
    case UInt8(ascii: "\""): return .string
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
    case UInt8(ascii: "n"): return .null
    case UInt8(ascii: "-"): return .number
    case nil: throw error("the text ends where a value should be")
    default:
      guard currentDigit != nil else { throw error("no value starts like this") }
      return .number
    }
  }

  /// What stands next, where numbers may be `NaN` and `Infinity`.
  mutating func peekValue() throws(JSONError) -> Kind {
    skipSpace()
    if current == UInt8(ascii: "N") || current == UInt8(ascii: "I") { return .number }
    return try peek()
  }

  /// Calls `body` for each member with the reader before its value, which `body` must read or skip.
  ///
  /// - Throws: `JSONError`, also for a name that comes twice.
  package mutating func readObject(
    _ body: (inout JSONReader, String) throws(JSONError) -> Void
  ) throws(JSONError) {
    try open(UInt8(ascii: "{"), "an object")
    var names: [String] = []
    while let name = try nextName(isFirst: names.isEmpty) {
      guard !names.contains(name) else { throw error("the name '\(name.prefix(80))' is there twice") }
      guard names.count < Self.mostMembers else { throw error("an object has more than \(Self.mostMembers) names") }
      names.append(name)
      try body(&self, name)
    }
    depth -= 1
  }

  /// Calls `body` for each element, which it must read or skip.
  package mutating func readArray(_ body: (inout JSONReader) throws(JSONError) -> Void) throws(JSONError) {
    try openArray()
    var isFirst = true
    while try nextElement(isFirst: isFirst) {
      isFirst = false
      try body(&self)
    }
    closeArray()
  }

  /// Enters a list whose elements are then taken with `nextElement`; `closeArray` must follow its end.
  mutating func openArray() throws(JSONError) { try open(UInt8(ascii: "["), "a list") }

  mutating func closeArray() { depth -= 1 }

  /// Moves to the next element; false at the list's end, which is consumed.
  mutating func nextElement(isFirst: Bool) throws(JSONError) -> Bool {
    skipSpace()
    if current == UInt8(ascii: "]") {
      position += 1
      return false
    }
    if !isFirst { try expect(UInt8(ascii: ","), "a comma or the end of the list") }
    return true
  }

  private mutating func nextName(isFirst: Bool) throws(JSONError) -> String? {
    skipSpace()
    if current == UInt8(ascii: "}") {
      position += 1
      return nil
    }
    if !isFirst {
      try expect(UInt8(ascii: ","), "a comma or the end of the object")
      skipSpace()
    }
    let name = try readString()
    skipSpace()
    try expect(UInt8(ascii: ":"), "a colon")
    return name
  }

  private mutating func open(_ bracket: UInt8, _ what: StaticString) throws(JSONError) {
    skipSpace()
    guard current == bracket else { throw error("this is not \(what)") }
    guard depth < Self.deepest else { throw error("lists and objects lie more than \(Self.deepest) deep") }
    depth += 1
    position += 1
  }

  /// After the outermost value: only white space may follow.
  package mutating func finish() throws(JSONError) {
    skipSpace()
    guard position >= bytes.count else { throw error("something follows the end of the value") }
  }

  // MARK: Values

  package mutating func readBool() throws(JSONError) -> Bool {
    skipSpace()
    if current == UInt8(ascii: "t") {
      try literal("true")
      return true
    }
    guard current == UInt8(ascii: "f") else { throw error("this is neither true nor false") }
    try literal("false")
    return false
  }

  package mutating func readNull() throws(JSONError) {
    skipSpace()
    try literal("null")
  }

  /// A whole number without fraction and exponent.
  package mutating func readInteger() throws(JSONError) -> Int64 {
    skipSpace()
    let start = position
    let isNegative = current == UInt8(ascii: "-")
    if isNegative { position += 1 }
    let magnitude = try readDigits(from: start)
    if isNegative {
      guard magnitude <= UInt64(Int64.max) + 1 else { throw error("the number is too large", at: start) }
      return magnitude == UInt64(Int64.max) + 1 ? Int64.min : -Int64(magnitude)
    }
    guard magnitude <= UInt64(Int64.max) else { throw error("the number is too large", at: start) }
    return Int64(magnitude)
  }

  /// A whole number that is not negative.
  package mutating func readUnsigned() throws(JSONError) -> UInt64 {
    skipSpace()
    if current == UInt8(ascii: "-") { throw error("the number is negative") }
    return try readDigits(from: position)
  }

  /// The digits at `position`; `start` is where the number began.
  private mutating func readDigits(from start: Int) throws(JSONError) -> UInt64 {
    let first = position
    var value: UInt64 = 0
    while let byte = current, byte &- UInt8(ascii: "0") <= 9 {
      let (product, tooLarge) = value.multipliedReportingOverflow(by: 10)
      let (sum, overflow) = product.addingReportingOverflow(UInt64(byte &- UInt8(ascii: "0")))
      guard !tooLarge, !overflow else { throw error("the number is too large", at: start) }
      value = sum
      position += 1
    }
    guard position > first else { throw error("this is not a number", at: start) }
    if position - first > 1, bytes[first] == UInt8(ascii: "0") { throw error("a number begins with 0", at: start) }
    switch current {
    case UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"):
      throw error("the number is not a whole one", at: start)
    default: return value
    }
  }

  /// The nearest float64; a number beyond its range is an error.
  package mutating func readDouble() throws(JSONError) -> Double {
    skipSpace()
    let start = position
    let number = try scanNumber()
    // Exact where the digits fit in 53 bits and the power of ten is exact itself (Clinger 1990).
    if let digits = number.digits, digits <= 1 << 53, -22...22 ~= number.exponent {
      let power = Self.powersOfTen[abs(number.exponent)]
      let value = number.exponent < 0 ? Double(digits) / power : Double(digits) * power
      return number.isNegative ? -value : value
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    guard let value = Double(text), value.isFinite else { throw error("the number is too large", at: start) }
    return value
  }

  /// A number that may be no finite one: `NaN`, `Infinity` and `-Infinity` as Python's and Triton's clients write them,
  /// and `null`, which other writers put in the place of NaN.
  package mutating func readFloat() throws(JSONError) -> Double {
    skipSpace()
    if let value = try readNonFinite() { return value }
    guard current == UInt8(ascii: "n") else { return try readDouble() }
    try literal("null")
    return .nan
  }

  /// Reads an infinity or NaN; nil, and nothing consumed, where a finite number or no number stands here.
  private mutating func readNonFinite() throws(JSONError) -> Double? {
    let isNegative = current == UInt8(ascii: "-")
    let next = position + (isNegative ? 1 : 0)
    guard next < bytes.count else { return nil }
    switch bytes[next] {
    case UInt8(ascii: "I"):
      position = next
      try literal("Infinity")
      return isNegative ? -.infinity : .infinity
    case UInt8(ascii: "N") where !isNegative:
      try literal("NaN")
      return .nan
    default: return nil
    }
  }

  private static let powersOfTen: [Double] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
    1e20, 1e21, 1e22,
  ]

  private struct ScannedNumber {
    var isNegative = false
    /// All digits as one number; nil where they do not fit.
    var digits: UInt64? = 0
    /// Power of ten by which they are multiplied.
    var exponent = 0

    mutating func append(_ digit: UInt8) {
      guard let value = digits else { return }
      let (product, tooLarge) = value.multipliedReportingOverflow(by: 10)
      let (sum, overflow) = product.addingReportingOverflow(UInt64(digit))
      digits = tooLarge || overflow ? nil : sum
    }
  }

  /// Moves over a number and checks its grammar.
  private mutating func scanNumber() throws(JSONError) -> ScannedNumber {
    let start = position
    var number = ScannedNumber()
    if current == UInt8(ascii: "-") {
      number.isNegative = true
      position += 1
    }
    let first = position
    while let digit = currentDigit {
      number.append(digit)
      position += 1
    }
    guard position > first else { throw error("this is not a number", at: start) }
    if position - first > 1, bytes[first] == UInt8(ascii: "0") { throw error("a number begins with 0", at: start) }
    if current == UInt8(ascii: ".") {
      position += 1
      let fraction = position
      while let digit = currentDigit {
        number.append(digit)
        position += 1
      }
      guard position > fraction else { throw error("a digit is missing after the point", at: start) }
      number.exponent = fraction - position
    }
    if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
      position += 1
      let isNegative = current == UInt8(ascii: "-")
      if isNegative || current == UInt8(ascii: "+") { position += 1 }
      var exponent = 0
      let digits = position
      while let digit = currentDigit {
        exponent = min(exponent * 10 + Int(digit), 100_000)
        position += 1
      }
      guard position > digits else { throw error("a digit is missing in the exponent", at: start) }
      number.exponent += isNegative ? -exponent : exponent
    }
    guard position - start <= Self.longestNumber else { throw error("the number has too many digits", at: start) }
    return number
  }

  /// A string with its escapes resolved.
  package mutating func readString() throws(JSONError) -> String {
    skipSpace()
    guard current == UInt8(ascii: "\"") else { throw error("this is not a string") }
    position += 1
    let start = position
    // Most strings have no escapes and can be taken as they lie.
    while let byte = current, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { position += 1 }
    if current == UInt8(ascii: "\"") {
      let text = try validated(bytes[start..<position], at: start)
      position += 1
      return text
    }
    var decoded = Array(bytes[start..<position])
    while true {
      guard let byte = current else { throw error("a string does not end", at: start) }
      position += 1
      switch byte {
      case UInt8(ascii: "\""): return try validated(decoded, at: start)
      case UInt8(ascii: "\\"): try readEscape(into: &decoded)
      case 0..<0x20: throw error("a control character must be escaped", at: position - 1)
      default: decoded.append(byte)
      }
    }
  }

  private func validated(_ raw: some Sequence<UInt8>, at start: Int) throws(JSONError) -> String {
    guard let text = String(validating: raw, as: UTF8.self) else { throw error("a string is not UTF-8", at: start) }
    return text
  }

  private mutating func readEscape(into text: inout [UInt8]) throws(JSONError) {
    let start = position - 1
    guard let byte = current else { throw error("a string does not end", at: start) }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0C)
    case UInt8(ascii: "n"): text.append(0x0A)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"):
      var value = try readHex(start)
      if 0xD800..<0xDC00 ~= value {
        guard current == UInt8(ascii: "\\"), position + 1 < bytes.count, bytes[position + 1] == UInt8(ascii: "u")
        else { throw error("a surrogate lacks its other half", at: start) }
        position += 2
        let low = try readHex(start)
        guard 0xDC00..<0xE000 ~= low else { throw error("a surrogate lacks its other half", at: start) }
        value = 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(value) else { throw error("a surrogate lacks its other half", at: start) }
      text.append(contentsOf: UTF8.encode(scalar)!)
    default: throw error("no escape is written like this", at: start)
    }
  }

  private mutating func readHex(_ start: Int) throws(JSONError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = current, let digit = HexDigit.value(byte) else {
        throw error("an escape needs four hexadecimal digits", at: start)
      }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }

  // MARK: Skipping

  /// Moves over one value, whatever it is, and checks that it is JSON.
  ///
  /// - Parameter allowsNonFinite: numbers may be what `readFloat` takes besides.
  package mutating func skipValue(allowsNonFinite: Bool = false) throws(JSONError) {
    // Which brackets are open, the innermost in the lowest bit: 1 is an object. `deepest` of them fit.
    var objects: UInt64 = 0
    let outside = depth
    repeat {
      let kind = allowsNonFinite ? try peekValue() : try peek()
      switch kind {
      case .object:
        try open(UInt8(ascii: "{"), "an object")
        objects = objects << 1 | 1
        if try nextName(isFirst: true) != nil { continue }
        depth -= 1
        objects >>= 1
      case .array:
        try open(UInt8(ascii: "["), "a list")
        objects <<= 1
        if try nextElement(isFirst: true) { continue }
        depth -= 1
        objects >>= 1
      case .string: _ = try readString()
      case .number:
        let nonFinite = allowsNonFinite ? try readNonFinite() : nil
        if nonFinite == nil { _ = try scanNumber() }
      case .bool: _ = try readBool()
      case .null: try readNull()
      }
      // A value has ended: its successor, or the ends of what it lies in.
      while depth > outside {
        if try objects & 1 == 1 ? nextName(isFirst: false) != nil : nextElement(isFirst: false) { break }
        depth -= 1
        objects >>= 1
      }
    } while depth > outside
  }

  // MARK: Bytes

  private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  private var currentDigit: UInt8? {
    guard let byte = current, byte &- UInt8(ascii: "0") <= 9 else { return nil }
    return byte &- UInt8(ascii: "0")
  }

  private mutating func skipSpace() {
    while let byte = current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
  }

  private mutating func expect(_ byte: UInt8, _ what: StaticString) throws(JSONError) {
    guard current == byte else { throw error("\(what) should be here") }
    position += 1
  }

  private mutating func literal(_ word: StaticString) throws(JSONError) {
    let start = position
    for index in 0..<word.utf8CodeUnitCount {
      guard current == word.utf8Start[index] else { throw error("no value starts like this", at: start) }
      position += 1
    }
  }

  /// An error at this place.
  package func error(_ message: String, at offset: Int? = nil) -> JSONError {
    JSONError(message: message, offset: offset ?? position)
  }
}
