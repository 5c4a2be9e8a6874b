import Foundation
import WebClient

/// Where a model repository lies.
package enum RepositoryAddress: Hashable, Sendable, CustomStringConvertible {
  case folder(String)
  /// Address that ends in a slash.
  case https(String)
  /// The prefix is empty or ends in a slash.
  case s3(bucket: String, prefix: String)

  /// Reads `--repository`: a path, `file://`, `https://host/path/` or `s3://bucket/prefix/`.
  ///
  /// - Throws: `RemoteError` (`badData`) that says what is wrong with it.
  package init(_ text: String) throws(RemoteError) {
    guard let mark = text.range(of: "://"), !text.hasPrefix("/"), !text.hasPrefix(".") else {
      self = .folder(text)
      return
    }
    let rest = String(text[mark.upperBound...])
    switch text[..<mark.lowerBound].lowercased() {
    case "file":
      guard rest.hasPrefix("/") else { throw RemoteError(.badData, text, "is no file:///folder") }
      self = .folder(rest.removingPercentEncoding ?? rest)
    case "https": self = .https(try Self.httpsBase(rest))
    case "s3": self = try Self.bucket(rest, text)
    case "http":
      throw RemoteError(.badData, "http://…", "is not encrypted, so models could be exchanged on the way; use https://")
    case let scheme:
      throw RemoteError(.badData, "\(scheme.prefix(20))://…", "is no repository; use a folder, https:// or s3://")
    }
  }

  package var isRemote: Bool { if case .folder = self { false } else { true } }

  package var description: String {
    switch self {
    case .folder(let path): path
    case .https(let base): base
    case .s3(let bucket, let prefix): "s3://\(bucket)/\(prefix)"
    }
  }

  private static func httpsBase(_ rest: String) throws(RemoteError) -> String {
    var rest = rest
    if rest.hasSuffix("/manifest.json") { rest.removeLast("manifest.json".count) }
    if !rest.hasSuffix("/") { rest += "/" }
    let text = "https://" + rest
    guard let parts = URLComponents(string: text), let host = parts.host, !host.isEmpty else {
      throw RemoteError(.badData, "https://…", "is no address: a host is missing or a character is not allowed there")
    }
    guard parts.user == nil, parts.password == nil else {
      throw RemoteError(
        .badData, "https://…@\(host)", "has a password in it, which every process list would show; use s3:// or a proxy"
      )
    }
    guard parts.query == nil, parts.fragment == nil else {
      throw RemoteError(.badData, "https://\(host)/…", "has a query or a fragment; a repository's address ends in /")
    }
    return text
  }

  /// Names as S3 allows them: 3 to 63 of a-z, 0-9, dot and hyphen, an alphanumeric one first and last.
  private static func bucket(_ rest: String, _ text: String) throws(RemoteError) -> RepositoryAddress {
    let name = String(rest.prefix { $0 != "/" })
    var prefix = String(rest.dropFirst(name.count).drop { $0 == "/" })
    if !prefix.isEmpty, !prefix.hasSuffix("/") { prefix += "/" }
    let isPlain = name.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
      case UInt8(ascii: "-"), UInt8(ascii: "."): true
      default: false
      }
    }
    guard isPlain, (3...63).contains(name.utf8.count), name.first != "-", name.first != ".", name.last != "-",
      name.last != ".", !name.contains("..")
    else { throw RemoteError(.badData, String(text.prefix(200)), "does not begin with a bucket's name") }
    guard prefix.utf8.count <= 900, !prefix.utf8.contains(0) else {
      throw RemoteError(.badData, String(text.prefix(200)), "has a prefix that S3 does not allow")
    }
    return .s3(bucket: name, prefix: prefix)
  }
}
