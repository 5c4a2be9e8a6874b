/// Times of day in access logs, in milliseconds since 1970-01-01T00:00:00Z.
///
/// Most lines have the time of the line before them: the last text that was read is kept with what it meant.
struct TimestampReader {
  /// Bytes of a time such as `10/Oct/2000:13:55:36 -0700`.
  static let commonWidth = 26
  /// Bytes of a time such as `2016-04-15T20:17:00`.
  static let isoWidth = 19

  private var known = [UInt8](repeating: 0, count: commonWidth)
  private var knownWidth = 0
  private var knownMilliseconds: Int64 = 0

  /// The time of the common log format, of exactly `commonWidth` bytes; nil where it is none.
  mutating func common(_ text: UnsafeBufferPointer<UInt8>) -> Int64? {
    guard text.count == Self.commonWidth else { return nil }
    if isKnown(text) { return knownMilliseconds }
    guard text[2] == slash, text[6] == slash, text[11] == colon, text[14] == colon, text[17] == colon,
      text[20] == space, let day = number(text, 0, 2), let month = month(text, 3), let year = number(text, 7, 4),
      let hour = number(text, 12, 2), let minute = number(text, 15, 2), let second = number(text, 18, 2),
      let offset = offset(text, 21, hasColon: false),
      let seconds = Self.seconds(year, month, day, hour, minute, second)
    else { return nil }
    keep(text, (seconds - offset) * 1000)
    return knownMilliseconds
  }

  /// `2016-04-15T20:17:00.310Z`, with any number of decimals, and `Z` or an offset such as `+02:00`.
  mutating func iso(_ text: UnsafeBufferPointer<UInt8>) -> Int64? {
    guard text.count > Self.isoWidth else { return nil }
    let whole = UnsafeBufferPointer(rebasing: text[..<Self.isoWidth])
    if !isKnown(whole) {
      guard text[4] == dash, text[7] == dash, text[10] == UInt8(ascii: "T"), text[13] == colon, text[16] == colon,
        let year = number(text, 0, 4), let month = number(text, 5, 2), let day = number(text, 8, 2),
        let hour = number(text, 11, 2), let minute = number(text, 14, 2), let second = number(text, 17, 2),
        let seconds = Self.seconds(year, month, day, hour, minute, second)
      else { return nil }
      keep(whole, seconds * 1000)
    }
    var at = Self.isoWidth
    var milliseconds: Int64 = 0
    if text[at] == UInt8(ascii: ".") {
      at += 1
      var scale: Int64 = 100
      let first = at
      while at < text.count, let digit = digit(text[at]) {
        milliseconds += digit * scale
        scale /= 10
        at += 1
      }
      guard at > first, at < text.count else { return nil }
    }
    if text[at] == UInt8(ascii: "Z") { return at + 1 == text.count ? knownMilliseconds + milliseconds : nil }
    guard at + 6 == text.count, let offset = offset(text, at, hasColon: true) else { return nil }
    return knownMilliseconds + milliseconds - offset * 1000
  }

  private func isKnown(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    guard text.count == knownWidth else { return false }
    // From the end, where times differ.
    var index = text.count - 1
    while index >= 0 {
      if text[index] != known[index] { return false }
      index -= 1
    }
    return true
  }

  private mutating func keep(_ text: UnsafeBufferPointer<UInt8>, _ milliseconds: Int64) {
    knownWidth = text.count
    for (index, byte) in text.enumerated() { known[index] = byte }
    knownMilliseconds = milliseconds
  }

  /// Days of the civil calendar before this one, from 1970 on (Hinnant, "chrono-compatible low-level date algorithms").
  private static func seconds(
    _ year: Int64, _ month: Int64, _ day: Int64, _ hour: Int64, _ minute: Int64, _ second: Int64
  ) -> Int64? {
    guard (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second <= 60, year >= 1970 else {
      return nil
    }
    // Years begin with March, so that the day that a leap year has more is the last one.
    let shifted = month <= 2 ? year - 1 : year
    let era = shifted / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    let days = era * 146_097 + dayOfEra - 719_468
    return ((days * 24 + hour) * 60 + minute) * 60 + second
  }

  private func number(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ count: Int) -> Int64? {
    var value: Int64 = 0
    for index in start..<start + count {
      guard let digit = digit(text[index]) else { return nil }
      value = value * 10 + digit
    }
    return value
  }

  private func digit(_ byte: UInt8) -> Int64? { byte >= 48 && byte <= 57 ? Int64(byte - 48) : nil }

  private func month(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int64? {
    let name = UInt32(text[start]) << 16 | UInt32(text[start + 1]) << 8 | UInt32(text[start + 2])
    return Self.months.firstIndex(of: name).map { Int64($0 + 1) }
  }

  /// `-0700` or `+02:00`, in seconds east of Greenwich.
  private func offset(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, hasColon: Bool) -> Int64? {
    let isWest = text[start] == dash
    guard isWest || text[start] == UInt8(ascii: "+"), !hasColon || text[start + 3] == colon,
      let hours = number(text, start + 1, 2), let minutes = number(text, start + (hasColon ? 4 : 3), 2), hours < 24,
      minutes < 60
    else { return nil }
    return (hours * 3600 + minutes * 60) * (isWest ? -1 : 1)
  }

  private static let months: [UInt32] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ].map { $0.utf8.reduce(0) { $0 << 8 | UInt32($1) } }
}

private let slash = UInt8(ascii: "/")
private let colon = UInt8(ascii: ":")
private let dash = UInt8(ascii: "-")
private let space = UInt8(ascii: " ")
