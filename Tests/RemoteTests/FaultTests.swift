import Foundation
import PlannerCore
import RemoteModels
import TestSupport
import Testing
import WebClient

/// Stores and lines that misbehave. What is in place is always whole and right, or not there.
@Suite struct FaultTests {
  /// One model in a bucket, its manifest fetched already and the log empty.
  static func one(
    bytes: Int = 100_000, hashed: Bool = true, checksum: String? = nil, own: [String]? = nil
  ) throws -> (store: Store, sample: Sample, remote: RemoteRepository, manifest: RepositoryManifest) {
    let store = try Store("s3", own)
    let sample = try Sample(names: ["model0.pt"], bytes: bytes)
    try sample.upload(
      to: store, prefix: "p/", manifest: try sample.manifest(hashed: hashed), checksum: checksum)
    let remote = try sample.repository(store.bucket + "p", store.environment)
    let manifest = try remote.manifest()
    _ = try store.log()
    return (store, sample, remote, manifest)
  }

  @Test(arguments: ["cut", "stall"]) func aCutTransferGoesOnWhereItStopped(_ kind: String) throws {
    let (store, sample, remote, manifest) = try Self.one()
    try store.fault("model0.pt", kind, after: 40_000)
    let summary = try remote.pull(manifest)
    // No byte came twice.
    #expect(summary.failures.isEmpty && summary.fetchedBytes == 100_000, "\(summary)")
    try sample.expectWhole(remote.folder)
    let log = try store.log()
    #expect(log.map(\.status) == [200, 206])
    #expect(log.last?.headers["range"] == "bytes=40000-")
    #expect(log.last?.headers["if-match"]?.isEmpty == false)
  }

  @Test func manyCutsAreNoFailureWhileEachBringsSomething() throws {
    let (store, sample, remote, manifest) = try Self.one()
    try store.fault("model0.pt", "cut", after: 9_000, times: 9)
    let summary = try remote.pull(manifest)
    #expect(summary.failures.isEmpty && summary.fetchedBytes == 100_000, "\(summary)")
    try sample.expectWhole(remote.folder)
    #expect(try store.log().count == 10)
  }

  /// Sending the same bytes again and again is no progress.
  @Test func aStoreThatCannotResumeAndCutsIsGivenUp() throws {
    let (store, _, remote, manifest) = try Self.one()
    try store.fault("model0.pt", "untagged", after: 40_000, times: 99)
    #expect(try remote.pull(manifest).failures["model0"]?.contains("6 times") == true)
    #expect(try store.log().map(\.status) == Array(repeating: 200, count: 6))
  }

  @Test func anObjectThatChangesMeanwhileIsBegunAnew() throws {
    let (store, sample, remote, manifest) = try Self.one(hashed: false)
    let changed = String(repeating: "new content ", count: 100_000 / 12) + "1234"
    try store.fault("model0.pt", "cut", after: 40_000, replacing: ("p/model0.pt", changed))
    let summary = try remote.pull(manifest)
    #expect(summary.failures.isEmpty, "\(summary)")
    #expect(FileManager.default.contents(atPath: remote.folder + "/model0.pt") == Data(changed.utf8))
    #expect(try store.log().map(\.status) == [200, 412, 200])
    #expect(try sample.rubbish(remote.folder) == [])
  }

  @Test func aChangedObjectIsRefusedWhereTheManifestSaysOtherwise() throws {
    let (store, _, remote, manifest) = try Self.one()
    try store.put("p/model0.pt", Data(repeating: 1, count: 100_000))
    let summary = try remote.pull(manifest)
    #expect(summary.failures["model0"]?.contains("SHA-256") == true, "\(summary)")
    #expect(!FileManager.default.fileExists(atPath: remote.folder + "/model0.pt"))
  }

  @Test func anOverloadedStoreIsAskedAgain() throws {
    let (store, sample, remote, manifest) = try Self.one()
    try store.fault("model0.pt", "status", after: 503, times: 3)
    #expect(try remote.pull(manifest).failures.isEmpty)
    try sample.expectWhole(remote.folder)
    #expect(try store.log().map(\.status) == [503, 503, 503, 200])
  }

  @Test(arguments: [403, 404]) func whatIsRefusedIsNotAskedAgain(_ status: Int) throws {
    let (store, _, remote, manifest) = try Self.one()
    try store.fault("model0.pt", "status", after: status, times: 9, code: "AccessDenied")
    let summary = try remote.pull(manifest)
    #expect(summary.failures["model0"]?.contains("AccessDenied") == true, "\(summary)")
    #expect(try store.log().map(\.status) == [status])
  }

