import Foundation
import Logging
import PlannerCore
import PlannerFiles
import RemoteModels
import Synchronization
import TestSupport
import Testing
import WebClient

/// A running process of `Fixtures/store.py`.
final class StoreProcess: @unchecked Sendable {
  /// Serves all tests that want no store of their own: moto takes seconds to start.
  static let shared = Result { try StoreProcess("s3", []) }

  let folder: TemporaryFolder
  let port: Int
  let process = Process()
  private let input = Pipe()
  private let output = Pipe()
  private let turn = Mutex(())

  init(_ mode: String, _ arguments: [String]) throws {
    folder = try TemporaryFolder()
    process.executableURL = URL(fileURLWithPath: Tools.python)
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Fixtures/store.py"
    process.arguments = [script, mode, "--folder", folder.path] + arguments
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    struct Ready: Decodable { var port: Int }
    port = try JSONDecoder().decode(Ready.self, from: try Self.line(output)).port
  }

  deinit { kill(process.processIdentifier, SIGKILL) }

  func ask(_ command: [String: any Sendable]) throws -> Data {
    let text = try JSONSerialization.data(withJSONObject: command)
    return try turn.withLock { _ in
      input.fileHandleForWriting.write(text + Data("\n".utf8))
      return try Self.line(output)
    }
  }

  private static func line(_ pipe: Pipe) throws -> Data {
    var line = Data()
    while true {
      let more = pipe.fileHandleForReading.availableData
      try #require(!more.isEmpty, "the store has ended")
      line += more
      if line.last == UInt8(ascii: "\n") { return line }
    }
  }
}

/// A test's own folder in a store, with the faults and the log of that folder.
final class Store: Sendable {
  struct Entry: Decodable {
    var method: String
    var uri: String
    var status: Int
    var headers: [String: String]
  }

  let server: StoreProcess
  /// A folder for the test's own small files.
  let folder: TemporaryFolder
  /// Ends in a slash; no other test uses it.
  let prefix: String

  /// - Parameter arguments: of a store of its own; nil shares one, where it is S3.
  init(_ mode: String, _ arguments: [String]? = nil) throws {
    let isShared = mode == "s3" && arguments == nil
    server = isShared ? try StoreProcess.shared.get() : try StoreProcess(mode, arguments ?? [])
    folder = try TemporaryFolder()
    prefix = "t-\(UUID().uuidString)/"
  }

  var port: Int { server.port }
  /// Address of the test's folder in the bucket.
  var bucket: String { "s3://models/" + prefix }

  /// Environment of a user of this store with the key that never ends.
  var environment: [String: String] {
    [
      "AWS_ENDPOINT_URL": "http://127.0.0.1:\(port)", "AWS_ACCESS_KEY_ID": "AKIDSTATIC",
      "AWS_SECRET_ACCESS_KEY": "static+/secret", "HOME": folder.path, "AWS_EC2_METADATA_DISABLED": "true",
      "CURL_CA_BUNDLE": server.folder.path + "/authority.pem",
    ]
  }

  func put(_ key: String, _ data: Data, checksum: String? = nil) throws {
    var command = ["do": "put", "key": prefix + key, "data": data.base64EncodedString()]
    command["checksum"] = checksum
    _ = try server.ask(command)
  }

  /// Lets the next answers under paths with this end go wrong; `replacement` is then put in the file's place.
  func fault(
    _ path: String, _ kind: String, after: Int, times: Int = 1, code: String? = nil, seconds: Double? = nil,
    replacing: (key: String, text: String)? = nil
  ) throws {
    var fault: [String: any Sendable] = [
      "do": "fault", "path": path, "prefix": prefix, "kind": kind, "after": after, "times": times,
    ]
    fault["code"] = code
    fault["seconds"] = seconds
    if let replacing {
      fault["key"] = prefix + replacing.key
      fault["replacement"] = replacing.text
    }
    _ = try server.ask(fault)
  }

  /// What was asked since the last time; ends all faults.
  func log() throws -> [Entry] {
    try JSONDecoder().decode([Entry].self, from: try server.ask(["do": "log", "prefix": prefix]))
  }

  /// How many were asked since the last `log`.
  func requests() throws -> Int {
    try JSONDecoder().decode([Int].self, from: try server.ask(["do": "count", "prefix": prefix]))[0]
  }
}

/// A repository of files that no test loads, and where it is pulled to.
struct Sample {
  var models: [String: Data]
  var names: [String]
  let cache: TemporaryFolder

  init(names: [String], bytes: Int = 100_000) throws {
    self.names = names
    models = Dictionary(
      uniqueKeysWithValues: names.enumerated().map { index, name in
        var random = RandomStream(seed: 7, stream: "remote", index: UInt64(index))
        return (name, Data((0..<bytes).map { _ in UInt8(truncatingIfNeeded: random.next()) }))
      })
    cache = try TemporaryFolder()
  }

  func manifest(hashed: Bool = true) throws -> RepositoryManifest {
    RepositoryManifest(
      seed: nil, vocabularyFile: "vocab.txt", lowercases: true,
      models: try names.map { name in
        let data = try #require(models[name])
        let path = try cache.file("hashed", "")
        try data.write(to: URL(fileURLWithPath: path))
        return RepositoryManifest.Model(
          name: String(name.dropLast(3)).replacing("/", with: "-"), file: name, architecture: "unknown",
          precision: .fp32,
          vocabulary: 300,
          maxTokens: 512, inputs: ["input_ids"], fileBytes: Int64(data.count),
          sha256: hashed ? try FileDigest.sha256(path) : nil)
      })
  }

  func upload(to store: Store, prefix: String, manifest: RepositoryManifest?, checksum: String? = nil) throws {
    for (name, data) in models { try store.put(prefix + name, data, checksum: checksum) }
    try store.put(prefix + "vocab.txt", Data("[PAD]\n[UNK]\n".utf8))
    if let manifest { try store.put(prefix + "manifest.json", Data(try JSONFile.encode(manifest).utf8)) }
  }

  func repository(
    _ address: String, _ environment: [String: String], _ change: (inout PullOptions) -> Void = { _ in }
  ) throws -> RemoteRepository {
    var options = PullOptions()
    options.cache = cache.path + "/cache"
    options.retry.baseSeconds = 0.01
    options.connections = 4
    options.stallSeconds = 1
    change(&options)
    return try RemoteRepository(
      try RepositoryAddress(address), options: options, environment: environment,
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
  }

  /// Whether all of it lies in the repository's folder, byte for byte, with nothing half done beside it.
  func expectWhole(_ folder: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    for (name, data) in models {
      #expect(
        FileManager.default.contents(atPath: folder + "/" + name) == data, "\(name)", sourceLocation: sourceLocation)
    }
    #expect(try rubbish(folder) == [], sourceLocation: sourceLocation)
  }

  func rubbish(_ folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder + "/.pull").filter {
      $0.contains(".part") || $0.contains(".tmp")
    }
  }
}
