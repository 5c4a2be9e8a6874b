/// How a registry is reached, as a user may say it.
public struct RegistryAccess: Sendable {
  /// Certificates, PEM, of the authorities that are trusted instead of the system's own; nil for those.
  public var authoritiesPEM: [UInt8]?
  /// Speaks without encryption, or with whoever answers, where nothing better is to be had.
  public var isInsecure: Bool
  /// Where logins are looked up.
  public var config: DockerConfig

  public init(config: DockerConfig, authoritiesPEM: [UInt8]? = nil, isInsecure: Bool = false) {
    self.config = config
    self.authoritiesPEM = authoritiesPEM
    self.isInsecure = isInsecure
  }
}

/// How far a transfer is.
public struct TransferProgress: Hashable, Sendable {
  public var doneBytes: Int
  public var totalBytes: Int
}

/// What was sent or fetched, for whoever reports it.
public struct ImageTransfer: Encodable, Sendable {
  /// The image as it was named.
  public var reference: String
  /// The image's repository with its digest behind it.
  public var pinned: String
  public var digest: ContentDigest
  public var file: String
  /// Size of manifest, configuration and layers together, bytes.
  public var imageBytes: Int
  /// How much of that went over the network, bytes.
  public var transferredBytes: Int
  /// Contents that were sent or fetched.
  public var transferred: Int
  /// Contents that were there already.
  public var present: Int
  /// Contents that the registry took over from another repository.
  public var mounted: Int
}
