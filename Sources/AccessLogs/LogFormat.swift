/// Forms of access logs that are understood.
public enum LogFormat: String, CaseIterable, Sendable {
  /// `seconds,model[,size]`: seconds from any start, at most one line a request.
  case csv
  /// The common log format and the combined one, as nginx and Apache write them.
  case common
  /// Envoy's default format.
  case envoy

  /// How people call it.
  public var title: String {
    switch self {
    case .csv: "CSV (seconds,model[,size])"
    case .common: "common or combined log format (nginx, Apache)"
    case .envoy: "Envoy's default format"
    }
  }

  /// The one that understands most of these lines; nil where none understands any.
  static func detect(_ lines: [UnsafeBufferPointer<UInt8>]) -> LogFormat? {
    var best: (format: LogFormat, understood: Int)?
    for format in allCases {
      var parser = LineParser(format: format)
      let understood = lines.count { line in
        if case .leftOut(.notUnderstood) = parser.parse(line) { false } else { true }
      }
      if understood > best?.understood ?? 0 { best = (format, understood) }
    }
    return best?.format
  }
}

/// Why a line is no request that counts.
public enum LeftOut: Int, CaseIterable, Sendable {
  case notUnderstood
  case tooLong
  case noHTTP
  case otherPath
  case callWithoutName
  case otherMethod
  case status
  case badName
  case badSize
  case outOfOrder
  case aheadOfNeighbours
  case farFromOthers
  case unknownModel

  /// Name in JSON.
  public var name: String { "\(self)" }

  /// What such lines are, for people.
  public var sentence: String {
    switch self {
    case .notUnderstood: "lines that are not of this format"
    case .tooLong: "lines longer than \(LineReader.longestLine / 1024) KiB"
    case .noHTTP: "requests that are no HTTP"
    case .otherPath: "requests for other things than inference"
    case .callWithoutName: "gRPC calls, which name their model where no log sees it"
    case .otherMethod: "requests by other methods than inference has"
    case .status: "requests refused as wrong (4xx but 429 and 499), or sent elsewhere (3xx)"
    case .badName: "names that are empty, too long or no text"
    case .badSize: "sizes that are no whole numbers from 1 to \(SizeTally.largest)"
    case .outOfOrder: "times more than \(LogTally.toleranceMilliseconds / 60000) minutes before an earlier line's"
    case .aheadOfNeighbours: "times more than a day after the lines around them"
    case .farFromOthers: "lines that a long silence parts from all others, at the log's beginning or end"
    case .unknownModel: "models that the repository does not have"
    }
  }
}

/// Why a log gives no workload.
public struct AccessLogError: Error, Hashable, Sendable, CustomStringConvertible {
  public enum Kind: Sendable {
    /// The log says nothing: exit code 65.
    case badData
    /// It cannot be read: exit code 69.
    case unavailable
  }

  public var kind: Kind
  public var description: String

  init(_ kind: Kind, _ description: String) {
    self.kind = kind
    self.description = description
  }
}
