import Foundation
import PlannerCore

/// Reads one line of a log: when, which model, how long.
struct LineParser {
  enum Outcome {
    /// The request is in `milliseconds`, `name` and `size`.
    case request
    /// A line that says nothing by its nature: empty, or a table's head.
    case nothing
    case leftOut(LeftOut)
  }

  let format: LogFormat
  /// Time of the last request: milliseconds since 1970, or since the table's own start.
  private(set) var milliseconds: Int64 = 0
  /// Bytes of the model's name in the last request: within the line, or in `decoded`.
  private(set) var name = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
  /// Size of the last request; 0 where the line has none.
  private(set) var size = 0
  /// The last name where the line has it encoded; nil where `name` points into the line.
  private(set) var decoded: [UInt8]?
  private var timestamps = TimestampReader()
  private var isFirst = true

  init(format: LogFormat) { self.format = format }

  /// - Parameter line: without its line break; what `name` points to lives as long.
  mutating func parse(_ line: UnsafeBufferPointer<UInt8>) -> Outcome {
    decoded = nil
    size = 0
    if line.isEmpty { return .nothing }
    defer { isFirst = false }
    switch format {
    case .csv: return parseCSV(line)
    case .common: return parseCommon(line)
    case .envoy: return parseEnvoy(line)
    }
  }

  // MARK: Servers' logs

  private mutating func parseCommon(_ line: UnsafeBufferPointer<UInt8>) -> Outcome {
    // The user's name before it may hold a bracket itself.
    var start = 0
    while let open = find(UInt8(ascii: "["), line, from: start) {
      let close = open + 1 + TimestampReader.commonWidth
      guard close + 2 < line.count else { return .leftOut(.notUnderstood) }
      if line[close] == UInt8(ascii: "]"),
        let time = timestamps.common(UnsafeBufferPointer(rebasing: line[open + 1..<close]))
      {
        milliseconds = time
        return parseRequest(line, from: close + 1)
      }
      start = open + 1
    }
    return .leftOut(.notUnderstood)
  }

  private mutating func parseEnvoy(_ line: UnsafeBufferPointer<UInt8>) -> Outcome {
    guard line[0] == UInt8(ascii: "["), let close = find(UInt8(ascii: "]"), line, from: 1), close <= 40,
      let time = timestamps.iso(UnsafeBufferPointer(rebasing: line[1..<close]))
    else { return .leftOut(.notUnderstood) }
    milliseconds = time
    return parseRequest(line, from: close + 1)
  }

  /// ` "METHOD TARGET PROTOCOL" STATUS …`
  private mutating func parseRequest(_ line: UnsafeBufferPointer<UInt8>, from start: Int) -> Outcome {
    guard start + 1 < line.count, line[start] == UInt8(ascii: " "), line[start + 1] == UInt8(ascii: "\"") else {
      return .leftOut(.notUnderstood)
    }
    let first = start + 2
    guard let last = closingQuote(line, from: first), let status = status(line, from: last + 1) else {
      return .leftOut(.notUnderstood)
    }
    let request = UnsafeBufferPointer(rebasing: line[first..<last])
    guard let methodEnd = find(UInt8(ascii: " "), request, from: 0), methodEnd > 0, methodEnd + 1 < request.count else {
      return .leftOut(.noHTTP)
    }
    let method = UnsafeBufferPointer(rebasing: request[..<methodEnd])
    guard method.allSatisfy({ $0 >= UInt8(ascii: "A") && $0 <= UInt8(ascii: "Z") }) else { return .leftOut(.noHTTP) }
    let end = find(UInt8(ascii: " "), request, from: methodEnd + 1) ?? request.count
    switch RequestPath.read(method, UnsafeBufferPointer(rebasing: request[methodEnd + 1..<end])) {
    case .leftOut(let reason): return .leftOut(reason)
    case .model(let name):
      guard RequestPath.isDemand(status: status) else { return .leftOut(.status) }
      self.name = name
      if name.contains(UInt8(ascii: "%")) { decoded = Array(PercentEncoding.decode(name).utf8) }
      return .request
    }
  }

  /// Quotation marks within a request are written `\"` by Apache and `\x22` by nginx.
  private func closingQuote(_ line: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
    var at = start
    while let quote = find(UInt8(ascii: "\""), line, from: at) {
      var slashes = 0
      while quote - slashes > start, line[quote - slashes - 1] == UInt8(ascii: "\\") { slashes += 1 }
      if slashes.isMultiple(of: 2) { return quote }
      at = quote + 1
    }
    return nil
  }

