import Foundation
import KubernetesRuntime
import Testing
import Yams

/// What of a cluster's objects is laid side by side.
@Suite struct ManifestComparisonTests {
  private static let applied: ManifestValue = [
    "kind": "Deployment", "metadata": ["name": "shop-0", "annotations": ["planner/settings": "{}"]],
    "spec": [
      "replicas": 1,
      "containers": [["name": "model-server", "image": "server:2", "env": [["name": "A", "value": "1"]]]],
    ],
  ]

  /// As the cluster has it: with its own notes and defaults, and a secret that somebody else has put there.
  private static func live(image: String, extra: ManifestValue? = nil) throws -> ManifestValue {
    var object: ManifestValue = try decoded(
      #"{"kind":"Deployment","metadata":{"name":"shop-0","uid":"1","resourceVersion":"7","generation":2,"#
        + #""managedFields":[{"manager":"x"}],"creationTimestamp":"2026-01-01T00:00:00Z","#
        + #""annotations":{"planner/settings":"{}","deployment.kubernetes.io/revision":"3","other":"private"}},"#
        + #""spec":{"replicas":1,"paused":null,"ratio":0.5,"revisionHistoryLimit":10,"containers":["#
        + #"{"name":"model-server","image":"\#(image)","terminationMessagePath":"/dev/x","env":["#
        + #"{"name":"A","value":"1"},{"name":"PASSWORD","value":"hunter2"}]},"#
        + #"{"name":"sidecar","image":"other","args":["--token=hunter2"]}]},"status":{"replicas":1}}"#)
    if let extra { object["spec"]?["extra"] = extra }
    return object
  }

  private static func texts(_ live: ManifestValue, _ merged: ManifestValue) -> (String, String) {
    let pair = ManifestComparison.relevant(live: live, merged: merged, applied: applied)
    return (YAMLText.reading(pair.before), YAMLText.reading(pair.after))
  }

  @Test func whatChangesIsShownAndWhatOthersHaveIsNot() throws {
    let (before, after) = Self.texts(try Self.live(image: "server:1"), try Self.live(image: "server:2"))
    #expect(before.contains("image: \"server:1\"") && after.contains("image: \"server:2\""))
    #expect(before.replacing("server:1", with: "server:2") == after)
    for text in [before, after] {
      for word in ["hunter2", "private", "uid", "managedFields", "resourceVersion", "revision", "status", "sidecar"] {
        #expect(!text.contains(word), "\(word)")
      }
      #expect(text.contains("name: shop-0") && text.contains("replicas: 1") && text.contains("name: A"))
    }
  }

  @Test func whatWouldGoOrComeWithoutBeingAppliedIsShown() throws {
    let (before, after) = Self.texts(
      try Self.live(image: "server:2", extra: ["pullSecrets": [["name": "old"]]]), try Self.live(image: "server:2"))
    #expect(before.contains("name: old") && !after.contains("old"))
    let same = Self.texts(try Self.live(image: "server:2"), try Self.live(image: "server:2"))
    #expect(same.0 == same.1)
  }

  @Test func anObjectHoldsAManifestWhateverElseItHas() throws {
    let service: ManifestValue = ["spec": ["type": "ClusterIP", "ports": [["port": 80]]]]
    var object = service
    object["spec"]?["clusterIP"] = "10.0.0.1"
    #expect(ManifestComparison.holds(object, service) && !ManifestComparison.holds(service, object))
    object["spec"]?["type"] = "LoadBalancer"
    #expect(!ManifestComparison.holds(object, service))
    #expect(!ManifestComparison.holds(["spec": ["type": "ClusterIP", "ports": []]], service))
  }

  /// Texts of several lines are read line by line, and are the same texts.
  @Test(arguments: [
    "a\nb\n", " a\nb\n", "a\nb", "a\n\nb\n", "a \nb\n", "a\u{7}\nb\n", "yes\n'x'\n", "\"a\"\nb\n", "\n", "",
  ])
  func longTextsAreBlocksOrQuoted(_ text: String) throws {
    let value: ManifestValue = ["outer": ["models": .string(text), "next": 1]]
    let yaml = YAMLText.reading(value)
    let read = try #require(try Yams.compose(yaml: yaml))
    #expect(read["outer"]?["models"]?.string == text, "\(yaml)")
    #expect(read["outer"]?["next"]?.int == 1)
    if text == "a\nb\n" { #expect(yaml == "outer:\n  models: |\n    a\n    b\n  next: 1\n") }
  }
}
