/// Name of something that a machine has and that what runs on it takes.
public struct ResourceName: RawRepresentable, Hashable, Sendable, Comparable, ExpressibleByStringLiteral {
  public var rawValue: String

  public init(rawValue: String) { self.rawValue = rawValue }
  public init(stringLiteral value: String) { rawValue = value }

  public static func < (a: ResourceName, b: ResourceName) -> Bool { a.rawValue < b.rawValue }

  /// Thousandths of a vCPU.
  public static let cpu: ResourceName = "cpu"
  /// Memory of the host, bytes.
  public static let memory: ResourceName = "memory"
  /// Pods, a count.
  public static let pods: ResourceName = "pods"
  /// Accelerator devices, a count.
  public static let accelerators: ResourceName = "accelerators"
  /// Memory of one accelerator device, bytes.
  public static let acceleratorMemory: ResourceName = "acceleratorMemory"
}

/// Quantities of named resources. What is not named is not there.
public struct ResourceList: Hashable, Sendable {
  /// In the resource's base unit: thousandths of a vCPU, bytes, or a count.
  private var quantities: [ResourceName: Int64]

  public init(_ quantities: [ResourceName: Int64] = [:]) { self.quantities = quantities }

  /// In the resource's base unit; nil where it is not named.
  public subscript(name: ResourceName) -> Int64? {
    get { quantities[name] }
    set { quantities[name] = newValue }
  }

  /// Names of the resources, ascending.
  public var names: [ResourceName] { quantities.keys.sorted() }

  public var isEmpty: Bool { quantities.isEmpty }

  /// Whether no quantity of `demand` is above the one here; a resource that is not named here counts as 0.
  public func covers(_ demand: ResourceList) -> Bool {
    demand.quantities.allSatisfy { ($0.value <= 0) || $0.value <= (quantities[$0.key] ?? 0) }
  }

  /// The resources other than these.
  public func without(_ names: [ResourceName]) -> ResourceList {
    ResourceList(quantities.filter { !names.contains($0.key) })
  }
}

extension ResourceList: Codable {
  public init(from decoder: any Decoder) throws {
    let named = try [String: Int64](from: decoder)
    self.init(Dictionary(uniqueKeysWithValues: named.map { (ResourceName(rawValue: $0.key), $0.value) }))
  }

  public func encode(to encoder: any Encoder) throws {
    try Dictionary(uniqueKeysWithValues: quantities.map { ($0.key.rawValue, $0.value) }).encode(to: encoder)
  }
}
