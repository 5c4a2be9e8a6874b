import AccessLogs
import Foundation
import PlannerCore
import TestSupport
import Testing

/// A log in a file of its own.
final class Folder {
  let folder: TemporaryFolder
  let path: String

  init(_ text: String) throws {
    folder = try TemporaryFolder()
    path = try folder.file("a.log", text)
  }
}

@Suite struct BrokenLogTests {
  /// A line of the combined format.
  static func line(
    _ request: String, status: String = "200", time: String = "27/Nov/2026:10:00:00 +0000", address: String = "1.2.3.4",
    user: String = "-", agent: String = "curl/8.5"
  ) -> String {
    "\(address) - \(user) [\(time)] \"\(request)\" \(status) 99 \"-\" \"\(agent)\"\n"
  }

  static let ask = "POST /v2/models/m/infer HTTP/1.1"
  static let first = line(ask)
  static let last = line(ask, time: "27/Nov/2026:10:01:40 +0000")

  /// What comes of one more line between two that count: nil where it counts.
  private static func outcome(_ line: String, _ format: LogFormat? = .common) throws -> String? {
    let (_, findings) = try Logs.read(first + line + last, format)
    #expect(findings.requests == (findings.leftOut.isEmpty ? 3 : 2))
    return findings.leftOut.first?.reason
  }

  // MARK: Which requests count

  @Test(arguments: [
    "POST /v2/models/m/infer HTTP/1.1", "POST /v2/models/m/versions/3/infer HTTP/2.0",
    "POST /v2/models/m/generate HTTP/2",
    "POST /v2/models/m/infer?x=1&y=/z HTTP/1.1", "POST /v1/models/m:predict HTTP/1.1",
    "POST /v1/models/m/versions/3:predict HTTP/1.1", "POST /v1/models/m/labels/stable:classify HTTP/1.1",
    "GET /predictions/m?seq_0=a&seq_1=b HTTP/1.1", "PUT /predictions/m/1.0 HTTP/1.1", "POST /predictions/m HTTP/1.0",
    "POST http://host:8080/v2/models/m/infer HTTP/1.1", "POST /v2/models/%6D/infer HTTP/1.1",
    "POST /predictions/m HTTP/3.0", "POST /predictions/m",
  ])
  func inferenceCounts(_ request: String) throws {
    let (workload, findings) = try Logs.read(Self.first + Self.line(request) + Self.last)
    #expect(findings.requests == 3 && workload.groups[0].modelNames == ["m"])
  }

  @Test(arguments: [
    ("GET /v2/models/m HTTP/1.1", "otherPath"), ("GET /v2/models/m/ready HTTP/1.1", "otherPath"),
    ("GET / HTTP/1.1", "otherPath"), ("GET /metrics HTTP/1.1", "otherPath"), ("OPTIONS * HTTP/1.1", "otherPath"),
    ("GET /v2/models/m/infer HTTP/1.1", "otherMethod"), ("DELETE /predictions/m HTTP/1.1", "otherMethod"),
    ("HEAD /v1/models/m:predict HTTP/1.1", "otherMethod"), ("POST /v1/models/m:explain HTTP/1.1", "otherPath"),
    ("POST /v2/models//infer HTTP/1.1", "badName"), ("POST /predictions/ HTTP/1.1", "badName"),
    ("POST /v2/models/m/versions//infer HTTP/1.1", "otherPath"), ("POST /predictions/a/b/c HTTP/1.1", "otherPath"),
    ("POST /inference.GRPCInferenceService/ModelInfer HTTP/2.0", "callWithoutName"),
    ("POST /inference.GRPCInferenceService/ServerLive HTTP/2.0", "otherPath"), ("\\x16\\x03\\x01", "noHTTP"),
    ("-", "noHTTP"), ("", "noHTTP"), ("post /predictions/m HTTP/1.1", "noHTTP"),
    ("POST /predictions/a%00b HTTP/1.1", "badName"), ("POST /predictions/%20 HTTP/1.1", "badName"),
  ])
  func otherRequestsDoNot(_ request: String, _ reason: String) throws {
    #expect(try Self.outcome(Self.line(request)) == reason)
  }

