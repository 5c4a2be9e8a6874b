/// A log that was read to its end.
public struct AccessLog {
  public let path: String
  public let format: LogFormat
  public let lines: Int
  let tally: LogTally

  /// Reads a log in blocks; memory grows with models, groups and minutes, not with lines.
  ///
  /// - Parameters:
  ///   - path: a file, packed by gzip or not, or `-` for standard input.
  ///   - format: nil finds it out from the first lines.
  ///   - groups: number of groups that models are sorted into.
  ///   - groupOfName: group of a model, from 0 on; nil for a model that does not count.
  ///   - report: is called with the number of lines so far, now and then.
  /// - Throws: `AccessLogError` where it cannot be read or holds no line of a known format; what `report` throws.
  public static func read(
    _ path: String, format: LogFormat? = nil, groups: Int = 1,
    groupOfName: @escaping (String) -> Int? = { _ in 0 }, report: (Int) throws -> Void = { _ in }
  ) throws -> AccessLog {
    var tally = SilenceTally { LogTally(groups: groups, groupOfName: groupOfName) }
    var parser = LineParser(format: format ?? .csv)
    var number = 0
    try LineReader(try LogSource(path)).forEachLine { first in
      parser = LineParser(format: try format ?? detect(first, path))
    } _: { line in
      number += 1
      if number & 0xFFFFF == 0 { try report(number) }
      guard let line else { return tally.leaveOut(.tooLong, line: number) }
      switch parser.parse(line) {
      case .nothing: break
      case .leftOut(let reason): tally.leaveOut(reason, line: number)
      case .request:
        if let decoded = parser.decoded {
          try decoded.withUnsafeBufferPointer {
            try tally.add(milliseconds: parser.milliseconds, name: $0, size: parser.size, line: number)
          }
        } else {
          try tally.add(milliseconds: parser.milliseconds, name: parser.name, size: parser.size, line: number)
        }
      }
    }
    return AccessLog(path: path, format: parser.format, lines: number, tally: tally.finish())
  }

  private static func detect(_ lines: [UnsafeBufferPointer<UInt8>], _ path: String) throws -> LogFormat {
    if let format = LogFormat.detect(lines) { return format }
    let names = LogFormat.allCases.map { "\($0.rawValue), \($0.title)" }.joined(separator: "; ")
    guard let line = lines.first else {
      throw AccessLogError(.badData, "\(path): is empty, or has no line that could be read")
    }
    let text = String(decoding: line.prefix(60), as: UTF8.self).unicodeScalars.map {
      $0.value < 0x20 || (0x7F...0x9F).contains($0.value) ? "?" : String($0)
    }.joined()
    throw AccessLogError(
      .badData,
      "\(path): none of the first lines is of a known format (\(names)); the first is '\(text)'; name a format with "
        + "--format if later lines have it")
  }
}
