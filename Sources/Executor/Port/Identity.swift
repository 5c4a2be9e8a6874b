import PlannerCore
import PlannerFiles

/// A name that is safe as it is in file names, DNS, container names and labels; written as a string, and read only
/// where it is such a name.
public protocol LabelID: Hashable, Sendable, Comparable, Codable, CustomStringConvertible {
  var text: String { get }

  /// - Returns: nil unless `text` is such a name.
  init?(_ text: String)
}

extension LabelID {
  public var description: String { text }

  public static func < (a: Self, b: Self) -> Bool { a.text < b.text }

  public init(from decoder: any Decoder) throws {
    let text = try decoder.singleValueContainer().decode(String.self)
    guard let id = Self(text) else { throw decoder.noLabel(text) }
    self = id
  }

  public func encode(to encoder: any Encoder) throws {
    var box = encoder.singleValueContainer()
    try box.encode(text)
  }
}

/// What a deployment is known by, on disk, in a container engine and in a cluster.
public struct DeploymentID: LabelID {
  public static let mostCharacters = 40
  public let text: String

  /// - Returns: nil unless `text` is a label that every runtime takes as it is: 1 to 40 lower-case letters, digits and
  ///   hyphens, the first a letter, the last no hyphen.
  public init?(_ text: String) {
    guard Label.isValid(text, mostCharacters: Self.mostCharacters) else { return nil }
    self.text = text
  }

  /// The nearest label to any name, a moment behind it to tell apart what bears the same name.
  public init(naming name: String, at moment: String) {
    text = Label.make(name, suffix: moment, mostCharacters: Self.mostCharacters)
  }

  /// What the plan of that name is deployed as: the name itself where it is such a label, else the nearest label with
  /// digits behind it that other names do not have.
  public init(ofPlan name: String) {
    if let id = DeploymentID(name) {
      self = id
      return
    }
    var hash = StableHash()
    hash.mix(Array(name.utf8))
    self.init(naming: name, at: String(hash.hexadecimal.suffix(8)))
  }
}

/// What a node of a deployment is known by. It stays when the node's settings change.
public struct NodeID: LabelID {
  public static let mostCharacters = 40
  public let text: String

  /// - Returns: nil unless `text` is such a label as `DeploymentID` takes.
  public init?(_ text: String) {
    guard Label.isValid(text, mostCharacters: Self.mostCharacters) else { return nil }
    self.text = text
  }

  /// The node with that place in its deployment: `node-0`, `node-1`, …
  public init(index: Int) { text = "node-\(index)" }
}

/// One node with one set of settings. While a node's settings change, two replicas of it stand side by side.
public struct ReplicaID: Hashable, Sendable, Comparable, CustomStringConvertible {
  public let node: NodeID
  /// Ten hexadecimal digits that stand for the settings: equal settings have equal revisions.
  public let revision: String
  /// A label of at most 51 characters: `node-0-3f9a0c11d2`.
  public var description: String { "\(node)-\(revision)" }

  public init(_ node: NodeID, _ settings: NodeSettings) {
    self.node = node
    revision = settings.revision
  }

  /// - Returns: nil unless `revision` is ten hexadecimal digits.
  public init?(node: NodeID, revision: String) {
    guard revision.utf8.count == 10, revision.utf8.allSatisfy(Label.isHexadecimal) else { return nil }
    self.node = node
    self.revision = revision
  }

  public static func < (a: ReplicaID, b: ReplicaID) -> Bool { (a.node, a.revision) < (b.node, b.revision) }
}

/// How a `LabelID` is spelled.
enum Label {
  static func isValid(_ text: String, mostCharacters: Int) -> Bool {
    let bytes = Array(text.utf8)
    guard let first = bytes.first, let last = bytes.last, bytes.count <= mostCharacters else { return false }
    return isLetter(first) && last != UInt8(ascii: "-")
      && bytes.allSatisfy { isLetter($0) || isDigit($0) || $0 == UInt8(ascii: "-") }
  }

  /// `name` in lower case with a hyphen for whatever a label may not hold, cut so that `suffix` fits behind it.
  static func make(_ name: String, suffix: String, mostCharacters: Int) -> String {
    let ending = words(suffix)
    let room = mostCharacters - ending.utf8.count - 1
    var start = words(name)
    if start.utf8.first.map(isLetter) != true { start = start.isEmpty ? "run" : "run-\(start)" }
    var cut = String(start.prefix(max(1, room)))
    while cut.last == "-" { cut.removeLast() }
    return ending.isEmpty ? cut : "\(cut)-\(ending)"
  }

  private static func words(_ text: String) -> String {
    text.lowercased().split { !($0.isASCII && ($0.isLetter || $0.isNumber)) }.joined(separator: "-")
  }

  static func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }
  static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
  static func isHexadecimal(_ byte: UInt8) -> Bool {
    isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
  }
}

extension Decoder {
  fileprivate func noLabel(_ text: String) -> DecodingError {
    .dataCorrupted(
      .init(codingPath: codingPath, debugDescription: "'\(text)' is no name of lower-case letters, digits and hyphens"))
  }
}
