/// Writes the requests of a run one a line, for analyses that look closer than at quantiles.
public enum SamplesFile {
  /// One request; times in seconds.
  public struct Row: Sendable {
    public var dueSeconds: Double
    public var model: Int
    public var outcome: String
    public var latencySeconds: Double
    public var lagSeconds: Double
    public var queueSeconds: Double?
    public var computeSeconds: Double?
    public var ahead: Int?

    public init(
      dueSeconds: Double, model: Int, outcome: String, latencySeconds: Double, lagSeconds: Double,
      queueSeconds: Double?, computeSeconds: Double?, ahead: Int?
    ) {
      self.dueSeconds = dueSeconds
      self.model = model
      self.outcome = outcome
      self.latencySeconds = latencySeconds
      self.lagSeconds = lagSeconds
      self.queueSeconds = queueSeconds
      self.computeSeconds = computeSeconds
      self.ahead = ahead
    }
  }

  /// CSV with a header; a field that the server did not tell is empty.
  ///
  /// - Throws: `FileError`.
  public static func write(_ rows: [Row], to path: String) throws(FileError) {
    var text = "dueSeconds,model,outcome,latencySeconds,lagSeconds,queueSeconds,computeSeconds,ahead\n"
    for row in rows {
      let told = [row.queueSeconds, row.computeSeconds].map { $0.map { "\($0)" } ?? "" }
      text += "\(row.dueSeconds),\(row.model),\(row.outcome),\(row.latencySeconds),\(row.lagSeconds),"
      text += "\(told[0]),\(told[1]),\(row.ahead.map { "\($0)" } ?? "")\n"
    }
    try AtomicFile.write(text, to: path)
  }
}
