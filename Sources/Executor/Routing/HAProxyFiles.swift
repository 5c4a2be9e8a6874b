import PlannerCore

/// A routing table as the files that HAProxy reads: its configuration, and a map from models to pools.
///
/// Equal tables give equal bytes. Nothing that somebody else chose becomes syntax: names of models are percent-encoded,
/// so that they are letters, digits and `-._~%`; replicas are labels; and an address that is neither a number nor a
/// name of DNS is refused.
public struct HAProxyFiles: Hashable, Sendable {
  /// Where the proxy runs, and what it may use there.
  public struct Place: Hashable, Sendable {
    /// Address that clients ask; an empty host is every address of the machine.
    public var bind: NodeAddress
    /// The map as the proxy finds it.
    public var mapFile = HAProxyFiles.mapName
    /// Socket by which the proxy is asked how it is, and hands its listeners on; nil makes none.
    public var adminSocket: String?
    public var threads = 1
    /// Names of replicas are asked of the system's resolver again and again; without it, addresses are numbers.
    public var resolvesNames = false

    public init(bind: NodeAddress) { self.bind = bind }
  }

  public static let configurationName = "haproxy.cfg"
  public static let mapName = "models.map"

  public let configuration: String
  /// One line a model: its encoded name and its pool.
  public let map: String
  /// Ten hexadecimal digits that stand for both files, and stand in the configuration as the process's description.
  public let revision: String

  /// - Throws: `RuntimeError` where an address is none.
  public init(_ table: RoutingTable, at place: Place) throws(RuntimeError) {
    for target in table.targets { try Self.check(target.address, canBeEmpty: false) }
    try Self.check(place.bind, canBeEmpty: true)
    map = table.models.map { "\(Self.key($0.name)) \($0.pool.map(Self.pool) ?? Self.nobody)\n" }.joined()
    let rest = Self.defaults + Self.frontend(table, place) + Self.backends(table, place)
    var hash = StableHash()
    hash.mix(Array((Self.global(place, revision: "") + rest + map).utf8))
    revision = String(hash.hexadecimal.prefix(10))
    configuration = Self.global(place, revision: revision) + rest
  }

  // MARK: Names

  /// Pool of models that are wanted and that nobody answers for.
  static let nobody = "nobody"
  /// Backend of all replicas: what any of them can answer, and where each is looked after.
  static let everybody = "nodes"
  static func pool(_ place: Int) -> String { "pool-\(place)" }

  /// A model's name as a key of the map: as HAProxy's `url_enc` writes it.
  static func key(_ name: String) -> String { PercentEncoding.component(name) }

  /// - Throws: `RuntimeError` unless the host is a number or a name of DNS, and the port is one.
  private static func check(_ address: NodeAddress, canBeEmpty: Bool) throws(RuntimeError) {
    let bytes = Array(address.host.utf8)
    func isWord(_ byte: UInt8) -> Bool {
      UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20
    }
    // A colon makes it a number of the sixth version, which has neither dashes nor letters behind f.
    let isNumber = bytes.allSatisfy { HexDigit.value($0) != nil || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ".") }
    let isName = bytes.allSatisfy { isWord($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
    let isHost = bytes.isEmpty ? canBeEmpty : bytes.count <= 253 && (isNumber || isName && isWord(bytes[0]))
    guard isHost, 1...65535 ~= address.port else {
      throw RuntimeError(
        .conflict,
        "'\(String(address.host.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7f }.prefix(80)))' with port "
          + "\(address.port) is no address that a proxy could lead to",
        remedy: "look at the deployment's status: something else than this program has changed it")
    }
  }

  static func text(_ address: NodeAddress) -> String {
    address.host.isEmpty ? ":::\(address.port) v4v6" : address.authority
  }
}
