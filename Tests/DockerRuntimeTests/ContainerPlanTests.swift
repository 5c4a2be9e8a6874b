import DockerRuntime
import Executor
import Foundation
import Testing

/// What the engine is asked for, as JSON: names and values stay what they are, whatever they hold.
@Suite struct ContainerPlanTests {
  private let deployment = DeploymentID("shop")!
  private let image = EngineImage(name: "server:1", id: "sha256:1")

  private func settings(_ repository: String = "/srv/models") -> NodeSettings {
    NodeSettings(
      repository: repository, models: ["a", "b"], workers: 2, threadsPerWorker: 1, warmTokens: [16],
      environment: ["OMP_NUM_THREADS": "1"], memoryBytes: 8 << 30)
  }

  private func plan(_ settings: NodeSettings, _ cpus: CPUSplit? = nil, restarts: Bool = false) -> ContainerPlan {
    ContainerPlan(
      deployment: deployment, node: DesiredNode(NodeID(index: 0), settings), image: image, cpus: cpus,
      restarts: restarts)
  }

  private func json(_ plan: ContainerPlan) throws -> [String: Any] {
    let data = try JSONEncoder().encode(plan.request())
    return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
  }

  @Test func aNodeGetsWhatItNeedsAndNoMore() throws {
    let cpus = try CPUSplit.sideBySide(allowed: [0, 1, 2, 3], quota: nil, cores: [2, 1], reserved: 0)
    let request = try json(plan(settings(), cpus[0], restarts: true))
    let host = try #require(request["HostConfig"] as? [String: Any])
    #expect(request["Image"] as? String == "sha256:1" && request["User"] as? String == "65532:65532")
    #expect(
      request["Cmd"] as? [String] == [
        "--repository", "/models", "--host", "0.0.0.0", "--port", "8080", "--workers", "2", "--threads", "1",
        "--warm-tokens", "16", "--model-list", "/var/planner/models.txt", "--pin-workers", "0,1", "--io-cpus", "3",
      ])
    #expect(request["Env"] as? [String] == ["HOME=/tmp", "OMP_NUM_THREADS=1", "XDG_CACHE_HOME=/tmp/.cache"])
    // 8 GiB and an eighth, without swap.
    #expect(host["Memory"] as? Int == 9 << 30 && host["MemorySwap"] as? Int == 9 << 30)
    #expect(host["CpusetCpus"] as? String == "0,1,3")
    #expect(host["ReadonlyRootfs"] as? Bool == true && host["CapDrop"] as? [String] == ["ALL"])
    #expect(host["SecurityOpt"] as? [String] == ["no-new-privileges"] && host["PidsLimit"] as? Int == 4096)
    #expect((host["RestartPolicy"] as? [String: String]) == ["Name": "unless-stopped"])
    let ports = try #require(host["PortBindings"] as? [String: [[String: String]]])
    #expect(ports == ["8080/tcp": [["HostIp": "127.0.0.1", "HostPort": ""]]])
    let mounts = try #require(host["Mounts"] as? [[String: Any]])
    #expect(mounts.map { $0["Target"] as? String } == ["/models", "/var/planner"])
    #expect(mounts[0]["ReadOnly"] as? Bool == true && mounts[0]["Source"] as? String == "/srv/models")
    #expect(mounts[1]["Source"] == nil)
  }

  @Test func whatTheServerFetchesGoesToAVolumeOfItsOwn() throws {
    let request = try json(plan(settings("s3://bucket/models")))
    let host = try #require(request["HostConfig"] as? [String: Any])
    #expect((request["Cmd"] as? [String])?[1] == "s3://bucket/models")
    let mounts = try #require(host["Mounts"] as? [[String: Any]])
    #expect(mounts.map { $0["Type"] as? String } == ["volume", "volume"] && mounts[0]["Target"] as? String == "/tmp")
    #expect((host["Tmpfs"] as? [String: String]) == [:])
  }

  @Test func labelsSayAllThatIsKnown() throws {
    var hostile = settings()
    hostile.models = ["a\"b", "$(reboot)", "`x`", "ü\u{2028}", "--host"]
    hostile.environment["X"] = "'; rm -rf /\n\"}"
    let node = DesiredNode(NodeID(index: 3), hostile)
    let labels = ReplicaLabels(deployment: deployment, node: node, isKept: true)
    let read = try #require(ReplicaLabels(labels.labels))
    #expect(read.settings == hostile && read.replica == node.replica && read.deployment == deployment)
    // Each value is a word of its own, never a part of another.
    let request = try json(plan(hostile))
    #expect((request["Env"] as? [String])?.contains("X='; rm -rf /\n\"}") == true)
    #expect((request["Cmd"] as? [String])?.filter { $0 == "--host" }.count == 1)
    for key in labels.labels.keys {
      var broken = labels.labels
      broken[key] = key == "planner.kept" ? nil : "../x"
      #expect((ReplicaLabels(broken) == nil) == (key != "planner.kept"), "\(key)")
    }
  }

  @Test func linkedFoldersAreMountedUnlessTheyAreTheContainersOwn() throws {
    let folder = NSTemporaryDirectory() + "linked-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: folder) }
    for name in ["mix", "one", "two"] {
      try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
    }
    func link(_ name: String, _ target: String) throws {
      try FileManager.default.createSymbolicLink(atPath: "\(folder)/mix/\(name)", withDestinationPath: target)
    }
    try link("a.pt", "\(folder)/two/a.pt")
    try link("b.pt", "../one/b.pt")
    try link("c.pt", "a.pt")
    let place = URL(fileURLWithPath: folder).standardizedFileURL.path
    #expect(try LinkedFolders.of(folder + "/mix") == ["\(place)/one", "\(place)/two"])
    for target in [
      "/etc/passwd", "/x", "/usr/lib/x/y", "/tmp/x", "/var/planner/models.txt", "../../../../../../proc/x",
    ] {
      try link("bad", target)
      #expect(throws: RuntimeError.self, "\(target)") { try LinkedFolders.of(folder + "/mix") }
      try FileManager.default.removeItem(atPath: folder + "/mix/bad")
    }
    #expect(try LinkedFolders.of("/no/such/folder") == [])
  }

  @Test func namesOfImagesAreChecked() throws {
    let digest = String(repeating: "a", count: 64)
    for name in [
      "model-server", "model-server:1", "localhost/a/b:1.2", "registry.example:5000/team/server:v1",
      "registry.example/a@sha256:\(digest)", "123456789012.dkr.ecr.us-east-1.amazonaws.com/planner/server:1",
    ] {
      #expect(try ImageSource(name) == .reference(name))
    }
    for name in [
      "", "a b", "../x", "a/../b", "-rm", "A", "a:", "a//b", "a?b", "a#b", "a%2Fb", "a\nb", "a@sha256:12", "http://a/b",
      "ü", String(repeating: "a", count: 500), "missing.tar",
    ] {
      #expect(throws: RuntimeError.self, "\(name)") { try ImageSource(name) }
    }
  }
}
