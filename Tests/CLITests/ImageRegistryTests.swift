import Foundation
import TestSupport
import Testing

/// Images sent to and fetched from a real registry, with what stands between in the real world.
@Suite(.serialized) struct ImageRegistryTests {
  private static let user = "tester"
  private static let password = "s3cret: with blanks"

  /// A small image in a workplace of its own.
  private static func image() throws -> Workplace {
    let place = try Workplace()
    let built = try place.planner("image", "build", "--server", "/usr/bin/openssl", "--out", "image.tar")
    try #require(built.status == 0, "\(built.errors)")
    return place
  }

  /// Whether a file is the image, byte for byte.
  private static func same(_ place: Workplace, _ file: String) -> Bool {
    FileManager.default.contentsEqual(atPath: place.folder + "/image.tar", andPath: place.folder + "/" + file)
  }

  private static func config(_ place: Workplace, _ text: String) throws -> [String: String] {
    try FileManager.default.createDirectory(atPath: place.folder + "/docker", withIntermediateDirectories: true)
    _ = try place.file("docker/config.json", text)
    return ["DOCKER_CONFIG": place.folder + "/docker"]
  }

  private static var login: String { Data("\(user):\(password)".utf8).base64EncodedString() }

  @Test func whatIsSentIsFetchedAsItWas() throws {
    let place = try Self.image()
    let registry = try RegistryProcess()
    let name = "\(registry.host)/shop/model-server:1.0"
    let sent = try place.planner("image", "push", "image.tar", name, "--json")
    #expect(sent.status == 0, "\(sent.errors)")
    #expect(try CommandSchemaTests.violations("image-transfer", sent.output) == [])
    #expect(try sent.json()["present"] as? Int == 0)
    let again = try place.planner("image", "push", "image.tar", name, "--json")
    #expect(try again.json()["transferredBytes"] as? Int == 0 && again.json()["transferred"] as? Int == 0)

    let fetched = try place.planner("image", "pull", name, "--out", "back.tar", "--json")
    #expect(fetched.status == 0, "\(fetched.errors)")
    #expect(try CommandSchemaTests.violations("image-transfer", fetched.output) == [])
    #expect(Self.same(place, "back.tar"))
    let pinned = try #require(try fetched.json()["pinned"] as? String)
    #expect(try place.planner("image", "pull", pinned, "--out", "pinned.tar").status == 0)
    #expect(Self.same(place, "pinned.tar"))
    // A tool of others finds the same there.
    let seen = try tool(Tools.skopeo, ["inspect", "--tls-verify=false", "docker://\(name)"])
    let digest = try #require(try fetched.json()["digest"] as? String)
    #expect(seen.status == 0 && seen.output.contains(digest), "\(seen.errors)")
    let names = try FileManager.default.contentsOfDirectory(atPath: place.folder).filter { $0.contains(".parts") }
    #expect(names.isEmpty)
  }

  /// What another tool has sent is fetched, and what was fetched is read by another tool.
  @Test func imagesOfOthersAreFetched() throws {
    let place = try Self.image()
    let registry = try RegistryProcess()
    let name = "\(registry.host)/others/image:1"
    let copied = try tool(
      Tools.skopeo,
      [
        "copy", "--insecure-policy", "--dest-tls-verify=false", "--format", "v2s2",
        "oci-archive:\(place.folder)/image.tar", "docker://\(name)",
      ])
    try #require(copied.status == 0, "\(copied.errors)")
    let fetched = try place.planner("image", "pull", name, "--out", "back.tar")
    #expect(fetched.status == 0, "\(fetched.errors)")
    let read = try tool(Tools.skopeo, ["inspect", "--raw", "docker-archive:\(place.folder)/back.tar"])
    #expect(read.status == 0, "\(read.errors)")
    // And sent on from here.
    let sent = try place.planner("image", "push", "back.tar", "\(registry.host)/others/copy:1", "--json")
    #expect(sent.status == 0, "\(sent.errors)")
  }