  @Test func attemptsEnd() throws {
    let (store, _, remote, manifest) = try Self.one()
    try store.fault("model0.pt", "status", after: 500, times: 99, code: "InternalError")
    #expect(try remote.pull(manifest).failures["model0"]?.contains("6 times") == true)
    #expect(try store.log().count == 6)
  }

  /// By the manifest's SHA-256, by the checksum stored with the object, by an entity tag that is an MD5.
  @Test(arguments: [(true, nil), (false, "SHA256"), (false, nil)] as [(Bool, String?)])
  func aDamagedByteIsFound(_ hashed: Bool, _ checksum: String?) throws {
    let (store, sample, remote, manifest) = try Self.one(hashed: hashed, checksum: checksum)
    try store.fault("model0.pt", "flip", after: 77_777)
    #expect(try remote.pull(manifest).failures.isEmpty)
    try sample.expectWhole(remote.folder)
    #expect(try store.log().map(\.status) == [200, 200])
  }

  @Test func aDamageThatStaysIsAnErrorAndLeavesNothing() throws {
    let (store, sample, remote, manifest) = try Self.one()
    try store.fault("model0.pt", "flip", after: 5, times: 99)
    #expect(try remote.pull(manifest).failures.count == 1)
    #expect(!FileManager.default.fileExists(atPath: remote.folder + "/model0.pt"))
    #expect(try sample.rubbish(remote.folder) == [])
  }

  @Test func aWrongSizeIsRefused() throws {
    let (store, _, remote, manifest) = try Self.one(hashed: false)
    try store.fault("model0.pt", "short", after: 1, times: 99)
    #expect(try remote.pull(manifest).failures["model0"]?.contains("99999 bytes; 100000 were announced") == true)
    #expect(!FileManager.default.fileExists(atPath: remote.folder + "/model0.pt"))
  }

  @Test func oneModelThatIsMissingDoesNotKeepTheOthersAway() throws {
    let store = try Store("s3")
    let sample = try Sample(names: ["a.pt", "b.pt", "c.pt"], bytes: 3000)
    var manifest = try sample.manifest()
    manifest.models[1].file = "gone.pt"
    try sample.upload(to: store, prefix: "p/", manifest: manifest)
    let remote = try sample.repository(store.bucket + "p", store.environment)
    let summary = try remote.pull(try remote.manifest())
    #expect(summary.fetched == 2 && summary.failures.keys.sorted() == ["b"])
    #expect(
      try FileManager.default.attributesOfItem(atPath: remote.localPath(of: manifest.models[2]))[.size] as? Int == 3000)
    #expect(throws: RemoteError.self) { try remote.localPath(of: manifest.models[1]) }
  }

  @Test func whatIsThereServesWhileTheStoreIsOutOfReach() throws {
    let (store, sample, remote, manifest) = try Self.one(own: [])
    _ = try remote.pull(manifest)
    var environment = store.environment
    // No server listens there.
    environment["AWS_ENDPOINT_URL"] = "http://127.0.0.1:\(store.port)"
    kill(store.server.process.processIdentifier, SIGKILL)
    store.server.process.waitUntilExit()
    let later = try sample.repository(store.bucket + "p", environment) { $0.retry.attempts = 2 }
    #expect(try later.manifest() == manifest)
    #expect(try later.pull(manifest).failures.isEmpty)
    #expect(try later.localPath(of: manifest.models[0]) == remote.folder + "/model0.pt")
  }

  @Test(.enabled(if: geteuid() == 0, "needs root to mount a small disk"))
  func aFullDiskIsOneSentenceAndLeavesNothing() throws {
    let (store, sample, _, manifest) = try Self.one(bytes: 3_000_000)
    let disk = sample.cache.path + "/disk"
    try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
    try #require(mount("tmpfs", disk, "tmpfs", 0, "size=2m") == 0)
    defer { umount2(disk, 2) }
    let remote = try sample.repository(store.bucket + "p", store.environment) { $0.cache = disk }
    _ = try remote.manifest()
    let said = try #require(try remote.pull(manifest).failures["model0"])
    #expect(said.contains("the disk is full; make room") && !said.contains("\n"))
    #expect(try sample.rubbish(remote.folder) == [])
    #expect(!FileManager.default.fileExists(atPath: remote.folder + "/model0.pt"))
  }

  @Test func givingUpEndsWaitingTransfers() throws {
    let (store, _, remote, manifest) = try Self.one()
    try store.fault("model0.pt", "status", after: 503, times: 99)
    let giver = Thread {
      while (try? store.requests()) == 0 { usleep(2000) }
      remote.cancel()
    }
    giver.start()
    let error = #expect(throws: RemoteError.self) { try remote.pull(manifest) }
    #expect(error?.kind == .cancelled)
  }
}
