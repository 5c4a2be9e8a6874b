import Executor
import Foundation
import KubernetesRuntime
import TestSupport
import Testing

/// Manifests as tools of others read them; `scripts/test-tools` installs these.
@Suite struct ManifestToolTests {
  /// Everything that manifests can hold, for a release.
  private static func everything(minor: Int) throws -> DeploymentManifests {
    try DeploymentManifests(
      shop { $0.models = ManifestTests.hostile },
      usual {
        $0.minorVersion = minor
        $0.roleARN = "arn:aws:iam::123456789012:role/models"
        $0.exposure = .ingress(domain: "models.example.com", className: "nginx")
        $0.tolerations = [.init(key: "dedicated", value: "models", effect: "NoSchedule"), .init(key: "spot")]
        $0.imagePullSecrets = ["registry"]
        $0.proxyImage = "haproxy:2.6"
      })
  }

  /// Against the schemas of the releases, where unknown keys are errors.
  @Test(arguments: 26...37)
  func schemasOfEveryReleaseHold(_ minor: Int) async throws {
    let folder = try TemporaryFolder()
    var files = try Self.everything(minor: minor).write(to: folder.path)
    files.removeAll { $0.hasSuffix("kustomization.yaml") }
    #expect(files.count == 6)
    let (status, text) = try await output(
      of: Tools.kubernetesValidate, ["--strict", "--no-warn", "-k", "1.\(minor)"] + files)
    #expect(status.isSuccess, "\(text)")
    // The tool finds what is wrong, or its silence would say nothing.
    let broken = folder.path + "/broken.yaml"
    let deployment = try String(contentsOfFile: folder.path + "/base/shop-0.yaml", encoding: .utf8)
    try deployment.replacing("replicas: 1", with: "replicas: one").write(
      toFile: broken, atomically: true, encoding: .utf8)
    let (refused, _) = try await output(of: Tools.kubernetesValidate, ["--strict", "-k", "1.\(minor)", broken])
    #expect(!refused.isSuccess)
  }

  @Test func manifestsOfOneReleaseSuitTheNewer() async throws {
    let folder = try TemporaryFolder()
    let files = try Self.everything(minor: 26).write(to: folder.path).filter { !$0.hasSuffix("kustomization.yaml") }
    let (status, text) = try await output(
      of: Tools.kubernetesValidate, ["--strict", "--no-warn", "-k", "1.37"] + files)
    #expect(status.isSuccess, "\(text)")
  }

  @Test func kustomizeTakesTheBase() async throws {
    let folder = try TemporaryFolder()
    let manifests = try Self.everything(minor: 30)
    _ = try manifests.write(to: folder.path)
    let (status, text) = try await output(of: Tools.kubectl, ["kustomize", folder.path + "/base"])
    #expect(status.isSuccess)
    #expect(text.split(separator: "\n").count { $0.hasPrefix("kind: ") } == manifests.objects.count)
    // An overlay of the user's own changes what it names and nothing else.
    let overlay = folder.path + "/overlay"
    try FileManager.default.createDirectory(atPath: overlay, withIntermediateDirectories: true)
    try """
    apiVersion: kustomize.config.k8s.io/v1beta1
    kind: Kustomization
    resources: [../base]
    namespace: other
    images: [{name: registry.example.com/model-server, newTag: "2"}]
    """.write(toFile: overlay + "/kustomization.yaml", atomically: true, encoding: .utf8)
    let (_, changed) = try await output(of: Tools.kubectl, ["kustomize", overlay])
    #expect(changed.contains("image: registry.example.com/model-server:2"))
    #expect(!changed.contains("namespace: mpi"))
  }
}
