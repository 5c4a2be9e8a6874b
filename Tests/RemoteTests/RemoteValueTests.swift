import Foundation
import RemoteModels
import Testing
import WebClient

/// The small pieces: addresses, profiles, XML, checksums, pauses.
@Suite struct RemoteValueTests {
  @Test func addressesAreRead() throws {
    #expect(try RepositoryAddress("models/x") == .folder("models/x"))
    #expect(try RepositoryAddress("./a://b") == .folder("./a://b"))
    #expect(try RepositoryAddress("file:///a%20b") == .folder("/a b"))
    #expect(try RepositoryAddress("https://host:8443/a") == .https("https://host:8443/a/"))
    #expect(try RepositoryAddress("https://host/a/manifest.json") == .https("https://host/a/"))
    #expect(try RepositoryAddress("s3://my-bucket") == .s3(bucket: "my-bucket", prefix: ""))
    #expect(try RepositoryAddress("s3://b.c-d/p/q/") == .s3(bucket: "b.c-d", prefix: "p/q/"))
  }

  @Test(arguments: [
    "http://host/", "ftp://host/", "https://", "https://user:secret@host/", "https://host/?token=secret", "s3://",
    "s3://ab", "s3://Bucket/x", "s3://a..b/", "s3://-ab/", "file://host/x",
  ])
  func otherAddressesAreRefusedWithoutTheirSecrets(_ text: String) {
    let error = #expect(throws: RemoteError.self) { try RepositoryAddress(text) }
    #expect(error?.kind == .badData && error?.description.contains("secret") == false)
  }

  @Test func profilesAreRead() {
    let sections = AWSProfileFile.parse(
      "key = outside\n[default]\r\nregion=eu-central-1 ; here\n[ profile  a b ]\nAWS_Secret_Access_Key = a#b=c==\n"
        + "s3 =\n  endpoint_url = nested\n[unclosed\n= nothing\n")
    #expect(sections["default"] == ["region": "eu-central-1"])
    #expect(sections["profile a b"]?["aws_secret_access_key"] == "a#b=c==")
    #expect(sections["profile a b"]?["endpoint_url"] == nil)
  }

  @Test func xmlIsReadAndBounded() throws {
    let node = try XMLNode.parse(
      Data("<?xml version='1.0'?><a xmlns='u'><b>1 &amp; <![CDATA[<2>]]></b><b/><c><b>3</b></c></a>".utf8), subject: "x"
    )
    #expect(node.all("b").map(\.text) == ["1 & <2>", ""] && node.first("c")?.text("b") == "3")
    let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbbbbbbbb\"><!ENTITY c \"&b;&b;&b;\">]><a>&c;</a>"
    let outside = "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>"
    let deep = String(repeating: "<a>", count: 1000) + String(repeating: "</a>", count: 1000)
    let wide = "<a>" + String(repeating: "<b/>", count: 200_001) + "</a>"
    for text in [bomb, outside, deep, wide, "", "<a>", "<a></b>", "plain", "\u{0}\u{1}"] {
      #expect(throws: RemoteError.self, "\(text.prefix(40))") {
        try XMLNode.parse(Data(text.utf8), subject: "x")
      }
    }
  }

  /// The check value of CRC-64/NVME in the catalogue of parametrised CRC algorithms.
  @Test func theChecksumIsTheCataloguesOne() {
    var crc = CRC64()
    Data("123456789".utf8).withUnsafeBytes { crc.update($0) }
    #expect(crc.value == 0xae8b_1486_0a79_9888)
  }

  @Test func pausesGrowAndAreBounded() {
    let policy = RetryPolicy()
    for failures in 1...200 {
      let pause = policy.pause(afterFailures: failures, asked: nil)
      #expect(pause >= 0 && pause <= min(10, 0.2 * pow(2, Double(failures - 1))))
    }
    #expect(policy.pause(afterFailures: 1, asked: 7) == 7)
    #expect(policy.pause(afterFailures: 1, asked: 1e9) == 60)
    // Not in step: many servers that were refused together do not come back together.
    #expect(Set((0..<50).map { _ in policy.pause(afterFailures: 3, asked: nil) }).count > 40)
  }

  @Test func pathsStayInside() {
    for path in ["a", "a/b.pt", "ü/ñ 1.pt", "a..b"] { #expect(RelativePath.isSafe(path)) }
    let long = String(repeating: "x", count: 256)
    for path in ["", "/a", "a/", "a//b", "..", "a/..", ".a", "a/.b", "a\u{0}b", "a\nb", long] {
      #expect(!RelativePath.isSafe(path), "\(path.prefix(20))")
    }
  }
}
