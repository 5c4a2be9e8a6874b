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
    "AccessLogs": ["PlannerCore", "CZlib"],
    "Reporting": ["PlannerCore"],
    "ServerContract": ["PlannerCore"],
    "LoadTest": ["PlannerCore", "ServerContract", "CLinux"],
    "APIClient": ["PlannerCore"],
    "ContainerImages": ["PlannerCore", "PlannerFiles", "ServerContract", "APIClient", "CZlib"],
    "Executor": ["PlannerCore", "PlannerFiles", "ServerContract", "CLinux"],
    "DockerRuntime": ["PlannerCore", "PlannerFiles", "ServerContract", "Executor", "APIClient", "ContainerImages"],
    "KubernetesRuntime": [
      "APIClient", "ContainerImages", "Executor", "PlannerCore", "PlannerFiles", "ServerContract",
    ],
    "Proof": ["PlannerCore", "Simulator", "Optimizer", "LoadTest", "Executor", "Profiler"],
    "Profiler": ["PlannerCore", "PlannerFiles", "LoadTest", "Executor", "ServerContract"],
    "Engine": ["PlannerCore", "CTorch"],
    "Tokenizer": [],
    "Serving": ["PlannerCore", "PlannerFiles", "ServerContract", "Engine", "Tokenizer", "CLinux"],
    "WebClient": ["PlannerCore", "CCurl"],
    "RemoteModels": ["PlannerCore", "PlannerFiles", "Engine", "Serving", "WebClient"],
    "EngineTools": [
      "PlannerCore", "PlannerFiles", "ServerContract", "Engine", "Tokenizer", "Serving", "WebClient",
    ],
    "ServerSecurity": ["PlannerFiles"],
    "ServerHTTP": ["PlannerCore", "ServerContract", "Engine", "Tokenizer", "Serving", "ServerSecurity", "CZlib"],
    "ServerGRPC": [
      "PlannerCore", "ServerContract", "Engine", "Serving", "ServerSecurity", "OpenInferenceProtos",
    ],
    "OpenInferenceProtos": [],
    "ServerApplication": [
      "PlannerCore", "ServerContract", "Engine", "Serving", "RemoteModels", "ServerSecurity", "ServerHTTP",
      "ServerGRPC", "CLinux",
    ],
    "ModelServer": [
      "PlannerCore", "PlannerFiles", "ServerContract", "Engine", "EngineTools", "RemoteModels", "ServerApplication",
      "ServerSecurity", "Serving", "Tokenizer", "WebClient",
    ],
    "PlannerCLI": [
      "PlannerCore", "AccessLogs", "Simulator", "Optimizer", "PlannerFiles", "Reporting", "LoadTest", "Executor",
      "DockerRuntime", "KubernetesRuntime", "Profiler", "Proof", "APIClient", "ContainerImages",
    ],
  ]

  /// Plain C doors: to libtorch, to libcurl, to zlib, and to what glibc hides from Swift.
  static let shims = ["CTorch", "CLinux", "CCurl", "CZlib"]

  /// What the pure rooms may take from outside.
  static let outside: [String: Set<String>] = [
    "PlannerCore": ["DequeModule", "RealModule"], "Simulator": ["Dispatch", "RealModule", "Synchronization"],
    "Optimizer": ["RealModule"],
  ]

  static func swiftFiles(under folder: String) throws -> [String] {
    let base = root + "/" + folder
    let paths = try #require(FileManager.default.enumerator(atPath: base)).compactMap { $0 as? String }
    return paths.filter { $0.hasSuffix(".swift") }.sorted().map { base + "/" + $0 }
  }

  static func imports(of source: String) -> [String] {
    source.split(separator: "\n").compactMap { line in
      let words = line.split(separator: " ").map(String.init)
      guard let index = words.firstIndex(of: "import"), line.first != " ",
        words.prefix(index).allSatisfy({ $0.hasPrefix("@") || ["public", "package", "internal"].contains($0) })
      else { return nil }
      // `import struct Foundation.URL`
      let kinds: Set = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
      let names = words.dropFirst(index + 1).drop { kinds.contains($0) }
      return names.first?.split(separator: ".").first.map(String.init)
    }
  }

  @Test func everyFormOfImportIsSeen() {
    let source =
      "import A\n@preconcurrency import B\nimport struct C.D\npublic import E.F\n  import g\nlet import2 = 3\n"
    #expect(Self.imports(of: source) == ["A", "B", "C", "E"])
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
      for module in Self.imports(of: try String(contentsOfFile: file, encoding: .utf8)) {
        if Self.rooms[module] != nil || Self.shims.contains(module) {
          #expect(allowed.contains(module), "\(file) imports \(module)")
        } else if let outside = Self.outside[room] {
          #expect(outside.contains(module), "\(file) imports \(module)")
        }
      }
    }
  }

  /// Folders of `Serving`, from the bottom up, which are no targets of their own: what each declares may be named in
  /// its own files and in those of the folders above it.
  static let floors = ["Tensors", "Scheduling", "Metrics", "Repository", "Inference"]

  @Test func foldersOfServingPointDown() throws {
    var floorOf: [String: Int] = [:]
    var texts: [(file: String, floor: Int, text: String)] = []
    for (floor, folder) in Self.floors.enumerated() {
      let files = try Self.swiftFiles(under: "Sources/Serving/" + folder)
      #expect(!files.isEmpty)
      for file in files {
        let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
        let code = lines.map { line in line.range(of: "//").map { line[..<$0.lowerBound] } ?? line }
        texts.append((file, floor, code.joined(separator: "\n")))
        for line in code where line.first != " " {
          let words = line.split(separator: " ")
          guard let kind = words.firstIndex(where: { ["struct", "class", "enum", "protocol"].contains($0) }),
            !words.contains("private"), kind + 1 < words.count
          else { continue }
          floorOf[String(words[kind + 1].prefix { $0.isLetter || $0.isNumber })] = floor
        }
      }
    }
    #expect(floorOf.count > 30)
    for (file, floor, text) in texts {
      let words = Set(text.split { !($0.isLetter || $0.isNumber || $0 == "_") }.map(String.init))
      for word in words.sorted() {
        #expect(floorOf[word] ?? 0 <= floor, "\(file) names \(word), which is of a floor above")
      }
    }
  }
}
