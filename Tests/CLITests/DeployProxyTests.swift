import Foundation
import TestSupport
import Testing

/// `planner deploy run --proxy`: one address for all models, whatever happens behind it.
@Suite(
  .serialized,
  .enabled(if: FileManager.default.isExecutableFile(atPath: Tools.haproxy), "haproxy is not installed"))
struct DeployProxyTests {
  private static let work: Result<Workplace, any Error> = Result {
    let work = try MachineCommandTests.planned()
    try MachineCommandTests.plannedInTwo(work)
    return work
  }

  /// Status and body of an answer; 0 where nobody answers.
  private func get(_ url: String) throws -> (status: Int, body: String) {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/curl")
    process.arguments = ["-sS", "--max-time", "60", "-w", "\n%{http_code}", url]
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    let lines = text.split(separator: "\n").map(String.init)
    return (lines.last.flatMap { Int($0) } ?? 0, lines.dropLast().joined(separator: "\n"))
  }

  private func proxy(_ result: Workplace.Result) throws -> String? {
    #expect(result.status == 0, "\(result.errors)")
    #expect(try CommandSchemaTests.violations("deployment", result.output) == [])
    return try result.json()["proxy"] as? String
  }

  @Test(.enabled(if: ProcessInfo.processInfo.activeProcessorCount > 1, "two nodes need two CPUs"))
  func aPlanChangesBehindOneAddressAndNobodyNotices() throws {
    let work = try Self.work.get()
    let up = try work.planner("deploy", "run", "p.json", "--name", "front", "--proxy", "0", "--json")
    let url = try #require(try proxy(up))
    for model in 0..<10 { #expect(try get("\(url)/predictions/model\(model)").status == 200) }
    let unknown = try get("\(url)/predictions/other")
    #expect(unknown.status == 404)
    #expect(unknown.body == #"{"detail":"Model other does not exist. Try a model name up to model9"}"#)
    let port = try #require(url.split(separator: ":").last.map(String.init))
    let (load, output, errors) = try work.start([
      "load", "--port", port, "--models", "10", "--tokens", "8", "--vocab", "300", "--rate", "200", "--seconds", "15",
      "--warmup", "0",
    ])
    Thread.sleep(forTimeInterval: 1)
    // Without a word of it, the proxy stays, where it is.
    let second = try work.planner("deploy", "run", "two.json", "--name", "front", "--json")
    #expect(try proxy(second) == url)
    #expect(try second.json()["ready"] as? Int == 2)
    load.waitUntilExit()
    let loaded = try String(contentsOfFile: output, encoding: .utf8)
    let result = try JSONSerialization.jsonObject(with: Data(loaded.utf8)) as? [String: Any]
    let said = try String(contentsOfFile: errors, encoding: .utf8)
    #expect(result?["notCompleted"] as? Int == 0, "\(loaded)\(said)")
    #expect((result?["requests"] as? Int ?? 0) > 2000)
    for model in 0..<10 { #expect(try get("\(url)/predictions/model\(model)").status == 200) }
    let status = try work.planner("deploy", "status", "front")
    #expect(status.output.contains("one address for all models: \(url) (haproxy, process "), "\(status.output)")
    // The files by themselves, for a proxy of the user's own.
    let files = try work.planner("deploy", "proxy", "front", "--listen", "9000", "--out", "own")
    #expect(files.status == 0 && files.output.contains("10 models on 2 nodes"), "\(files.output)\(files.errors)")
    #expect(try work.read("own/models.map").split(separator: "\n").count == 10)
    #expect(try work.read("own/haproxy.cfg").contains("bind 127.0.0.1:9000\n"))
    let without = try work.planner("deploy", "run", "two.json", "--name", "front", "--proxy", "none", "--json")
    #expect(try proxy(without) == nil && get(url).status == 0)
    #expect(try work.planner("deploy", "stop", "front").status == 0)
    #expect(!FileManager.default.fileExists(atPath: work.temporary + "/planner-\(getuid())/deployments/front"))
  }

  @Test func whatCannotBeIsRefusedInWords() throws {
    let work = try Self.work.get()
    for wrong in ["x", "70000", "-1", "1.2.3.4", "host:80", "::1:80", "1.2.3.4:80:90", "127.0.0.1: 80", "$(id):80", ""]
    {
      let result = try work.planner("deploy", "run", "p.json", "--name", "refused", "--proxy=\(wrong)")
      #expect(result.status == 64 && result.errors.contains("--proxy"), "\(wrong): \(result.errors)")
    }
    let missing = try work.planner(
      "deploy", "run", "p.json", "--name", "refused", "--proxy", "0", environment: ["PLANNER_HAPROXY": "/nowhere"])
    #expect(missing.status == 69 && missing.errors.contains("/nowhere"), "\(missing.errors)")
    #expect(try work.planner("deploy", "stop", "refused").status == 0)
    #expect(try work.planner("deploy", "proxy", "refused").status == 69)
    #expect(try work.planner("deploy", "proxy", "refused", "--listen", "0").status == 64)
  }
}
