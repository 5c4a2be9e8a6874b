import ArgumentParser
import Engine
import Foundation
import NIOCore
import PlannerFiles
import ServerContract
import Tokenizer
import WebClient

/// `model-server`: the composition root of the server, and the child process in which engines are measured and
/// models are written.
@main
struct ModelServer: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: ServerProgram.name, abstract: "Serve a folder of PyTorch models over HTTP.",
    version: "\(ServerProgram.name) \(ServerProgram.version)",
    subcommands: [
      Serve.self, Pull.self, Synthesize.self, Convert.self, Measure.self, Info.self, ProbeCommand.self,
      CycleCommand.self, Look.self, Examine.self,
    ],
    defaultSubcommand: Serve.self)
}

/// Runs a command's work, turns what it throws into one sentence and a documented exit code, and ends the process.
func runCommand(_ work: () async throws -> Void) async -> Never {
  do {
    try await work()
    quit(ServerExitCode.done.rawValue)
  } catch let exit as ExitCode {
    quit(exit.rawValue)
  } catch {
    let (code, message) = describe(error)
    FileHandle.standardError.write(Data("\(ServerProgram.name): \(message)\n".utf8))
    quit(code.rawValue)
  }
}

/// Without what libraries do at the end of a process: they take apart what their threads, of which some still run, are
/// using.
private func quit(_ code: Int32) -> Never {
  fflush(nil)
  _exit(code)
}

private func describe(_ error: any Error) -> (ServerExitCode, String) {
  switch error {
  case let error as FileError: (error.kind == .badData ? .badData : .unavailable, error.description)
  case let error as EngineError: (error.kind == .unavailable ? .unavailable : .badData, error.description)
  case let error as RemoteError: (error.kind == .badData ? .badData : .unavailable, error.description)
  case let error as TokenizerError: (.badData, error.description)
  case let error as IOError where error.errnoCode == EADDRINUSE:
    (
      .unavailable,
      "the port is in use by another process; choose another with --port or --grpc-port, or 0 for a free one"
    )
  case let error as IOError where error.errnoCode == EACCES:
    (.unavailable, "the port may not be used without rights; choose one above 1023 with --port")
  case let error as ValidationError: (.usage, error.message)
  case let error as IOError: (.unavailable, "the network refused: \(error)")
  default: (.internalError, "unexpected: \(error)")
  }
}

extension NameSpecification {
  /// The name by which the planner knows an option too.
  static func of(_ option: ServerOption) -> NameSpecification { .customLong(option.rawValue) }
}

/// A list of numbers separated by commas.
struct NumberList: ExpressibleByArgument {
  var numbers: [Int]

  init(_ numbers: [Int]) { self.numbers = numbers }

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    guard !parts.isEmpty, parts.allSatisfy({ ($0 ?? -1) >= 0 }) else { return nil }
    numbers = parts.compactMap { $0 }
  }
}

/// Prints one JSON object on a line of its own.
func printLine(_ value: some Encodable) throws {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  FileHandle.standardOutput.write(try encoder.encode(value) + Data("\n".utf8))
}
