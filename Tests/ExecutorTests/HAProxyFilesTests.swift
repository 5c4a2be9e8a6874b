import Executor
import Foundation
import PlannerCore
import Synchronization
import TestSupport
import Testing

/// A routing table as HAProxy reads it, HAProxy's own check included.
@Suite struct HAProxyFilesTests {
  private static let isThere = FileManager.default.isExecutableFile(atPath: Tools.haproxy)

  private func table(_ nodes: [(models: [String], host: String, port: Int)]) -> RoutingTable {
    RoutingTable(
      ObservedDeployment(
        id: ReconcilerTests.deployment,
        replicas: nodes.enumerated().map { index, node in
          let desired = ReconcilerTests.node(index, node.models)
          return ObservedReplica(
            id: desired.replica, settings: desired.settings,
            phase: .ready(NodeAddress(host: node.host, port: node.port)), handle: "h")
        }))
  }

  private func files(_ table: RoutingTable, host: String = "127.0.0.1", port: Int = 8080) throws -> HAProxyFiles {
    var place = HAProxyFiles.Place(bind: NodeAddress(host: host, port: port))
    place.adminSocket = "admin.sock"
    return try HAProxyFiles(table, at: place)
  }

  /// What `haproxy -c` says, and nil where it takes the files.
  private func complaint(_ files: HAProxyFiles) async throws -> String? {
    let scratch = try Scratch()
    _ = try scratch.write(files.configuration, to: HAProxyFiles.configurationName)
    _ = try scratch.write(files.map, to: HAProxyFiles.mapName)
    let said = Mutex("")
    let status = try await ChildProcess.run(
      Tools.haproxy, arguments: ["-c", "-C", scratch.path, "-f", HAProxyFiles.configurationName],
      onStandardError: { line in said.withLock { $0 += line + "\n" } })
    let text = said.withLock { $0 }
    return status.isSuccess && !text.contains("WARNING") ? nil : "\(status): \(text)"
  }

  @Test func modelsShareThePoolsOfTheirNodes() throws {
    let files = try files(table([(["a", "b"], "127.0.0.1", 1001), (["b", "c", "d"], "10.0.0.7", 1002)]))
    #expect(files.map == "a pool-0\nb pool-1\nc pool-2\nd pool-2\n")
    let pools = files.configuration.components(separatedBy: "\nbackend ").filter { $0.hasPrefix("pool-") }
    let nodes = [0, 1].map { index in ReconcilerTests.node(index, index == 0 ? ["a", "b"] : ["b", "c", "d"]).replica }
    #expect(pools.count == 3 && !pools[0].contains("10.0.0.7"))
    #expect(pools[1].contains("server \(nodes[0]) 127.0.0.1:1001 weight 1 track nodes/\(nodes[0])\n"))
    #expect(pools[1].contains("server \(nodes[1]) 10.0.0.7:1002 weight 1 track nodes/\(nodes[1])\n"))
    #expect(files.configuration.contains("description \(files.revision)\n"))
    // Equal tables are equal files; another address is another revision.
    let same = try self.files(table([(["a", "b"], "127.0.0.1", 1001), (["b", "c", "d"], "10.0.0.7", 1002)]))
    #expect(same == files)
    let other = try self.files(table([(["a", "b"], "127.0.0.1", 1001), (["b", "c", "d"], "10.0.0.7", 1003)]))
    #expect(other.revision != files.revision)
  }

  @Test(.enabled(if: isThere, "haproxy is not installed")) func haproxyTakesThem() async throws {
    for host in ["127.0.0.1", "0.0.0.0", "", "::1"] {
      let text = try files(table([(["a"], "::1", 1001), (["a", "b"], "127.0.0.1", 1002)]), host: host)
      #expect(try await complaint(text) == nil)
    }
    #expect(try await complaint(try files(table([]))) == nil)
    #expect(try await complaint(try files(table([([], "127.0.0.1", 1001), (["a"], "127.0.0.1", 1002)]))) == nil)
    var place = HAProxyFiles.Place(bind: NodeAddress(host: "", port: 8080))
    place.resolvesNames = true
    place.threads = 2
    let named = try HAProxyFiles(table([(["a"], "shop-0.mpi.svc.cluster.local", 8080)]), at: place)
    #expect(try await complaint(named) == nil)
  }

  /// Three thousand models, each in two places.
  @Test(.enabled(if: isThere, "haproxy is not installed")) func aLargeFleetIsTaken() async throws {
    let nodes = (0..<60).map { node in
      (models: (0..<100).map { "model\((node * 50 + $0) % 3000)" }, host: "10.0.\(node / 8).\(node % 8)", port: 8080)
    }
    let files = try files(table(nodes))
    #expect(files.map.split(separator: "\n").count == 3000)
    #expect(try await complaint(files) == nil)
  }

  static let hostile = [
    "a b", "a\nuse_backend x", "#", "'", "\"", "$HOME", "${HOME}", "%[env(HOME)]", "%41", "a pool-1", "..", ".", "ü",
    "e\u{301}", "\u{0}", "\r\nX: y", "a;b", "`reboot`", "\\", "*", "%", "%2", "a+b", "a?b", "a&b=c", "日本", "🦊",
    "stats", "index", String(repeating: "x", count: 3000), String(repeating: "ü", count: 3000),
  ]

  /// A name is a key of letters, digits and five marks, whatever it says.
  @Test(arguments: hostile) func namesAreNoSyntax(name: String) async throws {
    let files = try files(table([([name, "model0"], "127.0.0.1", 1001)]))
    let lines = files.map.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.count == 3 && lines[2] == "")
    for line in lines.dropLast() {
      let words = line.split(separator: " ")
      #expect(words.count == 2 && words[1] == "pool-0")
      let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%"
      #expect(words[0].allSatisfy { letters.contains($0) })
    }
    #expect(files.configuration.split(separator: "\n").allSatisfy { $0.utf8.count < 2000 })
    #expect(!name.contains("$") || !files.configuration.contains(name))
    if Self.isThere { #expect(try await complaint(files) == nil) }
  }

  @Test(arguments: [
    "", "a b", "127.0.0.1\n    server evil 10.0.0.1:80", "unix@/etc/passwd", "fd@3", "abns@x", "$HOME", "a'b", "a\"b",
    "-a",
    "a_b", "a#b", "a,b", "ü", "127.0.0.1:80,", "a%b", String(repeating: "a", count: 300),
  ])
  func addressesAreAddresses(host: String) {
    #expect(throws: RuntimeError.self) { try files(table([(["a"], host, 80)])) }
    if !host.isEmpty { #expect(throws: RuntimeError.self) { try files(table([(["a"], "h", 80)]), host: host) } }
  }

  @Test(arguments: [0, -1, 65536, Int.max]) func portsArePorts(port: Int) {
    #expect(throws: RuntimeError.self) { try files(table([(["a"], "127.0.0.1", port)])) }
  }
}