  @Test(arguments: [
    ("200", nil), ("204", nil), ("429", nil), ("499", nil), ("500", nil), ("503", nil), ("0", nil), ("404", "status"),
    ("400", "status"), ("401", "status"), ("301", "status"), ("-", "notUnderstood"), ("20x", "notUnderstood"),
    ("2000", "notUnderstood"),
  ])
  func whatWasAskedCounts(_ status: String, _ reason: String?) throws {
    #expect(try Self.outcome(Self.line(Self.ask, status: status)) == reason)
  }

  @Test(arguments: [
    line(ask, address: "2001:db8::1"), line(ask, address: "[2001:db8::1]:8080"),
    line(ask, address: "shop.example:443 1.2.3.4"),
    line(ask, user: "a [b] c"), line(ask, agent: "an \\\"odd\\\" [27/Nov/2026] agent"),
    "1.2.3.4 - - [27/Nov/2026:10:00:00 +0000] \"\(ask)\" 200 99\n",
    "1.2.3.4 - - [27/Nov/2026:10:00:00 +0000] \"\(ask)\" 200\r\n",
    line("POST /predictions/m?q=\\\"x\\\" HTTP/1.1"),
  ])
  func oddLinesAreUnderstood(_ line: String) throws { #expect(try Self.outcome(line) == nil) }

  @Test(arguments: [
    "garbage\n", "\"\n", "[\n", "[27/Nov/2026:10:00:00 +0000\n", "[27/Nov/2026:10:00:00 +0000]\n", "\u{0}\u{0}\u{0}\n",
    line(ask, time: "32/Nov/2026:10:00:00 +0000"), line(ask, time: "27/Nuv/2026:10:00:00 +0000"),
    line(ask, time: "27/Nov/2026:24:00:00 +0000"), line(ask, time: "27/Nov/1926:10:00:00 +0000"),
    line(ask, time: "27/Nov/2026:10:00:00 0000"),
    "x - - [27/Nov/2026:10:00:00 +0000] \"POST /predictions/m HTTP/1.1 200\n",
  ])
  func brokenLinesAreCounted(_ line: String) throws { #expect(try Self.outcome(line) == "notUnderstood") }

  @Test func timeZonesAreOneTime() throws {
    let west = Self.line(Self.ask, time: "27/Nov/2026:02:00:50 -0800")
    let east = Self.line(Self.ask, time: "27/Nov/2026:15:31:40 +0530")
    let (_, findings) = try Logs.read(Self.first + west + east)
    #expect(findings.requests == 3 && findings.durationSeconds == 100)
    let (_, envoy) = try Logs.read(
      "[2024-02-29T22:00:00.750Z] \"POST /predictions/m HTTP/2\" 200 - 1\n"
        + "[2024-03-01T02:00:00+02:00] \"POST /predictions/m HTTP/2\" 503 UH 1\n")
    #expect(envoy.durationSeconds == 7199.25)
  }

  /// Envoy's own example, which is no inference.
  @Test func envoysExampleIsUnderstood() throws {
    let line =
      "[2016-04-15T20:17:00.310Z] \"POST /api/v1/locations HTTP/2\" 204 - 154 0 226 100 \"10.0.35.28\" \"nsq2http\" "
      + "\"cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2\" \"locations\" \"tcp://10.0.2.1:80\"\n"
    let error = #expect(throws: AccessLogError.self) { try Logs.read(line) }
    #expect(error?.kind == .badData && error?.description.contains("1 requests for other things") == true)
  }

  // MARK: Tables

  @Test(arguments: [
    ("5,m", nil), ("5.25,m,16", nil), ("1e1,m", nil), (" 7 , m , 3 ", nil), ("7,\"m\"", nil), ("7,m,", nil),
    ("-5,m", "notUnderstood"), ("x,m", "notUnderstood"), ("nan,m", "notUnderstood"), ("1e12,m", "notUnderstood"),
    ("5", "notUnderstood"), ("5,m,3,4", "notUnderstood"), ("0x5,m", "notUnderstood"), ("5,\"m", "notUnderstood"),
    ("5,", "badName"), ("5,\"\"", "badName"), ("5,m,0", "badSize"), ("5,m,-3", "badSize"), ("5,m,x", "badSize"),
    ("5,m,100001", "badSize"), ("5,a\u{0}b", "badName"), ("5,\(String(repeating: "n", count: 257))", "badName"),
  ])
  func tableLines(_ line: String, _ reason: String?) throws {
    let (_, findings) = try Logs.read("seconds,model,size\r\n0,m,3\r\n\(line)\r\n100,m,3", .csv)
    #expect(findings.leftOut.first?.reason == reason && findings.requests == (reason == nil ? 3 : 2))
    if reason != nil { #expect(findings.leftOut[0].firstLine == 3 && findings.leftOut[0].lines == 1) }
  }

  @Test func namesWithCommasAndQuotesAreRead() throws {
    let (workload, _) = try Logs.read("0,\"a,b\"\"c\",4\n1,\"a,b\"\"c\",4\n2,模型,4\n", .csv)
    #expect(workload.groups[0].modelNames == ["a,b\"c", "模型"])
  }

  @Test func namesThatAreNoTextAreLeftOut() throws {
    let data = Data("0,m\n1,".utf8) + Data([0xFF, 0xFE]) + Data("\n2,m\n".utf8)
    #expect(try Logs.read(data, .csv).findings.leftOut.map(\.reason) == ["badName"])
  }

  // MARK: Times out of place

  @Test func lateLinesCountAndMisplacedOnesDoNot() throws {
    // Two minutes late; two hours early.
    let late = try Logs.read("10000,m\n9880,m\n2800,m\n10001,m\n").findings
    #expect(late.requests == 3 && late.leftOut.map(\.reason) == ["outOfOrder"] && late.durationSeconds == 121)
    let lone = try Logs.read("0,m\n1,m\n9000000,m\n2,m\n").findings
    #expect(lone.requests == 3 && lone.leftOut.map(\.reason) == ["aheadOfNeighbours"] && lone.durationSeconds == 2)
    // A log with a gap of days goes on after it.
    let gap = try Logs.read("0,m\n1,m\n900000,m\n900001,m\n900002,m\n").findings
    #expect(gap.requests == 4 && gap.durationSeconds == 900_002)
  }

  /// A request every two seconds for ten minutes, with lines before and after.
  private static func steady(before: [Int] = [], after: [Int] = []) throws -> LogFindings {
    let times = before + (0...300).map { 100_000 + 2 * $0 } + after
    return try Logs.read(times.map { "\($0),m\n" }.joined()).findings
  }

  /// The time before it would count as time in which nobody asked.
  @Test func linesThatASilencePartsFromAllOthersAreLeftOut() throws {
    let plain = try Self.steady()
    #expect(plain.requests == 301 && plain.durationSeconds == 600 && plain.leftOut.isEmpty)
    for (before, after) in [([93_000], []), ([], [109_000]), ([1, 50_000, 93_000], [109_000, 120_000])] {
      let found = try Self.steady(before: before, after: after)
      #expect(found.requests == 301 && found.durationSeconds == 600, "\(before) \(after)")
      #expect(found.ratePerSecond == plain.ratePerSecond && found.groups == plain.groups)
      #expect(found.leftOut.map(\.reason) == ["farFromOthers"])
      #expect(found.leftOut.first?.lines == before.count + after.count)
      #expect(found.leftOut.first?.firstLine == (before.isEmpty ? 302 : 1))
    }
  }

  /// What is part of a log stays: several lines, a pause as short as the log's own, a log of few lines.
  @Test func silenceWithinALogIsTimeOfTheLog() throws {
    let busy = try Self.steady(before: [90_000, 90_001, 90_002, 90_003], after: [109_000, 109_001, 109_002, 109_003])
    #expect(busy.requests == 309 && busy.durationSeconds == 19_003 && busy.leftOut.isEmpty)
    let seldom = try Logs.read((0...200).map { "\($0 * 3600),m\n" }.joined()).findings
    #expect(seldom.requests == 201 && seldom.leftOut.isEmpty)
    // A day's log that begins with one request, and three quarters of an hour of silence.
    let day = try Logs.read("0,m\n" + (0...8000).map { "\(2700 + $0 * 10),m\n" }.joined()).findings
    #expect(day.requests == 8002 && day.leftOut.isEmpty)
  }

  @Test func aLogOfOneTimeHasNoRate() {
    for text in ["5,m\n5,m\n5,m\n", "5,m\n", Self.first + Self.first] {
      let error = #expect(throws: AccessLogError.self) { try Logs.read(text) }
      #expect(error?.kind == .badData && error?.description.contains("no rate") == true)
    }
  }

  @Test func yearsAreTooLong() {
    let lines = (0..<3000).map { "\($0 * 80_000),m" }
    let error = #expect(throws: AccessLogError.self) { try Logs.read(lines.joined(separator: "\n")) }
    #expect(error?.description.contains("days") == true)
  }

  // MARK: Files

  @Test func lineBreaksAndBlocksDoNotMatter() throws {
    let schedule = Logs.schedule(Logs.group(models: 50, total: 100), seconds: 300)
    for format in LogFormat.allCases {
      let text = Logs.text(schedule, format)
      let expected = try Logs.read(text)
      var crlf = try Logs.read(text.replacing("\n", with: "\r\n") + "\r\n")
      crlf.findings.lines -= 1
      let open = try Logs.read(String(text.dropLast()))
      for other in [crlf, open] {
        #expect(other.workload.groups == expected.workload.groups)
        #expect(other.findings.groups == expected.findings.groups && other.findings.lines == expected.findings.lines)
      }
    }
  }

  /// Lines of a mebibyte, wherever they lie in the blocks, are passed over and nothing after them is lost.
  @Test func longLinesArePassedOver() throws {
    let long = String(repeating: "x", count: 1 << 20)
    for padding in [0, 10, 1000, 60_000, 100_000] {
      let noise = String(repeating: "0,m\n", count: padding)
      let text = "0,m\n" + noise + long + "\n5,m\n" + long + long + "\n9,m\n" + long
      let findings = try Logs.read(text, .csv).findings
      #expect(findings.requests == 3 + padding && findings.lines == 6 + padding)
      #expect(findings.leftOut.map(\.reason) == ["tooLong"] && findings.leftOut[0].lines == 3)
      #expect(findings.leftOut[0].firstLine == 2 + padding)
    }
    let longest = "1," + String(repeating: " ", count: (64 << 10) - 3) + "m"
    #expect(try Logs.read("0,m\n\(longest)\n9,m\n", .csv).findings.requests == 3)
  }

  @Test func nothingIsNoWorkload() throws {
    for text in ["", "\n\n", "what is this?\n\u{7}\n", "a,b,c\n"] {
      let error = #expect(throws: AccessLogError.self) { try Logs.read(text) }
      #expect(error?.kind == .badData && error?.description.contains("access.log") == true)
    }
    for path in ["/nonexistent.log", NSTemporaryDirectory()] {
      let error = #expect(throws: AccessLogError.self) { try AccessLog.read(path) }
      #expect(error?.kind == .unavailable && error?.description.contains(path) == true)
    }
  }

  @Test func theFormatIsFoundOut() throws {
    let schedule = Logs.schedule(Logs.group(models: 3, total: 10), seconds: 100)
    for format in LogFormat.allCases {
      // Some noise at the head does not mislead.
      let text = "# started\n\n" + Logs.text(schedule, format)
      #expect(try Logs.read(text).findings.format == format.rawValue)
    }
  }

  @Test func packedLogsAreRead() throws {
    let text = Logs.text(Logs.schedule(Logs.group(models: 30, total: 200), seconds: 200), .common)
    let folder = try Folder(text)
    let packed = try Self.gzip(folder.path)
    let plain = try Logs.read(text)
    #expect(try Logs.read(packed).findings.groups == plain.findings.groups)
    // Several packed files one after the other are one, as with `cat`.
    let twice = try Logs.read(packed + packed).findings
    #expect(twice.lines == 2 * plain.findings.lines)
    let cut = #expect(throws: AccessLogError.self) { try Logs.read(packed.prefix(packed.count / 2)) }
    #expect(cut?.kind == .badData && cut?.description.contains("ends early") == true)
    var damaged = packed
    for index in 2000..<2100 { damaged[damaged.startIndex + index] ^= 0x5A }
    #expect(throws: AccessLogError.self) { try Logs.read(damaged) }
  }

  private static func gzip(_ path: String) throws -> Data {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["gzip", "-c", path]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let packed = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return packed
  }

  @Test func tooManyModelsAreAnError() throws {
    var text = ""
    text.reserveCapacity(20 << 20)
    for number in 0...1_000_000 { text += "\(number / 1000),m\(number)\n" }
    let error = #expect(throws: AccessLogError.self) { try Logs.read(text, .csv) }
    #expect(error?.description.contains("1000000 models") == true)
  }
}
