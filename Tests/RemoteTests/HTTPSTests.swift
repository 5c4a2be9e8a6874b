import Foundation
import PlannerCore
import TestSupport
import Testing
import WebClient

/// Repositories on a web server, behind a certificate of an authority that only the test trusts.
@Suite struct HTTPSTests {
  static func served(_ names: [String], hashed: Bool = true) throws -> (store: Store, sample: Sample, address: String) {
    let store = try Store("https")
    let sample = try Sample(names: names)
    try sample.upload(to: store, prefix: "team/", manifest: try sample.manifest(hashed: hashed))
    return (store, sample, "https://127.0.0.1:\(store.port)/\(store.prefix)team")
  }

  @Test(arguments: [true, false]) func modelsArePulledOnce(_ hashed: Bool) throws {
    let (store, sample, address) = try Self.served(["model0.pt", "a/b c.pt"], hashed: hashed)
    let remote = try sample.repository(address, store.environment)
    #expect(try remote.pull(try remote.manifest()).fetched == 2)
    try sample.expectWhole(remote.folder)
    _ = try store.log()
    let again = try sample.repository(address, store.environment)
    #expect(try again.pull(try again.manifest()).fetched == 0)
    // Without a checksum in the manifest each file's entity tag is compared.
    #expect(try store.log().map(\.status).sorted() == (hashed ? [200, 304] : [200, 304, 304, 304]))
  }

  @Test func aCutIsResumedAndAChangeBegunAnew() throws {
    let (store, sample, address) = try Self.served(["model0.pt"], hashed: false)
    let remote = try sample.repository(address, store.environment)
    let manifest = try remote.manifest()
    _ = try store.log()
    try store.fault("model0.pt", "cut", after: 30_000)
    let changed = String(repeating: "c", count: 100_000)
    try store.fault("model0.pt", "cut", after: 30_000, replacing: ("team/model0.pt", changed))
    let summary = try remote.pull(manifest)
    #expect(summary.failures.isEmpty, "\(summary)")
    #expect(try store.log().map(\.status) == [200, 206, 412, 200])
    #expect(FileManager.default.contents(atPath: remote.folder + "/model0.pt") == Data(changed.utf8))
  }

  @Test func redirectsAreFollowed() throws {
    let (store, sample, _) = try Self.served(["model0.pt"])
    let remote = try sample.repository("https://127.0.0.1:\(store.port)/moved/\(store.prefix)team/", store.environment)
    #expect(try remote.pull(try remote.manifest()).fetched == 1)
    try sample.expectWhole(remote.folder)
  }

  @Test func anUnknownAuthorityIsNotTrusted() throws {
    let (store, sample, address) = try Self.served(["model0.pt"])
    var environment = store.environment
    environment["CURL_CA_BUNDLE"] = nil
    let remote = try sample.repository(address, environment)
    let error = #expect(throws: RemoteError.self) { try remote.manifest() }
    #expect(
      error?.kind == .unavailable && error?.message.contains("certificate") == true, "\(String(describing: error))")
    #expect(try store.log().isEmpty)
    environment["SSL_CERT_FILE"] = store.server.folder.path + "/authority.pem"
    #expect(try sample.repository(address, environment).manifest().models.count == 1)
  }

  @Test func aFolderWithoutAManifestIsNoRepository() throws {
    let store = try Store("https")
    let sample = try Sample(names: [])
    let remote = try sample.repository("https://127.0.0.1:\(store.port)/x/", store.environment)
    let error = #expect(throws: RemoteError.self) { try remote.manifest() }
    #expect(error?.message.contains("404") == true)
  }

  /// Paths that would leave the cache, or overwrite what it keeps for itself.
  @Test(arguments: ["../evil.pt", "a/../../evil.pt", "/etc/evil.pt", ".pull/evil.pt", "a/.hidden/x.pt", "a//b.pt", "."])
  func hostilePathsAreRefused(_ file: String) throws {
    let (store, sample, address) = try Self.served(["model0.pt"])
    var manifest = try sample.manifest()
    manifest.models[0].file = file
    try store.put("team/manifest.json", Data(try JSONEncoder().encode(manifest)))
    try store.put("team/" + file, Data("evil".utf8))
    let remote = try sample.repository(address, store.environment)
    #expect(throws: (any Error).self) { try remote.manifest() }
    let there = FileManager.default.enumerator(atPath: sample.cache.path)?.compactMap { $0 as? String } ?? []
    #expect(!there.contains { $0.contains("evil") })
  }

  @Test func hostileManifestsAreRefused() throws {
    let (store, sample, address) = try Self.served(["model0.pt"])
    for text in ["", "[]", "{", String(repeating: "[", count: 100_000), "\u{0}", "{\"kind\":\"plan\"}"] {
      try store.put("team/manifest.json", Data(text.utf8))
      #expect(throws: (any Error).self) { try sample.repository(address, store.environment).manifest() }
    }
    try store.put("team/manifest.json", Data(repeating: 0x20, count: 65 << 20))
    let error = #expect(throws: RemoteError.self) { try sample.repository(address, store.environment).manifest() }
    #expect(error?.message.contains("longer than") == true)
  }
}
