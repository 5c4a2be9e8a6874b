import Foundation
import Testing

/// The rooms and the only directions in which one may import another. ARCHITECTURE.md shows the same picture.
@Suite struct ImportDirectionTests {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  static let rooms: [String: Set<String>] = [
    "PlannerCore": [],
    "Simulator": ["PlannerCore"],
    "Optimizer": ["PlannerCore", "Simulator"],
    "PlannerFiles": ["PlannerCore"],
    "Reporting": ["PlannerCore"],
    "LoadTest": ["PlannerCore", "CLinux"],
    "Executor": ["PlannerCore", "PlannerFiles", "CLinux"],
    "Profiler": ["PlannerCore", "LoadTest", "Executor"],
    "Proof": ["PlannerCore", "Simulator", "Optimizer", "LoadTest", "Executor", "Profiler"],
    "Server": ["PlannerCore", "PlannerFiles", "OpenInferenceProtos", "CTorch", "CLinux", "CCurl", "CZlib"],
    "OpenInferenceProtos": [],
    "ModelServer": ["PlannerCore", "PlannerFiles", "Server"],
    "PlannerCLI": [
      "PlannerCore", "Simulator", "Optimizer", "PlannerFiles", "Reporting", "LoadTest", "Executor", "Profiler",
      "Proof",
    ],
  ]

  /// Plain C doors: to libtorch, to libcurl, to zlib, and to what glibc hides from Swift.
  static let shims = ["CTorch", "CLinux", "CCurl", "CZlib"]

  /// What the pure rooms may take from outside.
  static let outside: [String: Set<String>] = [
    "PlannerCore": ["RealModule"], "Simulator": ["RealModule"], "Optimizer": ["RealModule"],
  ]

  static func swiftFiles(under folder: String) throws -> [String] {
    let base = root + "/" + folder
    let paths = try #require(FileManager.default.enumerator(atPath: base)).compactMap { $0 as? String }
    return paths.filter { $0.hasSuffix(".swift") }.sorted().map { base + "/" + $0 }
  }

  static func imports(of file: String) throws -> [String] {
    try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").compactMap { line in
      let words = line.split(separator: " ").map(String.init)
      guard let index = words.firstIndex(of: "import"), index + 1 < words.count, line.first != " ",
        words.prefix(index).allSatisfy({ $0.hasPrefix("@") || ["public", "package", "internal"].contains($0) })
      else { return nil }
      return words[index + 1].split(separator: ".").first.map(String.init)
    }
  }

  @Test func everyRoomIsKnown() throws {
    let folders = try FileManager.default.contentsOfDirectory(atPath: Self.root + "/Sources").sorted()
    #expect(folders == (Array(Self.rooms.keys) + Self.shims).sorted())
  }

  @Test(arguments: rooms.keys.sorted())
  func importsPointTheRightWay(_ room: String) throws {
    let allowed = try #require(Self.rooms[room])
    let files = try Self.swiftFiles(under: "Sources/" + room)
    #expect(!files.isEmpty)
    for file in files {
      for module in try Self.imports(of: file) {
        if Self.rooms[module] != nil || Self.shims.contains(module) {
          #expect(allowed.contains(module), "\(file) imports \(module)")
        } else if let outside = Self.outside[room] {
          #expect(outside.contains(module), "\(file) imports \(module)")
        }
      }
    }
  }

  /// Written by a program, and read by none but the compiler.
  static let generated = "/Sources/OpenInferenceProtos/"

  /// Files of one purpose stay short; functions of the project's own rooms too.
  @Test func filesStayShort() throws {
    for folder in ["Sources", "Tests"] {
      for file in try Self.swiftFiles(under: folder) where !file.contains(Self.generated) {
        let lines = try String(contentsOfFile: file, encoding: .utf8).split(
          separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count <= 501, "\(file) has \(lines.count) lines")
        for (number, line) in lines.enumerated() where line.count > 120 {
          Issue.record("\(file):\(number + 1) has \(line.count) columns")
        }
      }
    }
  }
}
