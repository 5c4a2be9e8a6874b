import Executor
import Foundation
import KubernetesRuntime
import TestSupport
import Testing

/// One address for all models in a cluster.
@Suite struct ProxyManifestTests {
  private func manifests(
    _ nodes: Int = 2, models: [String]? = nil, _ change: (inout KubernetesOptions) -> Void = { _ in }
  ) throws -> DeploymentManifests {
    try DeploymentManifests(
      shop(nodes) { if let models { $0.models = models } },
      usual {
        $0.proxyImage = "haproxy:2.6"
        change(&$0)
      })
  }

  private func proxy(_ manifests: DeploymentManifests) throws -> [ManifestValue] {
    try #require(manifests.files.first { $0.name == "proxy.yaml" }).objects
  }

  @Test func itLeadsToTheServicesOfNodes() throws {
    let objects = try proxy(try manifests())
    let data = try #require(objects.first { $0["kind"] == "ConfigMap" }?["data"])
    #expect(data["models.map"] == "model0 pool-0\nmodel1 pool-0\nmodel2 pool-1\nmodel3 pool-1\n")
    let configuration = try #require(data["haproxy.cfg"]?.text)
    for node in 0..<2 { #expect(configuration.contains(" shop-\(node).mpi.svc.cluster.local:8080 ")) }
    // It bears none of the labels by which nodes are found, counted and ended.
    for object in objects {
      #expect(object.at("metadata.labels")?.members?["planner/deployment"] == nil)
      #expect(object.at("spec.template.metadata.labels")?.members?["planner/deployment"] == nil)
    }
    let service = try #require(objects.first { $0["kind"] == "Service" })
    let pods = try #require(objects.first { $0["kind"] == "Deployment" }?.at("spec.template.metadata.labels")?.members)
    #expect(service.at("spec.selector")?.members?.allSatisfy { pods[$0.key] == $0.value } == true)
    #expect(service.at("metadata.name") == "shop" && service.at("spec.type") == "ClusterIP")
  }

  /// Another map is another revision of the pods; the same one changes nothing.
  @Test func anotherPlanRollsTheProxy() throws {
    func revision(_ manifests: DeploymentManifests) throws -> ManifestValue? {
      try proxy(manifests).first { $0["kind"] == "Deployment" }?.at("spec.template.metadata.annotations")
    }
    #expect(try revision(try manifests()) == revision(try manifests()))
    #expect(try revision(try manifests()) != revision(try manifests(3)))
  }

  @Test func withItNodesAreNotReachedFromOutside() throws {
    let balanced = try manifests { $0.exposure = .loadBalancer }
    let services = balanced.objects("Service")
    #expect(services.map { $0.at("metadata.name") } == ["shop-0", "shop-1", "shop"])
    #expect(services.map { $0.at("spec.type") } == ["ClusterIP", "ClusterIP", "LoadBalancer"])
    let routed = try manifests { $0.exposure = .ingress(domain: "example.com", className: nil) }
    #expect(routed.objects("Ingress").map { $0.at("spec.rules.0.host") } == ["shop.example.com"])
  }

  @Test func podsKeepToTheRestrictedStandard() throws {
    let pod = try #require(try proxy(try manifests()).first { $0["kind"] == "Deployment" }?.at("spec.template.spec"))
    #expect(pod.at("securityContext.runAsNonRoot") == true && pod.at("automountServiceAccountToken") == false)
    #expect(pod.at("securityContext.seccompProfile.type") == "RuntimeDefault")
    let container = try #require(pod.at("containers.0.securityContext"))
    #expect(container.at("allowPrivilegeEscalation") == false && container.at("readOnlyRootFilesystem") == true)
    #expect(container.at("capabilities.drop") == ["ALL"])
  }

  @Test func hostileNamesStayNames() throws {
    let objects = try proxy(try manifests(1, models: ManifestTests.hostile))
    let map = try #require(objects.first { $0["kind"] == "ConfigMap" }?.at("data")?["models.map"]?.text)
    #expect(map.split(separator: "\n").count == Set(ManifestTests.hostile).count)
    #expect(map.split(separator: "\n").allSatisfy { $0.hasSuffix(" pool-0") && $0.split(separator: " ").count == 2 })
  }

  @Test func aMapThatNoObjectHoldsIsRefusedWithItsSize() throws {
    let many = shop(3) { settings in
      let first = settings.models[0]
      settings.models = (0..<100).map { String(repeating: "ü", count: 900) + "\(first) \($0)" }
    }
    let tooLarge = refusal { try DeploymentManifests(many, usual { $0.proxyImage = "haproxy:2.6" }) }
    #expect(tooLarge?.message.contains("300 models") == true && tooLarge?.message.contains("960 KiB") == true)
    #expect(refusal { try DeploymentManifests(many, usual()) } == nil)
    #expect(refusal { try manifests { $0.proxyImage = "a b" } }?.message.contains("'a b'") == true)
  }

  /// HAProxy reads what is mounted into its pods.
  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: Tools.haproxy), "haproxy is not installed"))
  func haproxyTakesTheFiles() async throws {
    let folder = try TemporaryFolder()
    let data = try #require(try proxy(try manifests(3)).first { $0["kind"] == "ConfigMap" }?["data"])
    for name in ["haproxy.cfg", "models.map"] {
      let text = try #require(data[name]?.text)
      try text.replacing("/usr/local/etc/haproxy", with: folder.path).write(
        toFile: folder.path + "/" + name, atomically: true, encoding: .utf8)
    }
    let (status, text) = try await output(of: Tools.haproxy, ["-c", "-f", folder.path + "/haproxy.cfg"])
    #expect(status.isSuccess && !text.contains("WARNING"), "\(text)")
  }
}
