import Crypto

/// Name of content by its SHA-256: `sha256:` and 64 hexadecimal digits in lower case.
public struct ContentDigest: Hashable, Sendable, Comparable, CustomStringConvertible {
  static let algorithm = "sha256:"
  public let hex: String

  /// - Returns: nil unless `text` is such a name; other algorithms are not known here.
  public init?(_ text: some StringProtocol) {
    guard text.hasPrefix(Self.algorithm) else { return nil }
    let hex = text.dropFirst(Self.algorithm.count)
    guard hex.utf8.count == 64, hex.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
    else { return nil }
    self.hex = String(hex)
  }

  init(_ digest: SHA256.Digest) { hex = hexadecimal(digest) }

  /// Digest of these bytes.
  public init(of bytes: [UInt8]) { self.init(SHA256.hash(data: bytes)) }

  public var description: String { Self.algorithm + hex }
  /// Where an OCI image layout keeps the content.
  var path: String { "blobs/sha256/" + hex }

  public static func < (a: Self, b: Self) -> Bool { a.hex < b.hex }
}

extension ContentDigest: Codable {
  public init(from decoder: any Decoder) throws {
    let text = try decoder.singleValueContainer().decode(String.self)
    guard let digest = ContentDigest(text) else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: "is no digest of the form sha256:…"))
    }
    self = digest
  }

  public func encode(to encoder: any Encoder) throws {
    var box = encoder.singleValueContainer()
    try box.encode(description)
  }
}

func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
  let digits = Array("0123456789abcdef".utf8)
  var text: [UInt8] = []
  for byte in bytes {
    text.append(digits[Int(byte >> 4)])
    text.append(digits[Int(byte & 15)])
  }
  return String(decoding: text, as: UTF8.self)
}