  private func status(_ line: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
    guard start < line.count, line[start] == UInt8(ascii: " ") else { return nil }
    var value = 0
    var at = start + 1
    while at < line.count, at < start + 4, line[at] >= 48, line[at] <= 57 {
      value = value * 10 + Int(line[at] - 48)
      at += 1
    }
    guard at > start + 1, at == line.count || line[at] == UInt8(ascii: " ") else { return nil }
    return value
  }

  private func find(_ byte: UInt8, _ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
    guard start < text.count, let base = text.baseAddress,
      let found = memchr(base + start, Int32(byte), text.count - start)
    else { return nil }
    return UnsafeRawPointer(found) - UnsafeRawPointer(base)
  }

  // MARK: Tables

  private static let head = Array("seconds,model".utf8)
  /// Seconds beyond these are none: the year 5138.
  private static let mostSeconds = 1e11

  private mutating func parseCSV(_ line: UnsafeBufferPointer<UInt8>) -> Outcome {
    if isFirst, line.starts(with: Self.head) { return .nothing }
    guard let comma = find(UInt8(ascii: ","), line, from: 0),
      let time = seconds(trimmed(line, 0, comma))
    else { return .leftOut(.notUnderstood) }
    milliseconds = Int64((time * 1000).rounded(.down))
    var at = comma + 1
    while at < line.count, line[at] == UInt8(ascii: " ") { at += 1 }
    let nameEnd: Int
    if at < line.count, line[at] == UInt8(ascii: "\"") {
      guard let end = unquote(line, from: at + 1) else { return .leftOut(.notUnderstood) }
      nameEnd = end
    } else {
      nameEnd = find(UInt8(ascii: ","), line, from: at) ?? line.count
      name = trimmed(line, at, nameEnd)
    }
    if (decoded.map(\.isEmpty) ?? name.isEmpty) { return .leftOut(.badName) }
    guard nameEnd < line.count else { return .request }
    guard line[nameEnd] == UInt8(ascii: ","), find(UInt8(ascii: ","), line, from: nameEnd + 1) == nil else {
      return .leftOut(.notUnderstood)
    }
    let text = trimmed(line, nameEnd + 1, line.count)
    if text.isEmpty { return .request }
    guard let size = whole(text), (1...SizeTally.largest).contains(size) else { return .leftOut(.badSize) }
    self.size = size
    return .request
  }

  /// Reads a name in quotation marks into `decoded`.
  ///
  /// - Returns: the place after the closing mark and the spaces behind it; nil where none closes.
  private mutating func unquote(_ line: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
    var bytes: [UInt8] = []
    var at = start
    while at < line.count {
      if line[at] == UInt8(ascii: "\"") {
        at += 1
        guard at < line.count, line[at] == UInt8(ascii: "\"") else {
          decoded = bytes
          while at < line.count, line[at] == UInt8(ascii: " ") { at += 1 }
          return at
        }
      }
      bytes.append(line[at])
      at += 1
    }
    return nil
  }

  private func trimmed(_ line: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) -> UnsafeBufferPointer<UInt8> {
    var start = start
    var end = end
    func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
    while start < end, isBlank(line[start]) { start += 1 }
    while end > start, isBlank(line[end - 1]) { end -= 1 }
    return UnsafeBufferPointer(rebasing: line[start..<end])
  }

  private func whole(_ text: UnsafeBufferPointer<UInt8>) -> Int? {
    guard text.count <= 15 else { return nil }
    var value = 0
    for byte in text {
      guard byte >= 48, byte <= 57 else { return nil }
      value = value * 10 + Int(byte - 48)
    }
    return value
  }

  /// A decimal number ≥ 0. The form without an exponent is read here, any other by the standard library.
  private func seconds(_ text: UnsafeBufferPointer<UInt8>) -> Double? {
    guard text.count <= 40, let first = text.first, first == UInt8(ascii: ".") || (48...57).contains(first) else {
      return nil
    }
    let point = text.firstIndex(of: UInt8(ascii: ".")) ?? text.count
    if text.count <= 16, let integer = whole(UnsafeBufferPointer(rebasing: text[..<point])) {
      guard point + 1 < text.count else { return Double(integer) }
      let decimals = UnsafeBufferPointer(rebasing: text[(point + 1)...])
      // Numerator and power of ten are exact, so that the quotient is the nearest number.
      if let fraction = whole(decimals) {
        let power = Self.powers[decimals.count]
        return (Double(integer) * power + Double(fraction)) / power
      }
    }
    guard !text.contains(where: { $0 == UInt8(ascii: "x") || $0 == UInt8(ascii: "X") }),
      let value = Double(String(decoding: text, as: UTF8.self)), value.isFinite, value >= 0, value <= Self.mostSeconds
    else { return nil }
    return value
  }

  private static let powers: [Double] = (0...16).map { (0..<$0).reduce(1.0) { scale, _ in scale * 10 } }
}
