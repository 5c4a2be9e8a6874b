/// Commands of `model-server`; without one it serves.
public enum ServerCommand: String, Sendable {
  case serve, pull, measure, synthesize, convert, info, probe, look, examine
}

/// Options of `model-server` that other programs pass, as both sides spell them. The raw value is the name without
/// its two hyphens.
public enum ServerOption: String, Sendable {
  // Several commands.
  case repository, threads, tokens, precision
  case pinWorkers = "pin-workers"

  // serve
  case host, port, workers
  case warmTokens = "warm-tokens"
  case limitModels = "limit-models"
  case modelList = "model-list"
  case ioCPUs = "io-cpus"
  case shutdownDelay = "shutdown-delay"
  case cache
  case stopOnStdinEOF = "stop-on-stdin-eof"

  // measure
  case concurrency, seconds, models

  // synthesize
  case family, vocab, count, seed, out

  // convert
  case texts

  // look
  case checksums

  // probe and examine
  case model, description, device
  case timeLimit = "time-limit"
  case memoryLimit = "memory-limit"
  case operatorLibrary = "op-library"
}

/// A command line of `model-server`, word by word, without the program.
public struct ServerArguments: Hashable, Sendable {
  public private(set) var words: [String] = []

  public init() {}

  public init(_ command: ServerCommand) { words = [command.rawValue] }

  /// Adds an option and its value.
  public mutating func add(_ option: ServerOption, _ value: some CustomStringConvertible) {
    words += ["--" + option.rawValue, value.description]
  }

  /// Adds an option and a list, which is written with commas between its elements.
  public mutating func add(_ option: ServerOption, list: [some CustomStringConvertible]) {
    add(option, list.map(\.description).joined(separator: ","))
  }

  /// Adds an option that takes no value.
  public mutating func add(flag: ServerOption) { words.append("--" + flag.rawValue) }
}
