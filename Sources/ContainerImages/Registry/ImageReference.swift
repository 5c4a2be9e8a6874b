/// What an image is called: registry, repository, and a tag, a digest or both, by the grammar of the distribution
/// project (github.com/distribution/reference, `reference.go`), with its rules for what may be left out.
public struct ImageReference: Hashable, Sendable, CustomStringConvertible {
  /// Host and perhaps port, as they were written; `docker.io` where none was.
  public let registry: String
  /// Path of the repository, such as `library/nginx`.
  public let repository: String
  /// Nil only where a digest stands alone.
  public let tag: String?
  public let digest: ContentDigest?

  static let dockerHub = "docker.io"
  static let longestName = 255

  /// - Returns: nil unless `text` is such a name. Without tag and digest the tag is `latest`; a digest has to be one of
  ///   SHA-256.
  public init?(_ text: String) {
    var rest = text[...]
    var digest: ContentDigest?
    if let at = rest.firstIndex(of: "@") {
      guard let found = ContentDigest(rest[rest.index(after: at)...]) else { return nil }
      digest = found
      rest = rest[..<at]
    }
    var tag: String?
    if let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("/") {
      let found = rest[rest.index(after: colon)...]
      guard Self.isTag(found) else { return nil }
      tag = String(found)
      rest = rest[..<colon]
    }
    var registry = Self.dockerHub
    var path = rest
    if let slash = rest.firstIndex(of: "/"), Self.looksLikeHost(rest[..<slash]) {
      guard Self.isHost(rest[..<slash]) else { return nil }
      registry = String(rest[..<slash])
      path = rest[rest.index(after: slash)...]
    }
    if registry == "index.docker.io" { registry = Self.dockerHub }
    guard Self.isPath(path) else { return nil }
    let isShort = registry == Self.dockerHub && !path.contains("/")
    let repository = (isShort ? "library/" : "") + path
    guard registry.utf8.count + 1 + repository.utf8.count <= Self.longestName else { return nil }
    self.init(
      registry: registry, repository: repository, tag: tag ?? (digest == nil ? "latest" : nil), digest: digest)
  }

  private init(registry: String, repository: String, tag: String?, digest: ContentDigest?) {
    self.registry = registry
    self.repository = repository
    self.tag = tag
    self.digest = digest
  }

  /// The reference with a digest in place of its tag, which names one image for ever.
  public func pinned(to digest: ContentDigest) -> ImageReference {
    ImageReference(registry: registry, repository: repository, tag: tag, digest: digest)
  }

  /// Everything that was left out filled in, such as `docker.io/library/nginx:latest`.
  public var fullName: String { "\(registry)/\(repository)" + suffix }

  /// Repository as people write it: without Docker Hub's own parts.
  public var familiarName: String {
    guard registry == Self.dockerHub else { return "\(registry)/\(repository)" }
    return repository.hasPrefix("library/") ? String(repository.dropFirst("library/".count)) : repository
  }

  public var description: String { familiarName + suffix }

  private var suffix: String { (tag.map { ":" + $0 } ?? "") + (digest.map { "@\($0)" } ?? "") }

  /// What the interface of registries calls the image: the digest where there is one.
  var selector: String { digest?.description ?? tag ?? "latest" }

  // MARK: Grammar

  /// The first part of a name is a host where it could not be the first part of a path.
  private static func looksLikeHost(_ text: Substring) -> Bool {
    text == "localhost" || text.contains { ".:[".contains($0) || $0.isUppercase }
  }

  private static func isHost(_ text: Substring) -> Bool {
    var host = text
    if text.hasPrefix("[") {
      guard let end = text.firstIndex(of: "]") else { return false }
      let address = text[text.index(after: text.startIndex)..<end]
      guard !address.isEmpty, address.utf8.allSatisfy({ isHexadecimal($0) || $0 == UInt8(ascii: ":") }) else {
        return false
      }
      host = text[text.index(after: end)...]
      return host.isEmpty || host.hasPrefix(":") && isPort(host.dropFirst())
    }
    if let colon = text.firstIndex(of: ":") {
      guard isPort(text[text.index(after: colon)...]) else { return false }
      host = text[..<colon]
    }
    return host.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { part in
      guard let first = part.utf8.first, let last = part.utf8.last else { return false }
      return isAlphanumeric(first) && isAlphanumeric(last)
        && part.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
    }
  }

  private static func isPort(_ text: Substring) -> Bool {
    (1...5).contains(text.utf8.count) && text.utf8.allSatisfy(isDigit) && Int(text).map { $0 <= 65535 } == true
  }

  /// Parts of lower-case letters and digits, with one dot, one or two underscores or any hyphens between them.
  private static func isPath(_ text: Substring) -> Bool {
    text.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { part in
      var separator: [UInt8] = []
      var isInside = false
      for byte in part.utf8 {
        if isDigit(byte) || (0x61...0x7A).contains(byte) {
          let isGood =
            separator.isEmpty
            || isInside
              && (separator == Array(".".utf8) || separator == Array("_".utf8)
                || separator == Array("__".utf8) || separator.allSatisfy { $0 == UInt8(ascii: "-") })
          guard isGood else { return false }
          separator = []
          isInside = true
        } else {
          guard [UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-")].contains(byte) else { return false }
          separator.append(byte)
        }
      }
      return isInside && separator.isEmpty
    }
  }

  private static func isTag(_ text: Substring) -> Bool {
    guard let first = text.utf8.first, text.utf8.count <= 128 else { return false }
    func isWord(_ byte: UInt8) -> Bool { isAlphanumeric(byte) || byte == UInt8(ascii: "_") }
    return isWord(first)
      && text.utf8.allSatisfy { isWord($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    isDigit(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
  }

  private static func isHexadecimal(_ byte: UInt8) -> Bool {
    isDigit(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
  }
}
