import Foundation

/// Keys that requests are signed with. Has no description of its own: nothing may print it.
package struct AWSCredentials: Sendable, CustomStringConvertible, CustomReflectable {
  var accessKeyID: String
  var secretAccessKey: String
  package var sessionToken: String?
  /// Time at which the keys expire; nil for keys that stay valid.
  var expiration: Date?

  package var description: String { "AWSCredentials(…)" }
  package var customMirror: Mirror { Mirror(self, children: []) }

  /// Keys are replaced five minutes before their end.
  func isFresh(at now: Date) -> Bool { expiration.map { $0.timeIntervalSince(now) > 300 } ?? true }
  func isValid(at now: Date) -> Bool { expiration.map { $0 > now } ?? true }
}

/// The environment and the files that AWS tools read.
package struct AWSConfiguration: Sendable {
  package let environment: [String: String]
  let profileName: String
  /// Whether the environment names that profile.
  let isProfileNamed: Bool
  /// What the two files say of the profile; the credentials file wins where both have a key.
  package let profile: [String: String]
  let hasProfile: Bool

  /// - Throws: `RemoteError` where `AWS_PROFILE` names a profile that neither file has.
  package init(environment: [String: String]) throws(RemoteError) {
    self.environment = environment
    func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
    let home = value("HOME") ?? NSHomeDirectory()
    let named = value("AWS_PROFILE") ?? value("AWS_DEFAULT_PROFILE")
    let name = named ?? "default"
    let configPath = Self.expand(value("AWS_CONFIG_FILE") ?? "~/.aws/config", home)
    let credentialsPath = Self.expand(value("AWS_SHARED_CREDENTIALS_FILE") ?? "~/.aws/credentials", home)
    let config = AWSProfileFile.read(configPath)
    let fromConfig = config[name == "default" && config["profile default"] == nil ? name : "profile \(name)"]
    let fromCredentials = AWSProfileFile.read(credentialsPath)[name]
    profileName = name
    isProfileNamed = named != nil
    hasProfile = fromConfig != nil || fromCredentials != nil
    profile = (fromConfig ?? [:]).merging(fromCredentials ?? [:]) { $1 }
    if named != nil, !hasProfile {
      throw RemoteError(.unavailable, "AWS_PROFILE", "'\(name)' is neither in \(credentialsPath) nor in \(configPath)")
    }
  }

  package subscript(variable: String) -> String? { environment[variable].flatMap { $0.isEmpty ? nil : $0 } }

  package var region: String? { self["AWS_REGION"] ?? self["AWS_DEFAULT_REGION"] ?? profile["region"] }

  /// Address of a store that speaks S3 (or of another service) instead of Amazon's.
  package func endpoint(service: String) -> String? {
    if self["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"]?.lowercased() == "true" { return nil }
    return self["AWS_ENDPOINT_URL_\(service)"] ?? self["AWS_ENDPOINT_URL"] ?? profile["endpoint_url"]
  }

  private static func expand(_ path: String, _ home: String) -> String {
    path.hasPrefix("~/") ? home + path.dropFirst() : path
  }
}

/// The form of `~/.aws/config` and `~/.aws/credentials`: sections of `key = value` lines.
package enum AWSProfileFile {
  package static let maxBytes = 1 << 20

  /// Settings of each section of a file; empty where the file cannot be read.
  package static func read(_ path: String) -> [String: [String: String]] {
    guard let file = FileHandle(forReadingAtPath: path),
      let data = try? file.read(upToCount: maxBytes)
    else { return [:] }
    return parse(String(decoding: data, as: UTF8.self))
  }

  package static func parse(_ text: String) -> [String: [String: String]] {
    var sections: [String: [String: String]] = [:]
    var section: String?
    for line in text.split(whereSeparator: \.isNewline) {
      // Indented lines belong to a nested setting, of which none is used here.
      if line.first == " " || line.first == "\t" { continue }
      let line = line.trimmingCharacters(in: .whitespaces)
      if line.isEmpty || line.hasPrefix("#") || line.hasPrefix(";") { continue }
      if line.hasPrefix("["), let end = line.firstIndex(of: "]") {
        let name = line[line.index(after: line.startIndex)..<end]
        section = name.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        if let section, sections[section] == nil { sections[section] = [:] }
      } else if let section, let equals = line.firstIndex(of: "=") {
        let key = line[..<equals].trimmingCharacters(in: .whitespaces).lowercased()
        var value = line[line.index(after: equals)...].trimmingCharacters(in: .whitespaces)
        for mark in [" #", " ;", "\t#", "\t;"] {
          if let comment = value.range(of: mark) {
            value = value[..<comment.lowerBound].trimmingCharacters(in: .whitespaces)
          }
        }
        sections[section]?[key] = value
      }
    }
    return sections
  }
}
