import Foundation

/// The container engine that tests run against; `scripts/test-engine up` starts it, and `make test` calls it.
public enum TestEngine {
  /// Address of the engine, as `DOCKER_HOST` takes it; nil where none runs.
  public static let address: String? = {
    let variables = ProcessInfo.processInfo.environment
    if let named = variables["PLANNER_TEST_ENGINE"], !named.isEmpty { return named }
    let cache = variables["XDG_CACHE_HOME"] ?? (variables["HOME"] ?? NSHomeDirectory()) + "/.cache"
    let home = variables["TEST_ENGINE_HOME"] ?? cache + "/planner/test-engine"
    let socket = home + "/engine.sock"
    return FileManager.default.fileExists(atPath: socket) ? "unix://" + socket : nil
  }()

  /// Why tests are left out where there is none.
  public static let missing = "no container engine runs; scripts/test-engine up starts one, or says why it cannot"

  /// Something that a test needs did not do its work.
  public struct Failed: Error, CustomStringConvertible {
    public let description: String
  }

  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  // MARK: Images

  /// A program that stands in for `model-server` in a container: its log, its end and its failure are steered by files
  /// there and by its environment.
  private static let standInProgram = """
    #!/bin/sh
    if [ "$BROKEN" = yes ]; then echo 'no such model' >&2; exit 3; fi
    if [ "$GREEDY" = yes ]; then echo hungry >&2; sleep 0.3; hog=x; while :; do hog=$hog$hog; done; fi
    echo "started $$" >&2
    echo '{"ready":true,"port":8080,"models":1,"pid":'$$'}'
    trap 'exit 0' TERM
    while :; do
      if [ -e /tmp/crash ]; then rm /tmp/crash; echo crashed >&2; exit 7; fi
      if [ -e /tmp/say ]; then cat /tmp/say >&2; rm /tmp/say; fi
      sleep 0.02
    done

    """

  /// Writes an image of the stand-in into a folder.
  ///
  /// - Returns: path of the image.
  public static func standIn(in folder: String) throws -> String {
    let program = folder + "/stand-in"
    try standInProgram.write(toFile: program, atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
    let image = folder + "/stand-in.tar"
    try pack([program, "sh", "sleep", "cat", "rm", "mv", "touch", "printenv"], as: "stand-in", to: image)
    return image
  }

  /// Packs programs with their libraries into an image that the engine can load.
  public static func pack(_ programs: [String], as name: String, to file: String) throws {
    _ = try run(root + "/scripts/test-image", [file, "localhost/planner-test/\(name):1"] + programs)
  }

  // MARK: What the engine has, asked by a program of others

  /// Asks the engine's API and returns the answer.
  @discardableResult
  public static func ask(_ path: String, _ arguments: [String] = []) throws -> String {
    guard let address, address.hasPrefix("unix://") else { throw Failed(description: missing) }
    return try run(
      "/usr/bin/curl",
      ["-fsS", "--unix-socket", String(address.dropFirst("unix://".count))] + arguments
        + ["http://engine/v1.41/\(path)"])
  }

  /// Containers, volumes and networks of the engine: what a test may not add to.
  public struct Contents: Equatable, CustomStringConvertible, Sendable {
    private let lists: [String]
    public var description: String { lists.joined(separator: "\n") }

    public init() throws {
      // Without times and states: which there are.
      lists = try [("containers/json?all=1", "Id"), ("volumes", "Name"), ("networks", "Id")].map { path, key in
        let answer = try JSONSerialization.jsonObject(with: Data(TestEngine.ask(path).utf8))
        let list = answer as? [[String: Any]] ?? (answer as? [String: Any])?["Volumes"] as? [[String: Any]] ?? []
        return list.compactMap { $0[key] as? String }.sorted().joined(separator: " ")
      }
    }
  }

  private static func run(_ program: String, _ arguments: [String]) throws -> String {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.standardOutput = output
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw Failed(
        description: "\(program) \(arguments.joined(separator: " ")) ended with \(process.terminationStatus)")
    }
    return String(decoding: data, as: UTF8.self)
  }
}
