import Foundation
import Testing

/// The files of the project.
enum Tree {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  /// Written by a program, and read by none but the compiler.
  static let generated = "Sources/OpenInferenceProtos/"

  static func text(_ path: String) throws -> String { try String(contentsOfFile: root + "/" + path, encoding: .utf8) }

  /// Paths of the files below some folders, sorted; without what builds and editors leave behind.
  static func files(_ folders: [String], suffixes: [String]) throws -> [String] {
    try folders.flatMap { folder in
      try #require(FileManager.default.enumerator(atPath: root + "/" + folder)).compactMap { $0 as? String }
        .filter { path in suffixes.contains { path.hasSuffix($0) } && !path.contains(".build/") }
        .map { folder + "/" + $0 }
        .filter { suffixes != [""] || !isFolder($0) }
    }.sorted()
  }

  private static func isFolder(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: root + "/" + path, isDirectory: &isFolder) && isFolder.boolValue
  }

  /// The project's own Swift sources.
  static func swift(_ folders: [String] = ["Sources", "Tests", "Benchmarks"]) throws -> [String] {
    try files(folders, suffixes: [".swift"]).filter { !$0.hasPrefix(generated) }
  }

  /// What is under version control; nil in a copy without it.
  static let tracked: [String]? = {
    let git = Process()
    git.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    git.arguments = ["git", "-C", root, "-c", "safe.directory=*", "ls-files", "-z"]
    let output = Pipe()
    git.standardOutput = output
    git.standardError = FileHandle.nullDevice
    guard (try? git.run()) != nil else { return nil }
    let data = output.fileHandleForReading.readDataToEndOfFile()
    git.waitUntilExit()
    return git.terminationStatus == 0 ? data.split(separator: 0).map { String(decoding: $0, as: UTF8.self) } : nil
  }()

  /// Records what a rule finds in files of the project.
  ///
  /// - Parameter except: findings that may stay, as "path finding", each with its reason; one that is no longer found
  ///   is recorded too.
  static func check(_ paths: [String], except: [String: String] = [:], _ rule: (String) -> [Finding]) throws {
    try #require(!paths.isEmpty)
    var unused = Set(except.keys)
    for path in paths {
      for finding in rule(try text(path)) {
        let key = path + " " + finding.text
        if except[key] == nil { Issue.record("\(path):\(finding)") }
        unused.remove(key)
      }
    }
    for key in unused.sorted() { Issue.record("no exception is needed any more for \(key)") }
  }
}
