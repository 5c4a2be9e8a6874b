import ContainerImages
import Testing

@Suite struct ReferenceTests {
  private static let digest = "sha256:" + String(repeating: "ab", count: 32)

  /// Names and what the distribution project's own parser makes of them.
  @Test(arguments: [
    ("nginx", "docker.io/library/nginx:latest"), ("nginx:1.2", "docker.io/library/nginx:1.2"),
    ("shop/server", "docker.io/shop/server:latest"), ("docker.io/nginx", "docker.io/library/nginx:latest"),
    ("index.docker.io/nginx", "docker.io/library/nginx:latest"),
    ("localhost/a", "localhost/a:latest"), ("localhost:5000/a/b:c", "localhost:5000/a/b:c"),
    ("example.com/a__b/c-d--e.f:V1_2-x", "example.com/a__b/c-d--e.f:V1_2-x"),
    ("127.0.0.1:5000/a", "127.0.0.1:5000/a:latest"), ("[::1]:5000/a:b", "[::1]:5000/a:b"),
    ("Example.com/a", "Example.com/a:latest"), ("a/b/c:d", "docker.io/a/b/c:d"),
    ("example.com/a@" + digest, "example.com/a@" + digest), ("example.com/a:t@" + digest, "example.com/a:t@" + digest),
    (
      "123456789012.dkr.ecr.us-east-1.amazonaws.com/shop/server:1.0",
      "123456789012.dkr.ecr.us-east-1.amazonaws.com/shop/server:1.0"
    ),
  ])
  func namesAreRead(_ text: String, _ full: String) throws {
    let reference = try #require(ImageReference(text))
    #expect(reference.fullName == full)
    // What people read means the same.
    #expect(ImageReference(reference.description) == reference)
  }

  @Test(arguments: [
    "", "a ", " a", "A", "a/B", "a:", "a:-x", "a:.x", "a/", "/a", "a//b", "a.", "a..b", "a___b", "-a", "a-", "a/../b",
    "a/./b", "example.com/", "example.com:x/a", "example.com:99999/a", "exa_mple.com/a", "-example.com/a", "[::1/a",
    "[x]/a",
    "a@sha256:abc", "a@sha512:abc", "a@" + digest + "0", "a\n", "a\u{0}", "é", "a?b", "a#b", "http://example.com/a",
    "a:" + String(repeating: "x", count: 129), String(repeating: "a", count: 250), "user@example.com/a",
  ])
  func whatIsNoNameIsRefused(_ text: String) { #expect(ImageReference(text) == nil) }

  @Test func challengesAreRead() throws {
    let bearer = try #require(
      Challenge(#"Bearer realm="https://auth.example.com/token",service="a, b",scope="repository:x:pull,push""#))
    #expect(bearer.scheme == "bearer" && bearer.parameters["realm"] == "https://auth.example.com/token")
    #expect(bearer.parameters["service"] == "a, b" && bearer.parameters["scope"] == "repository:x:pull,push")
    #expect(Challenge("Basic realm=plain")?.parameters == ["realm": "plain"])
    #expect(Challenge(#"Negotiate, BASIC realm="a \"b\"""#)?.parameters == ["realm": #"a "b""#])
    for text in ["", "Negotiate", ",,,", "=", "\"", "Digest a=b", "Bearer=x"] {
      #expect(Challenge(text) == nil, "\(text)")
    }
    #expect(Challenge("Bearer realm=\"unfinished")?.parameters["realm"] == "unfinished")
  }

  @Test func placesAreRead() throws {
    let base = try #require(RegistryLocation("https://example.com/v2/"))
    #expect(RegistryLocation("/v2/x?y=1", from: base)?.pathAndQuery == "/v2/x?y=1")
    let other = try #require(RegistryLocation("https://s3.example.com:8443/blob?X-Sig=a%2Fb&c", from: base))
    #expect(!other.hasOrigin(of: base) && other.authority == "s3.example.com:8443")
    #expect(other.adding("digest", "sha256:1").pathAndQuery == "/blob?X-Sig=a%2Fb&c&digest=sha256:1")
    #expect(RegistryLocation("HTTPS://EXAMPLE.com")?.hasOrigin(of: base) == true)
    #expect(RegistryLocation("http://example.com/")?.hasOrigin(of: base) == false)
    #expect(RegistryLocation("https://example.com:444/")?.hasOrigin(of: base) == false)
    for text in [
      "", "x", "//evil.example/x", "ftp://x/", "https://", "https:///x", "https://user@x/", "https://x/#y", "/a b",
      "/a\nb",
      "https://x:99999/", "/a\\b", "/" + String(repeating: "x", count: 9000),
    ] { #expect(RegistryLocation(text, from: base) == nil, "\(text)") }
  }

  @Test func thisMachineIsKnownByName() {
    for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1"] {
      #expect(RegistryLocation.isLoopback(host), "\(host)")
    }
    for host in ["localhost.example.com", "127.0.0.1.example.com", "127.0.0", "128.0.0.1", "10.0.0.1", "127.0.0.256"] {
      #expect(!RegistryLocation.isLoopback(host), "\(host)")
    }
  }

  @Test func pausesGrowAndEnd() {
    let policy = RetryPolicy()
    var before = 0.0
    for tries in 1...5 {
      let pause = policy.pause(after: tries, wanted: nil) ?? -1
      let most = 0.5 * Double(1 << (tries - 1))
      #expect(pause >= most / 2 && pause <= most && pause >= before / 2)
      before = pause
    }
    #expect(policy.pause(after: 6, wanted: nil) == nil && policy.pause(after: 6, wanted: 1) == nil)
    #expect(policy.pause(after: 1, wanted: 7) == 7 && policy.pause(after: 1, wanted: 1e9) == 30)
    #expect(RetryPolicy.wanted(["retry-after": "12"]) == 12 && RetryPolicy.wanted(["retry-after": "soon"]) == nil)
  }
}
