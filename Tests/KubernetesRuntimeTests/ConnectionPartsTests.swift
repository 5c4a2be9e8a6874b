import Executor
import Foundation
import KubernetesRuntime
import Testing
import Yams

/// Small parts of the way to a cluster.
@Suite struct ConnectionPartsTests {
  @Test func yamlIsReadBackAsItWasMeant() throws {
    let texts =
      ManifestTests.hostile + [
        "", " ", "a", "a\nb", "\t", "12", "-1", "1.5", "a: ", "True", ".inf", "2026-01-01", "ab/c.d_e-f", "é", "😀",
        "\u{0}\u{85}\u{a0}",
      ]
    for text in texts {
      let value: ManifestValue = [
        "key": .string(text), "list": [.string(text), [.string(text)]], text.isEmpty ? "k" : text: 1,
      ]
      let node = try #require(try Yams.compose(yaml: YAMLText.document(value)))
      #expect(node["key"]?.scalar?.string == text, "\(text.debugDescription)")
      #expect(node["key"]?.tag.description == "tag:yaml.org,2002:str", "\(text.debugDescription)")
      #expect(node["list"]?.sequence?[1].sequence?[0].scalar?.string == text)
    }
    let nested: ManifestValue = ["a": [["b": [["c": 1, "d": []], [1, [2]]], "e": [:]], true]]
    #expect(YAMLText.document(nested) == "a:\n- b:\n  - c: 1\n    d: []\n  - - 1\n    - - 2\n  e: {}\n- true\n")
  }

  @Test func amountsAreReadAsTheAPIWritesThem() {
    let bytes: [(String, Int64?)] = [
      ("128974848", 128_974_848), ("129e6", 129_000_000), ("123Mi", 123 << 20), ("1.5Gi", 3 << 29), ("2k", 2000),
      ("1Ei", 1 << 60), ("100m", 0), ("", nil), ("Mi", nil), ("x", nil), ("-1", nil), ("nan", nil), ("0x10", nil),
      ("9e99", nil),
    ]
    for (text, value) in bytes { #expect(KubeQuantity.bytes(text) == value, "\(text)") }
    let parts: [(String, Int?)] = [("15890m", 15_890), ("2", 2000), ("0.1", 100), ("1500u", 1), ("inf", nil)]
    for (text, value) in parts { #expect(KubeQuantity.thousandths(text) == value, "\(text)") }
  }

  @Test func timesAreReadAndWritten() {
    let times: [(String, Double?)] = [
      ("1970-01-01T00:00:00Z", 0), ("2026-11-28T04:30:00Z", 1_795_840_200), ("2000-02-29T23:59:59.5Z", 951_868_799.5),
      ("2026-11-28T06:30:00+02:00", 1_795_840_200), ("2026-11-27T23:30:00-05:00", 1_795_840_200),
      ("2026-13-01T00:00:00Z", nil),
      ("2026-11-28", nil), ("", nil),
    ]
    for (text, seconds) in times { #expect(KubeTime.seconds(text) == seconds, "\(text)") }
    for seconds in [0, 951_868_799.5, 1_795_840_200.25, 4_102_444_799.999999] {
      #expect(abs((KubeTime.seconds(KubeTime.text(seconds)) ?? -1) - seconds) < 2e-6)
    }
    #expect(KubeTime.text(1_795_840_200) == "2026-11-28T04:30:00.000000Z")
    #expect(HTTPDate.seconds("Sat, 28 Nov 2026 04:30:00 GMT") == 1_795_840_200)
    #expect(HTTPDate.seconds("yesterday") == nil)
  }

  /// So many at once, and each further one an interval later.
  @Test func requestsKeepToTheirRate() async throws {
    let budget = RequestBudget(RequestRate(perSecond: 200, burst: 5))
    for _ in 0..<5 { try await budget.take("get") }
    #expect(budget.counts.waitedSeconds < 0.005)
    let before = ContinuousClock.now
    for _ in 0..<20 { try await budget.take("list") }
    let took = (ContinuousClock.now - before) / .seconds(1)
    #expect(budget.counts.byVerb == ["get": 5, "list": 20] && budget.counts.total == 25)
    // 25 requests at this rate take 20 intervals beyond the first five; the machine may be slower, never faster.
    #expect(took > 0.09)
  }

  @Test func refusalsAreSentences() {
    func error(_ code: Int, _ reason: String, _ message: String) -> RuntimeError {
      KubeFailure(code: code, reason: reason, message: message, request: "create deployments.apps in namespace 'mpi'")
        .error(cluster: "prod")
    }
    let expired = error(401, "Unauthorized", "Unauthorized")
    #expect(expired.kind == .unavailable && expired.remedy.contains("log in again"))
    let forbidden = error(403, "Forbidden", "User \"x\" cannot create resource")
    #expect(
      forbidden.message.contains("create deployments.apps in namespace 'mpi'")
        && forbidden.remedy.contains("administrator"))
    #expect(error(403, "Forbidden", "exceeded quota: team").kind == .noCapacity)
    #expect(error(409, "Conflict", "x").kind == .conflict && error(503, "", "").kind == .unavailable)
    #expect(error(422, "Invalid", "x").message.contains("takes the values not"))
  }

  @Test func commandsEndWithTheirCode() throws {
    let status = { (json: String) in try ExecSocket.status(Array(json.utf8), request: "exec") }
    #expect(try status(#"{"status":"Success"}"#) == .exited(0))
    #expect(
      try status(
        #"{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}"#)
        == .exited(7))
    for json in [#"{"status":"Failure","reason":"InternalError","message":"no such file"}"#, "x", "{}"] {
      #expect(throws: RuntimeError.self) { try status(json) }
    }
    var lines = LineSplitter()
    #expect(lines.add(Array("a\r\nb".utf8)) == ["a"])
    #expect(lines.add(Array("c\n\nd".utf8)) == ["bc", ""])
    #expect(lines.rest() == "d" && lines.rest() == nil)
  }
}
