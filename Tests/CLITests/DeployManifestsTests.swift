import Foundation
import TestSupport
import Testing

/// `planner deploy manifests`: a plan as it would be applied to a cluster.
@Suite struct DeployManifestsTests {
  private static let usual = ["--image", "registry.example.com/model-server:1", "--models", "s3://bucket/models"]

  private static func run(_ place: Workplace, _ more: [String]) throws -> Workplace.Result {
    try place.run(["deploy", "manifests", "plan.json"] + usual + more)
  }

  /// Plans so many models on nodes of a type that pods run on as they are.
  private static func plan(_ place: Workplace, models: Int) throws -> Int32 {
    try place.planner("optimize", "--models", "\(models)", "--target-p99", "20ms", "--instances", "g5.xlarge").status
  }

  @Test func aPlanBecomesAKustomizeBase() throws {
    let place = try Workplace()
    #expect(try Self.plan(place, models: 200) == 0)
    let plan = try #require(
      try JSONSerialization.jsonObject(with: Data(try place.read("plan.json").utf8)) as? [String: Any])
    let nodes = try #require(plan["nodes"] as? [[String: Any]]).compactMap { $0["count"] as? Int }.reduce(0, +)
    let result = try Self.run(place, ["--name", "shop-1", "--namespace", "mpi", "--out", "deploy", "--json"])
    #expect(result.status == 0, "\(result.errors)")
    #expect(try CommandSchemaTests.violations("deploy-manifests", result.output) == [])
    let json = try result.json()
    #expect(json["deployment"] as? String == "shop-1" && json["nodes"] as? Int == nodes)
    let text = try place.read("deploy/base/shop-1-0.yaml")
    #expect(text.contains("name: shop-1-0\n") && text.contains("node.kubernetes.io/instance-type: g5.xlarge"))
    #expect(text.contains("image: \"registry.example.com/model-server:1\""))
    // Every model of the plan is served by some node.
    let base = place.folder + "/deploy/base"
    let all = try FileManager.default.contentsOfDirectory(atPath: base).map { try place.read("deploy/base/" + $0) }
      .joined()
    for model in 0..<200 { #expect(all.contains("model\(model)\\n"), "model\(model)") }
    // The same again is the same bytes, and printed it is what the base has.
    let again = try Self.run(place, ["--name", "shop-1", "--namespace", "mpi", "--out", "other"])
    let other = try place.read("other/base/shop-1-0.yaml")
    #expect(again.status == 0 && other == text)
    let printed = try Self.run(place, ["--name", "shop-1", "--namespace", "mpi"])
    #expect(printed.status == 0 && printed.output.contains(text))
  }

  @Test func whatMakesNoSenseIsRefusedInASentence() throws {
    let place = try Workplace()
    #expect(try Self.plan(place, models: 20) == 0)
    let wrong: [([String], Int32, String)] = [
      (["--kubernetes", "1.20"], 64, "1.26"), (["--kubernetes", "latest"], 64, "1.26"), (["--json"], 64, "--out"),
      (["--namespace", "A B"], 69, "'A B'"), (["--load-balancer", "--ingress", "example.com"], 64, "either"),
      (["--ingress-class", "x"], 64, "--ingress"), (["--role-arn", "x"], 69, "'x' is no role"),
      (["--toleration", "a b"], 69, "'a b' is no taint"),
    ]
    for (arguments, status, words) in wrong {
      let result = try Self.run(place, arguments)
      #expect(result.status == status && result.errors.contains(words), "\(arguments): \(result.errors)")
      #expect(result.output.isEmpty)
    }
    let local = try place.planner("deploy", "manifests", "plan.json", "--image", "x:1", "--models", "models")
    #expect(local.status == 69 && local.errors.contains("pods do not see it"))
    let none = try place.planner("deploy", "manifests", "plan.json", "--models", "/models")
    #expect(none.status == 64 && none.errors.contains("--image"))
  }
}
