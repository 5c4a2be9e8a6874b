import Foundation
import Testing

/// The README's commands are run as they stand there, in a copy of the files that they name.
@Suite(.serialized) struct ReadmeTests {
  /// The contents of the fenced blocks marked `sh`.
  static func blocks() throws -> [String] {
    let text = try String(contentsOfFile: Workplace.repository + "/README.md", encoding: .utf8)
    var blocks: [String] = []
    var current: String?
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if line == "```sh" {
        current = ""
      } else if line == "```", let block = current {
        blocks.append(block)
        current = nil
      } else if current != nil {
        current? += line + "\n"
      }
    }
    return blocks
  }

  /// Whether this machine drifted while it was measured, can have a target and keeps it, depends on what else it does:
  /// every documented answer will do, if what is printed and what is written say the same as the exit code.
  static let preamble = """
    set -euo pipefail
    set -m
    planner() {
      local status=0 said
      said=$(command planner "$@") || status=$?
      printf '%s\\n' "$said"
      case "$*" in
        "profile check "*)
          case "$status $said" in
            "0 "*": holds together; it is of this machine"* | "3 "*": does not hold together"*"  - "*) status=0 ;;
            *) status=99 ;;
          esac ;;
        optimize*tiny*)
          case "$status $(grep -o '^  "feasible" : [a-z]*' tiny.json)" in
            "0 "*true | "2 "*false) status=0 ;;
            *) status=99 ;;
          esac ;;
        execute*tiny*)
          case "$status $said" in
            "0 "*"Verdict: pass"* | "3 "*"Verdict: fail"* | "4 "*"Verdict: "*) status=0 ;;
            # Nothing to execute: the target cannot be had here.
            "2 ") grep -q '^  "feasible" : false' tiny.json && status=0 ;;
            *) status=99 ;;
          esac ;;
      esac
      return $status
    }

    """

  @Test func everyBlockRuns() throws {
    let blocks = try Self.blocks()
    #expect(blocks.count == 2)
    let place = try Workplace()
    try FileManager.default.createSymbolicLink(
      atPath: place.folder + "/examples", withDestinationPath: Workplace.repository + "/examples")
    try FileManager.default.createDirectory(atPath: place.folder + "/.build", withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(
      atPath: place.folder + "/.build/release", withDestinationPath: Workplace.binaries)
    for block in blocks {
      let script = try place.file("block.sh", Self.preamble + block)
      let shell = Process()
      shell.executableURL = URL(fileURLWithPath: "/bin/bash")
      shell.arguments = [script]
      shell.currentDirectoryURL = URL(fileURLWithPath: place.folder)
      shell.environment = ProcessInfo.processInfo.environment.merging(["TMPDIR": place.temporary]) { $1 }
      let log = place.folder + "/block.log"
      _ = FileManager.default.createFile(atPath: log, contents: nil)
      let handle = try #require(FileHandle(forWritingAtPath: log))
      shell.standardOutput = handle
      shell.standardError = handle
      shell.standardInput = FileHandle.nullDevice
      try shell.run()
      shell.waitUntilExit()
      let said = try place.read("block.log").suffix(3000)
      #expect(shell.terminationStatus == 0, "\(block)\n\(said)")
    }
  }

  /// The two commands of the README are targets, and the demo is made of commands that the other tests run.
  @Test(arguments: ["demo", "test", "bench", "lint", "format", "clean", "bootstrap"])
  func makeKnowsItsTargets(_ target: String) throws {
    let make = Process()
    make.executableURL = URL(fileURLWithPath: "/usr/bin/make")
    make.arguments = ["--dry-run", "--no-print-directory", "-C", Workplace.repository, target]
    make.standardOutput = FileHandle.nullDevice
    make.standardError = FileHandle.nullDevice
    try make.run()
    make.waitUntilExit()
    #expect(make.terminationStatus == 0)
  }

  @Test func linksLeadSomewhere() throws {
    let text = try String(contentsOfFile: Workplace.repository + "/README.md", encoding: .utf8)
    for match in text.matches(of: /\]\((?<target>[^)#]+)\)/) where !match.target.hasPrefix("http") {
      #expect(FileManager.default.fileExists(atPath: Workplace.repository + "/" + match.target), "\(match.target)")
    }
  }

  @Test func scriptsAreExecutable() throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: Workplace.repository + "/scripts") {
      #expect(FileManager.default.isExecutableFile(atPath: Workplace.repository + "/scripts/" + name), "\(name)")
    }
  }
}