  @Test func layersAreTakenOverFromAnotherRepository() throws {
    let place = try Self.image()
    let registry = try RegistryProcess()
    #expect(try place.planner("image", "push", "image.tar", "\(registry.host)/one:1").status == 0)
    let second = try place.planner(
      "image", "push", "image.tar", "\(registry.host)/two:1", "--mount-from", "one", "--json")
    #expect(second.status == 0, "\(second.errors)")
    #expect(try second.json()["mounted"] as? Int ?? 0 > 0 && second.json()["transferredBytes"] as? Int == 0)
    // From where there is nothing, all is sent.
    let third = try place.planner(
      "image", "push", "image.tar", "\(registry.host)/three:1", "--mount-from", "nowhere", "--json")
    #expect(third.status == 0, "\(third.errors)")
    #expect(try third.json()["mounted"] as? Int == 0)
  }

  // MARK: Logging in

  private func expectLogin(_ registry: RegistryProcess) throws {
    let place = try Self.image()
    let name = "\(registry.host)/shop/model-server:1.0"
    let nobody = try place.planner("image", "push", "image.tar", name, environment: try Self.config(place, "{}"))
    #expect(nobody.status == 69 && nobody.errors.contains("docker login \(registry.host)"), "\(nobody.errors)")
    let wrong = try place.planner(
      "image", "push", "image.tar", name,
      environment: try Self.config(place, #"{"auths": {"\#(registry.host)": {"auth": "dGVzdGVyOndyb25n"}}}"#))
    #expect(wrong.status == 69 && wrong.errors.contains("docker login"), "\(wrong.errors)")
    let known = try Self.config(place, #"{"auths": {"http://\#(registry.host)/v1/": {"auth": "\#(Self.login)"}}}"#)
    let sent = try place.planner("image", "push", "image.tar", name, environment: known)
    #expect(sent.status == 0, "\(sent.errors)")
    let fetched = try place.planner("image", "pull", name, "--out", "back.tar", environment: known)
    #expect(fetched.status == 0 && Self.same(place, "back.tar"), "\(fetched.errors)")
    for result in [nobody, wrong, sent, fetched] {
      #expect(!(result.output + result.errors).contains("s3cret") && !result.errors.contains(Self.login))
    }
  }

  @Test func aPasswordIsTakenFromDockersConfiguration() throws {
    try expectLogin(try RegistryProcess(.password(user: Self.user, password: Self.password)))
  }

  @Test func tokensAreFetchedWhereTheRegistrySays() throws {
    let keys = try TemporaryFolder()
    let authority = try RegistryFront(["--token", keys.path, "--user", Self.user, "--password", Self.password])
    try expectLogin(try RegistryProcess(.token(port: authority.port, folder: keys.path)))
    let asked = try authority.requests()
    #expect(asked.contains { $0.contains("scope=repository%3Ashop%2Fmodel-server%3Apull%2Cpush") }, "\(asked)")
    #expect(asked.contains { $0.contains(" Basic ") } && asked.contains { $0.contains(" none ") })
  }

  @Test func credentialHelpersAreAsked() throws {
    let place = try Self.image()
    let registry = try RegistryProcess(.password(user: Self.user, password: Self.password))
    let name = "\(registry.host)/shop/model-server:1.0"
    let helper = try place.file(
      "docker-credential-planner-test",
      """
      #!/bin/sh
      read server
      echo "$1 $server" >>\(place.folder)/asked
      [ "$server" = "\(registry.host)" ] || { echo "credentials not found in native keychain"; exit 1; }
      echo '{"ServerURL": "x", "Username": "\(Self.user)", "Secret": "\(Self.password)"}'

      """)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: helper)
    let path = "\(place.folder):\(ProcessInfo.processInfo.environment["PATH"] ?? "")"
    for text in [
      #"{"credHelpers": {"\#(registry.host)": "planner-test"}}"#, #"{"credsStore": "planner-test"}"#,
    ] {
      let variables = try Self.config(place, text).merging(["PATH": path]) { $1 }
      let sent = try place.planner("image", "push", "image.tar", name, environment: variables)
      #expect(sent.status == 0, "\(sent.errors)")
    }
    #expect(try place.read("asked").hasPrefix("get \(registry.host)\n"))
    for (text, status, said) in [
      (#"{"credsStore": "../../bin/sh"}"#, 65, "no name of a credential helper"),
      (#"{"credsStore": "not-there"}"#, 69, "docker-credential-not-there"),
      (#"{"credsStore": 3}"#, 65, "not a docker configuration"), ("nonsense", 65, "not a docker configuration"),
    ] as [(String, Int32, String)] {
      let variables = try Self.config(place, text).merging(["PATH": path]) { $1 }
      let result = try place.planner("image", "push", "image.tar", name, environment: variables)
      #expect(result.status == status && result.errors.contains(said), "\(text): \(result.status) \(result.errors)")
    }
  }

  // MARK: What goes wrong

  @Test func damageIsFound() throws {
    let place = try Self.image()
    let registry = try RegistryProcess()
    let name = "\(registry.host)/shop/model-server:1.0"
    #expect(try place.planner("image", "push", "image.tar", name).status == 0)
    // In the registry's own storage, in the largest content.
    let sizes = try registry.contents().map {
      (try FileManager.default.attributesOfItem(atPath: $0)[.size] as? Int ?? 0, $0)
    }
    let largest = try #require(sizes.max { $0.0 < $1.0 })
    try Self.flip(largest.1, at: largest.0 / 2)
    let fetched = try place.planner("image", "pull", name, "--out", "back.tar")
    #expect(fetched.status == 65 && fetched.errors.contains("something else than sha256:"), "\(fetched.errors)")
    #expect(!FileManager.default.fileExists(atPath: place.folder + "/back.tar"))
    // In the file that is sent.
    let size = try #require(
      try FileManager.default.attributesOfItem(atPath: place.folder + "/image.tar")[.size] as? Int)
    try Self.flip(place.folder + "/image.tar", at: size / 2)
    let sent = try place.planner("image", "push", "image.tar", "\(registry.host)/other:1")
    #expect(sent.status == 65 && sent.errors.contains("was changed"), "\(sent.errors)")
  }

  private static func flip(_ path: String, at offset: Int) throws {
    let handle = try #require(FileHandle(forUpdatingAtPath: path))
    try handle.seek(toOffset: UInt64(offset))
    let byte = try #require(try handle.read(upToCount: 1)?.first)
    try handle.seek(toOffset: UInt64(offset))
    try handle.write(contentsOf: Data([byte ^ 1]))
    try handle.close()
  }

  @Test func busyRegistriesAreAskedAgain() throws {
    let place = try Self.image()
    let registry = try RegistryProcess()
    let front = try RegistryFront(["--registry", "\(registry.port)", "--busy", "3"])
    let sent = try place.planner("image", "push", "image.tar", "\(front.host)/shop/server:1")
    #expect(sent.status == 0, "\(sent.errors)")
    let never = try RegistryFront(["--registry", "\(registry.port)", "--busy", "1000"])
    let refused = try place.planner("image", "push", "image.tar", "\(never.host)/shop/server:1")
    #expect(refused.status == 69, "\(refused.errors)")
  }

  @Test func aBrokenUploadIsGoneOnWith() throws {
    let place = try Self.image()
    let registry = try RegistryProcess()
    let front = try RegistryFront(["--registry", "\(registry.port)", "--cut-upload", "1500000"])
    let sent = try place.planner("image", "push", "image.tar", "\(front.host)/shop/server:1")
    #expect(sent.status == 0, "\(sent.errors)")
    let patches = try front.requests().filter { $0.contains(" PATCH ") }
    #expect(patches.count == 4, "\(patches)")
    let fetched = try place.planner("image", "pull", "\(registry.host)/shop/server:1", "--out", "back.tar")
    #expect(fetched.status == 0 && Self.same(place, "back.tar"), "\(fetched.errors)")
  }

  @Test func aBrokenDownloadIsGoneOnWith() throws {
    let place = try Self.image()
    let registry = try RegistryProcess()
    #expect(try place.planner("image", "push", "image.tar", "\(registry.host)/shop/server:1").status == 0)
    let front = try RegistryFront(["--registry", "\(registry.port)", "--cut-download", "700000"])
    let fetched = try place.planner("image", "pull", "\(front.host)/shop/server:1", "--out", "back.tar")
    #expect(fetched.status == 0 && Self.same(place, "back.tar"), "\(fetched.errors)")
    let asked = try front.requests()
    // What had come before the connection was cut is not fetched again.
    #expect(asked.contains { $0.contains("bytes=") && !$0.contains("bytes=0-") }, "\(asked)")
  }

  /// A login is not told to wherever a registry keeps its contents.
  @Test func anotherOriginLearnsNoLogin() throws {
    let place = try Self.image()
    let registry = try RegistryProcess(.password(user: Self.user, password: Self.password))
    let front = try RegistryFront(["--registry", "\(registry.port)", "--redirect"])
    let known = try Self.config(
      place,
      #"{"auths": {"\#(registry.host)": {"auth": "\#(Self.login)"}, "\#(front.host)": {"auth": "\#(Self.login)"}}}"#)
    #expect(
      try place.planner("image", "push", "image.tar", "\(registry.host)/shop/server:1", environment: known).status == 0)
    let fetched = try place.planner(
      "image", "pull", "\(front.host)/shop/server:1", "--out", "back.tar", environment: known)
    // The other origin is the same registry, which refuses whoever says nothing.
    #expect(fetched.status == 69, "\(fetched.errors)")
    let asked = try front.requests().filter { $0.hasPrefix("elsewhere ") }
    #expect(!asked.isEmpty && asked.allSatisfy { $0.contains(" none ") }, "\(asked)")
    #expect(try front.requests().contains { $0.contains(" Basic ") })
  }

  @Test func changesOnTheWayAreFound() throws {
    let place = try Self.image()
    let registry = try RegistryProcess()
    #expect(try place.planner("image", "push", "image.tar", "\(registry.host)/shop/server:1").status == 0)
    let front = try RegistryFront(["--registry", "\(registry.port)", "--tamper"])
    let fetched = try place.planner("image", "pull", "\(front.host)/shop/server:1", "--out", "back.tar")
    #expect(fetched.status == 65 && fetched.errors.contains("changed on the way"), "\(fetched.errors)")
    #expect(!FileManager.default.fileExists(atPath: place.folder + "/back.tar"))
    // The next attempt, with nothing in between, is not misled by what is left of that one.
    let again = try place.planner("image", "pull", "\(registry.host)/shop/server:1", "--out", "back.tar")
    #expect(again.status == 0 && Self.same(place, "back.tar"), "\(again.errors)")
  }

  @Test func mistakesAreSaid() throws {
    let place = try Self.image()
    let registry = try RegistryProcess()
    let free = try RegistryProcess.freePort()
    _ = try place.file("text", "no image")
    for (arguments, status, said) in [
      (["push", "image.tar", "Shop/Server:1"], 64, "no name of an image"),
      (["push", "image.tar", "localhost:5000/a b"], 64, "no name of an image"),
      (["push", "missing.tar", "\(registry.host)/a:1"], 69, "there is no such file"),
      (["push", "text", "\(registry.host)/a:1"], 65, "text is cut off, or no tar archive"),
      (["pull", "\(registry.host)/none:1", "--out", "x"], 69, "has no \(registry.host)/none:1"),
      (["pull", "localhost:\(free)/none:1", "--out", "x"], 69, "cannot be reached"),
      (["pull", "\(registry.host)/none@sha256:abc", "--out", "x"], 64, "no name of an image"),
      (["push", "image.tar", "\(registry.host)/a:1", "--mount-from", "../x"], 64, "no repository"),
    ] as [([String], Int32, String)] {
      let result = try place.run(["image"] + arguments)
      #expect(
        result.status == status && result.errors.contains(said), "\(arguments): \(result.status) \(result.errors)")
    }
    // An archive of another platform is chosen by none.
    #expect(try place.planner("image", "push", "image.tar", "\(registry.host)/a:1").status == 0)
    #expect(!FileManager.default.fileExists(atPath: place.folder + "/x"))
  }
}
