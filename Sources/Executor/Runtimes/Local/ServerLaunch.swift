import Foundation
import ServerContract

/// One process of `model-server` on this machine: the node that it is, and the facts of the process.
public struct ServerLaunch: Hashable, Sendable {
  /// Path of the program.
  public var binary: String
  /// The node that the process is.
  public var settings: NodeSettings
  public var host = "127.0.0.1"
  /// 0 lets the system choose.
  public var port = 0
  /// CPUs for the workers' threads; nil leaves them to the system.
  public var pinWorkers: [Int]?
  /// CPUs for the threads that read and write requests; nil leaves them to the system.
  public var ioCPUs: [Int]?
  /// File that gets the server's standard error; replaced where it exists.
  public var logFile: String
  /// File that gets the names of the node's models, where it has not all of its repository's.
  public var modelListFile: String { Self.modelListFile(besideLog: logFile) }
  /// How long it may take until it is ready, seconds.
  public var readyTimeoutSeconds = 600.0
  /// Whether it is to outlive this program.
  public var isKept = false
  /// Environment beside the settings' own, by which a process is known again.
  var marker: [String: String] = [:]
  /// Control groups that it runs in.
  var controlGroups: [NodeControlGroup] = []

  public init(binary: String, settings: NodeSettings, logFile: String) {
    self.binary = binary
    self.settings = settings
    self.logFile = logFile
  }

  /// The command line, without the program.
  public var arguments: [String] {
    var flags = ServerArguments()
    if !isKept { flags.add(flag: .stopOnStdinEOF) }
    return settings.serverArguments(
      host: host, port: port, modelListFile: modelListFile, pinWorkers: pinWorkers, ioCPUs: ioCPUs) + flags.words
  }

  static func modelListFile(besideLog file: String) -> String {
    (file.hasSuffix(".log") ? String(file.dropLast(4)) : file) + ".models"
  }

  /// A list in a file and not on the command line, which holds no more than 128 KiB in one argument.
  private func writeModelList() throws(ExecutorError) {
    guard !settings.models.isEmpty else { return }
    let text = settings.models.joined(separator: "\n") + "\n"
    do {
      try text.write(toFile: modelListFile, atomically: true, encoding: .utf8)
    } catch {
      throw .logFile(path: modelListFile, reason: error.localizedDescription)
    }
  }

  /// Starts the process, registered so that an interrupt ends it.
  ///
  /// Unless it is to be kept, its standard input is a pipe that this process holds open: it is told to stop when that
  /// pipe ends, so it goes with the planner even where that is killed.
  ///
  /// - Parameter output: descriptor that becomes its standard output; the caller closes its own copy.
  func start(output: Int32) throws(ExecutorError) -> Child {
    if isKept { LogRotation.rotate(logFile) }
    let log = open(logFile, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0o644)
    guard log >= 0 else { throw .logFile(path: logFile, reason: systemMessage(errno)) }
    defer { close(log) }
    try writeModelList()
    let input = isKept ? Pipe(read: open("/dev/null", O_RDONLY | O_CLOEXEC), write: -1) : try Pipe.make()
    defer { close(input.read) }
    var spawn = Spawn(
      binary: binary, arguments: arguments, environment: settings.environment.merging(marker) { $1 },
      input: input.read, output: output, error: log, newSession: isKept)
    if !controlGroups.isEmpty {
      try Spawn.checkExecutable(binary)
      (spawn.binary, spawn.arguments) = NodeControlGroup.command(binary, arguments, inside: controlGroups)
    }
    do {
      // Registered even where it is to be kept: until it is ready, an interrupt ends it.
      return try Children.shared.start(spawn, input: isKept ? nil : input.write)
    } catch {
      if input.write >= 0 { close(input.write) }
      throw error
    }
  }
}
