/// What this program reads of the objects of a cluster. Whatever a cluster leaves out is nil: bookmarks and newer
/// versions hold less or more.
package struct ObjectMeta: Decodable, Hashable, Sendable {
  var name: String?
  var namespace: String?
  var uid: String?
  var resourceVersion: String?
  var labels: [String: String]?
  var annotations: [String: String]?
  var creationTimestamp: String?
  var deletionTimestamp: String?

  /// Whether this program made it, for whatever deployment.
  var isOwn: Bool { labels?[KubernetesName.managerLabel] == KubernetesName.manager }
}

/// Objects that have a name, and a version that grows.
package protocol KubeObject: Decodable, Sendable {
  var metadata: ObjectMeta { get }
}

package struct KubeList<Item: Decodable & Sendable>: Decodable, Sendable {
  struct Meta: Decodable, Sendable {
    var resourceVersion: String?
    var `continue`: String?
  }
  var metadata = Meta()
  package var items: [Item] = []

  init() {}

  package init(from decoder: any Decoder) throws {
    let box = try decoder.container(keyedBy: CodingKeys.self)
    metadata = try box.decodeIfPresent(Meta.self, forKey: .metadata) ?? Meta()
    // Lists of nothing but names are null where they are empty.
    items = try box.decodeIfPresent([Item].self, forKey: .items) ?? []
  }

  private enum CodingKeys: String, CodingKey { case metadata, items }
}

/// An object of which only the name and labels matter.
struct AnyKubeObject: KubeObject {
  var metadata: ObjectMeta
}

package struct KubeCondition: Decodable, Hashable, Sendable {
  var type: String
  var status: String
  var reason: String?
  var message: String?
  var lastTransitionTime: String?
}

package struct DeploymentObject: KubeObject {
  struct Spec: Decodable, Sendable {
    struct Template: Decodable, Sendable { var metadata: ObjectMeta? }
    var template: Template?
  }
  struct Status: Decodable, Sendable { var conditions: [KubeCondition]? }
  package var metadata: ObjectMeta
  var spec: Spec?
  var status: Status?
}

package struct ServiceObject: KubeObject {
  struct Spec: Decodable, Sendable {
    var type: String?
    var selector: [String: String]?
  }
  package var metadata: ObjectMeta
  var spec: Spec?

  /// The Deployment that answers for it.
  var slot: String? { spec?.selector?[KubernetesName.slotLabel] }
}

struct IngressObject: KubeObject {
  struct Spec: Decodable, Sendable {
    struct Rule: Decodable, Sendable { var host: String? }
    var ingressClassName: String?
    var rules: [Rule]?
  }
  var metadata: ObjectMeta
  var spec: Spec?

  /// Whether its host and class are those of a manifest; a class that the manifest leaves out is the cluster's choice.
  func leads(as manifest: ManifestValue) -> Bool {
    let className = manifest["spec"]?["ingressClassName"]?.text
    return spec?.rules?.first?.host == manifest["spec"]?["rules"]?.elements?.first?["host"]?.text
      && (className == nil || className == spec?.ingressClassName)
  }
}

package struct PodObject: KubeObject {
  struct Spec: Decodable, Sendable {
    struct Container: Decodable, Sendable {
      struct Resources: Decodable, Sendable { var requests: [String: String]? }
      var resources: Resources?
    }
    var nodeName: String?
    var containers: [Container]?
  }

  struct Status: Decodable, Sendable {
    struct Container: Decodable, Sendable {
      struct State: Decodable, Sendable {
        struct Waiting: Decodable, Sendable {
          var reason: String?
          var message: String?
        }
        struct Terminated: Decodable, Sendable {
          var exitCode: Int?
          var signal: Int?
          var reason: String?
          var message: String?
          var startedAt: String?
          var finishedAt: String?
        }
        struct Running: Decodable, Sendable { var startedAt: String? }
        var waiting: Waiting?
        var running: Running?
        var terminated: Terminated?
      }
      var name: String?
      var ready: Bool?
      /// Whether it has been ready since it runs.
      var started: Bool?
      var restartCount: Int?
      var state: State?
      var lastState: State?
    }
    var phase: String?
    var reason: String?
    var message: String?
    var podIP: String?
    var conditions: [KubeCondition]?
    var containerStatuses: [Container]?
  }

  package var metadata: ObjectMeta
  var spec: Spec?
  var status: Status?

  func condition(_ type: String) -> KubeCondition? { status?.conditions?.first { $0.type == type } }
  var isReady: Bool { condition("Ready")?.status == "True" && metadata.deletionTimestamp == nil }
  var server: Status.Container? { status?.containerStatuses?.first { $0.name == KubernetesName.container } }
}

package struct MachineObject: KubeObject {
  struct Spec: Decodable, Sendable {
    struct Taint: Decodable, Sendable {
      var key: String
      var value: String?
      var effect: String?
    }
    var unschedulable: Bool?
    var taints: [Taint]?
  }
  struct Status: Decodable, Sendable {
    var allocatable: [String: String]?
    var conditions: [KubeCondition]?
  }
  package var metadata: ObjectMeta
  var spec: Spec?
  var status: Status?
}

package struct QuotaObject: KubeObject {
  struct Status: Decodable, Sendable {
    var hard: [String: String]?
    var used: [String: String]?
  }
  package var metadata: ObjectMeta
  var status: Status?
}

package struct LeaseObject: KubeObject {
  struct Spec: Decodable, Sendable {
    var holderIdentity: String?
    var leaseDurationSeconds: Int?
    var renewTime: String?
  }
  package var metadata: ObjectMeta
  var spec: Spec?
}

/// Amounts as the API writes them: `250m`, `30Gi`, `2e9`.
package enum KubeQuantity {
  private static let suffixes: [(String, Double)] = [
    ("Ki", 0x1p10), ("Mi", 0x1p20), ("Gi", 0x1p30), ("Ti", 0x1p40), ("Pi", 0x1p50), ("Ei", 0x1p60),
    ("n", 1e-9), ("u", 1e-6), ("m", 1e-3), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12), ("P", 1e15), ("E", 1e18),
  ]

  /// The amount in units of one; nil where the text is none.
  package static func value(_ text: String) -> Double? {
    var (digits, factor) = (text[...], 1.0)
    for (suffix, value) in suffixes where text.hasSuffix(suffix) {
      (digits, factor) = (text.dropLast(suffix.count), value)
      break
    }
    // No other digits, and no words: `Double` would take hexadecimal, "inf" and "nan".
    guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) || "+-.eE".utf8.contains($0) }),
      let number = Double(digits), number.isFinite
    else { return nil }
    return number * factor
  }

  /// Bytes, rounded down; nil where the text is no amount that could be some.
  package static func bytes(_ text: String?) -> Int64? {
    guard let value = text.flatMap(value), value >= 0, value < 9e18 else { return nil }
    return Int64(value)
  }

  /// Thousandths, rounded down; nil where the text is no amount that could be some.
  package static func thousandths(_ text: String?) -> Int? {
    guard let value = text.flatMap(value), value >= 0, value < 9e15 else { return nil }
    return Int((value * 1000).rounded(.down))
  }
}
