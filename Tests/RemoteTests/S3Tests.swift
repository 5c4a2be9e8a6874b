import Foundation
import PlannerCore
import TestSupport
import Testing
import WebClient

/// Repositories in a bucket. The store refuses every request whose signature botocore would not have made.
@Suite struct S3Tests {
  @Test func aManifestsModelsArePulledOnceAndChecked() throws {
    let store = try Store("s3")
    let sample = try Sample(names: ["model0.pt", "sub/mo del+é~1.pt", "model2.pt"])
    try sample.upload(to: store, prefix: "team a/bert/", manifest: try sample.manifest())
    let remote = try sample.repository(store.bucket + "team a/bert", store.environment)
    let manifest = try remote.manifest()
    #expect(manifest == (try sample.manifest()))
    let first = try remote.pull(manifest)
    #expect(first.fetched == 3 && first.fetchedBytes == 300_000 && first.failures.isEmpty, "\(first)")
    try sample.expectWhole(remote.folder)
    #expect(FileManager.default.fileExists(atPath: remote.folder + "/vocab.txt"))
    _ = try store.log()

    let again = try sample.repository(store.bucket + "team a/bert", store.environment)
    let second = try again.pull(try again.manifest())
    #expect(second.fetched == 0 && second.models == 3)
    // Only the manifest comes again; the vocabulary has not changed.
    #expect(try store.log().map(\.status) == [200, 304])
  }

  @Test func aListTakesAllPagesInNaturalOrder() throws {
    let store = try Store("s3", ["--page", "2"])
    let sample = try Sample(names: (0..<7).map { "model\($0 * 3).pt" }, bytes: 2000)
    try sample.upload(to: store, prefix: "p/", manifest: nil)
    try store.put("p/other/nested.pt", Data("x".utf8))
    try store.put("p/notes.txt", Data("x".utf8))
    let remote = try sample.repository(store.bucket + "p", store.environment)
    let manifest = try remote.manifest()
    #expect(manifest.models.map(\.name) == (0..<7).map { "model\($0 * 3)" })
    #expect(manifest.vocabularyFile == "vocab.txt" && manifest.models.allSatisfy { $0.fileBytes == 2000 })
    #expect(try remote.pull(manifest).fetched == 7)
    try sample.expectWhole(remote.folder)
    #expect(try store.log().filter { $0.uri.contains("list-type=2") }.count >= 4)

    let again = try sample.repository(store.bucket + "p", store.environment)
    try store.put("p/model3.pt", Data("changed".utf8))
    #expect(try again.pull(try again.manifest()).fetched == 1)
    #expect(FileManager.default.contents(atPath: again.folder + "/model3.pt") == Data("changed".utf8))
  }

  struct Source: Sendable, CustomTestStringConvertible {
    var name: String
    var variables: @Sendable (Store) throws -> [String: String]
    var testDescription: String { name }
  }

  static let sources = [
    Source(name: "session keys of the environment") { _ in
      [
        "AWS_ACCESS_KEY_ID": "ASIASESSION", "AWS_SECRET_ACCESS_KEY": "session-secret",
        "AWS_SESSION_TOKEN": "session/token==", "AWS_REGION": "eu-west-1",
      ]
    },
    Source(name: "a profile's keys") { store in
      let credentials = try store.folder.file(
        "credentials",
        "# keys\n[default]\naws_access_key_id = AKIDWRONG\naws_secret_access_key = x\n\n[team]\n"
          + "aws_access_key_id=AKIDFILE\naws_secret_access_key = file-secret\n")
      let config = try store.folder.file("config", "[profile team]\nregion = ap-south-1\ns3 =\n  region = nowhere\n")
      return [
        "AWS_SHARED_CREDENTIALS_FILE": credentials, "AWS_CONFIG_FILE": config, "AWS_PROFILE": "team",
      ]
    },
    Source(name: "web identity") { store in
      [
        "AWS_WEB_IDENTITY_TOKEN_FILE": try store.folder.file("token", "a web+token\n"),
        "AWS_ROLE_ARN": "arn:aws:iam::1:role/r",
      ]
    },
    Source(name: "container") { store in
      [
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:\(store.port)/container",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": try store.folder.file("agent", "container-secret-token"),
      ]
    },
    Source(name: "instance") { store in
      [
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:\(store.port)", "AWS_EC2_METADATA_DISABLED": "false",
      ]
    },
  ]

  @Test(arguments: sources) func credentialsComeFrom(_ source: Source) throws {
    let store = try Store("s3")
    let sample = try Sample(names: ["model0.pt"], bytes: 1000)
    try sample.upload(to: store, prefix: "", manifest: try sample.manifest())
    var environment = store.environment
    environment["AWS_ACCESS_KEY_ID"] = nil
    environment["AWS_SECRET_ACCESS_KEY"] = nil
    environment.merge(try source.variables(store)) { $1 }
    let remote = try sample.repository(store.bucket, environment)
    #expect(try remote.pull(try remote.manifest()).fetched == 1)
  }

  @Test func withoutCredentialsOnlyWhoAsksForItIsAnonymous() throws {
    let store = try Store("s3", ["--open"])
    let sample = try Sample(names: ["model0.pt"], bytes: 1000)
    try sample.upload(to: store, prefix: "", manifest: try sample.manifest())
    var environment = store.environment
    environment["AWS_ACCESS_KEY_ID"] = nil
    let strict = try sample.repository(store.bucket, environment)
    let error = #expect(throws: RemoteError.self) { try strict.manifest() }
    #expect(error?.description.contains("--anonymous") == true)
    let open = try sample.repository(store.bucket, environment) { $0.isAnonymousAllowed = true }
    #expect(try open.pull(try open.manifest()).fetched == 1)
    #expect(try store.log().allSatisfy { $0.headers["x-amz-date"] == nil })
  }

  @Test func refusalsAreToldWithoutSecretsAndNotRepeated() throws {
    let store = try Store("s3")
    let sample = try Sample(names: ["model0.pt"], bytes: 1000)
    try sample.upload(to: store, prefix: "", manifest: try sample.manifest())
    var environment = store.environment
    environment["AWS_SECRET_ACCESS_KEY"] = "not-the-secret"
    let remote = try sample.repository(store.bucket, environment)
    let error = try #require(throws: RemoteError.self) { try remote.manifest() }
    #expect(error.kind == .unavailable && error.message.contains("SignatureDoesNotMatch"))
    #expect(!"\(error)".contains("not-the-secret") && !String(reflecting: error).contains("not-the-secret"))
    #expect(try store.log().map(\.status) == [403])
    let missing = try sample.repository("s3://nowhere", store.environment)
    #expect(throws: RemoteError.self) { try missing.manifest() }
    #expect(try store.log().count <= 2)
  }
}
