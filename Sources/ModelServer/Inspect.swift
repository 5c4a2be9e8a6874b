import ArgumentParser
import Engine
import EngineTools
import Foundation
import PlannerCore
import PlannerFiles
import ServerContract

struct Look: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: ServerCommand.look.rawValue,
    abstract: "Say of each model file of a folder what it is, and run none of them (planner model inspect calls this).",
    shouldDisplay: false)

  @Option(name: .of(.repository), help: "Folder of models.") var repository: String
  @Flag(name: .of(.checksums), help: "Also SHA-256 of each file.") var checksums = false

  func run() async throws {
    await runCommand {
      try Engine.initialize()
      try RepositoryLook(folder: repository, hasChecksums: checksums).run { try printLine($0) }
    }
  }
}

struct Examine: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: ServerCommand.examine.rawValue,
    abstract: "Find out by trying what a model takes and answers (planner model inspect calls this).",
    shouldDisplay: false)

  @Option(name: .of(.model), help: "Model file.") var model: String
  @Option(name: .of(.description), help: "What the repository says of it, as a manifest's entry in JSON.")
  var description: String
  @Option(name: .of(.timeLimit), help: "Seconds until the process is ended.") var timeLimit = 120
  @Option(name: .of(.memoryLimit), help: "Bytes of memory beyond what the library takes.") var memoryLimit: Int64?

  func run() async throws {
    await runCommand {
      alarm(UInt32(clamping: timeLimit))
      try Engine.initialize()
      let entry = try JSONFile.decodeLine(RepositoryManifest.Model.self, from: description)
      try printLine(try ModelExamination.run(model: model, entry, memoryLimitBytes: memoryLimit))
    }
  }
}
