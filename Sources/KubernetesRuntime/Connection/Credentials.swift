import APIClient
import Executor
import Foundation

/// Where it is known from who asks.
package enum CredentialSource: Sendable {
  /// A certificate of the connection, or nobody.
  case none
  case token(String)
  /// A file that is read again as others write it anew.
  case tokenFile(String)
  case plugin(ExecPlugin)

  /// Printable, without spaces, as a header takes it.
  static func isToken(_ text: String) -> Bool {
    (1...(64 << 10)).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
  }
}

/// What proves who asks.
package struct Credential: Sendable {
  package var token: String?
  package var identity: TLSSettings.Identity?
  /// Seconds since 1970 from which on it is worth nothing; nil where it lasts.
  package var expirySeconds: Double?
}

/// Keeps credentials while they last, and gets new ones.
package actor Credentials {
  private let source: CredentialSource
  private let now: @Sendable () -> Double
  private var kept: Credential?
  /// When a file was read; account tokens are replaced at most once an hour.
  private var readAt = 0.0
  private var running: Task<Credential, any Error>?

  /// - Parameter now: seconds since 1970.
  package init(_ source: CredentialSource, now: @escaping @Sendable () -> Double = { Date().timeIntervalSince1970 }) {
    self.source = source
    self.now = now
  }

  /// - Throws: `RuntimeError`; `CancellationError`.
  package func current() async throws -> Credential {
    switch source {
    case .none: return Credential()
    case .token(let token): return Credential(token: token)
    case .tokenFile(let path):
      if let kept, now() - readAt < 60 { return kept }
      let credential = try Self.read(path)
      (kept, readAt) = (credential, now())
      return credential
    case .plugin(let plugin):
      // A minute early: a request should not come too late.
      if let kept, kept.expirySeconds.map({ now() < $0 - 60 }) ?? true { return kept }
      return try await run(plugin)
    }
  }

  /// Forgets what the cluster did not take.
  ///
  /// - Returns: whether asking anew may help.
  package func refuse() -> Bool {
    kept = nil
    switch source {
    case .none, .token: return false
    case .tokenFile, .plugin: return true
    }
  }

  /// Requests at the same time start the plugin once.
  private func run(_ plugin: ExecPlugin) async throws -> Credential {
    if let running { return try await running.value }
    let task = Task { try await plugin.run() }
    running = task
    defer { running = nil }
    let credential = try await task.value
    kept = credential
    return credential
  }

  private static func read(_ path: String) throws -> Credential {
    guard let data = FileManager.default.contents(atPath: path), data.count <= 64 << 10 else {
      throw RuntimeError(
        .unavailable, "the token in \(path) cannot be read", remedy: "check the file and its permissions")
    }
    let token = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    guard CredentialSource.isToken(token) else {
      throw RuntimeError(.unavailable, "\(path) holds no token", remedy: "write it anew")
    }
    return Credential(token: token)
  }
}

/// Times as the API writes them (RFC 3339).
package enum KubeTime {
  /// Seconds since 1970; nil where the text is no such time.
  package static func seconds(_ text: String) -> Double? {
    let form = /(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:Z|([+-])(\d{2}):(\d{2}))/
    guard let match = text.wholeMatch(of: form) else { return nil }
    func number(_ part: Substring) -> Int { Int(part) ?? 0 }
    let (year, month, day) = (number(match.output.1), number(match.output.2), number(match.output.3))
    guard (1...12).contains(month), (1...31).contains(day) else { return nil }
    var seconds = Double(days(year, month, day) * 86_400)
    seconds += Double(number(match.output.4) * 3600 + number(match.output.5) * 60 + number(match.output.6))
    if let fraction = match.output.7, let part = Double("0.\(fraction)") { seconds += part }
    if let sign = match.output.8, let hours = match.output.9, let minutes = match.output.10 {
      let offset = Double(number(hours) * 3600 + number(minutes) * 60)
      seconds -= sign == "-" ? -offset : offset
    }
    return seconds
  }

  /// A moment as Leases have it, with microseconds.
  package static func text(_ seconds: Double) -> String {
    let micros = Int64((seconds * 1e6).rounded())
    let (whole, rest) = (Int(micros / 1_000_000), Int(micros % 1_000_000))
    let (day, time) = (whole / 86_400, whole % 86_400)
    let (year, month, date) = civil(day)
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    let fraction = String(rest)
    return "\(year)-\(two(month))-\(two(date))T\(two(time / 3600)):\(two(time / 60 % 60)):\(two(time % 60))."
      + String(repeating: "0", count: 6 - fraction.count) + fraction + "Z"
  }

  /// Days since 1970-01-01 of the Gregorian calendar, counted in eras of 400 years that begin in March.
  private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
    let y = month <= 2 ? year - 1 : year
    let era = (y >= 0 ? y : y - 399) / 400
    let yearOfEra = y - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  private static func civil(_ days: Int) -> (Int, Int, Int) {
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let part = (5 * dayOfYear + 2) / 153
    let month = part < 10 ? part + 3 : part - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * part + 2) / 5 + 1)
  }
}
