import ContainerImages
import Foundation
import TestSupport
import Testing

/// Logins as docker's configuration and its helpers say them.
@Suite struct DockerConfigTests {
  private static func config(_ text: String, helper: String? = nil) throws -> (DockerConfig, TemporaryFolder) {
    let folder = try TemporaryFolder()
    _ = try folder.file("config.json", text)
    if let helper {
      let path = try folder.file("docker-credential-h", "#!/bin/sh\n" + helper)
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    }
    return (
      try DockerConfig(environment: ["DOCKER_CONFIG": folder.path, "PATH": folder.path + ":/usr/bin:/bin"]), folder
    )
  }

  private static func header(_ text: String, _ registry: String, helper: String? = nil) async throws -> String? {
    let (config, folder) = try config(text, helper: helper)
    defer { _ = folder }
    return try await config.credentials(for: registry)?.basic
  }

  // user:pass:word
  private static let login = "dXNlcjpwYXNzOndvcmQ="

  @Test(arguments: [
    ("r.example.com:5000", "r.example.com:5000"), ("https://r.example.com/v2/", "r.example.com"),
    ("http://r.example.com", "r.example.com"), ("https://index.docker.io/v1/", "docker.io"), ("docker.io", "docker.io"),
  ])
  func loginsAreFoundByHost(_ key: String, _ registry: String) async throws {
    let text = #"{"auths": {"\#(key)": {"auth": "\#(Self.login)"}}}"#
    #expect(try await Self.header(text, registry) == "Basic " + Self.login)
    #expect(try await Self.header(text, "other.example.com") == nil)
  }

  @Test func nothingIsNoLogin() async throws {
    let empty = try DockerConfig(environment: ["HOME": "/nowhere"])
    #expect(try await empty.credentials(for: "r.example.com") == nil)
    for text in ["{}", #"{"auths": {"r": {}}}"#, #"{"auths": {"r": {"auth": ""}}}"#, #"{"credsStore": ""}"#] {
      #expect(try await Self.header(text, "r") == nil, "\(text)")
    }
    #expect(try await Self.header(#"{"auths": {"r": {"username": "a", "password": "b"}}}"#, "r") == "Basic YTpi")
  }

  @Test func damagedLoginsAreSaidWithoutWhatIsInThem() async throws {
    for auth in ["c2VjcmV0", "%%%secret"] {
      let (config, folder) = try Self.config(#"{"auths": {"r": {"auth": "\#(auth)"}}}"#)
      defer { _ = folder }
      await #expect { try await config.credentials(for: "r") } throws: { error in
        "\(error)".contains("docker login r") && !"\(error)".contains("secret") && !"\(error)".contains(auth)
      }
    }
    #expect(throws: ImageError.self) { try Self.config("[]") }
  }

  @Test func helpersAnswer() async throws {
    let text = #"{"credHelpers": {"r": "h"}, "credsStore": "h", "auths": {"s": {"auth": "\#(Self.login)"}}}"#
    let answers = #"read s; [ "$1 $s" = "get r" ] && echo '{"Username": "a", "Secret": "b"}' && exit; "#
    let helper = answers + "echo 'credentials not found in native keychain'; exit 1"
    #expect(try await Self.header(text, "r", helper: helper) == "Basic YTpi")
    // Where the store has none, the file may.
    #expect(try await Self.header(text, "s", helper: helper) == "Basic " + Self.login)
    #expect(try await Self.header(text, "t", helper: helper) == nil)
    // An identity token is no password.
    let token = #"echo '{"Username": "<token>", "Secret": "b"}'"#
    #expect(try await Self.header(text, "r", helper: token) == nil)
  }

  @Test(arguments: [
    ("echo 'no daemon: secret'; exit 2", "no daemon"), ("exit 3", "exit status 3"), ("echo '{}'", "something else"),
    ("head -c 100000 /dev/zero", "more than 65536 bytes"), ("kill -9 $$", "docker-credential-h"),
  ])
  func helpersThatFailAreSaid(_ helper: String, _ said: String) async throws {
    let (config, folder) = try Self.config(#"{"credHelpers": {"r": "h"}}"#, helper: helper)
    defer { _ = folder }
    await #expect { try await config.credentials(for: "r") } throws: { error in
      (error as? ImageError)?.kind == .unavailable && "\(error)".contains(said)
    }
  }

  @Test(arguments: ["../h", "a/b", "", ".h", "-h", "h h", "h\u{0}", "h;id", "$(id)", String(repeating: "h", count: 65)])
  func helpersHaveSafeNames(_ name: String) {
    #expect { _ = try CredentialHelper(name, source: "f", environment: [:]) } throws: {
      ($0 as? ImageError)?.kind == .badData
    }
  }

  @Test func loginsAreNotPrinted() throws {
    let login = try #require(RegistryCredentials(user: "u", secret: "secret"))
    #expect(!"\(login)".contains("secret") && !String(reflecting: login).contains("secret"))
    // A header would end there.
    #expect(RegistryCredentials(user: "u", secret: "a\r\nx: y") == nil)
  }
}
