import ArgumentParser
import Engine
import EngineTools
import Foundation
import PlannerCore
import PlannerFiles
import ServerContract

struct Convert: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: ServerCommand.convert.rawValue,
    abstract: "Write bf16 and int8 variants of fp32 models, and measure their agreement on texts.",
    discussion: """
      With --model, one traced or scripted model; its vocab.txt is looked for beside it. With --repository, all fp32 \
      models of a repository, recorded in its manifest (planner model variants calls this). One line of JSON for each \
      variant.
      """)

  @Option(name: .of(.model), help: "TorchScript file of an fp32 model.") var model: String?
  @Option(name: .of(.out), help: "File to write, with --model.") var out: String?
  @Option(name: .of(.repository), help: "Folder of models, with a manifest.") var repository: String?
  @Option(name: .of(.precision), help: "bf16 or int8; with --repository also both, separated by a comma.")
  var precision: String
  @Option(help: "WordPiece vocabulary, with --model; default: vocab.txt beside the model.") var vocabulary: String?
  @Flag(help: "The vocabulary is of a cased model, with --model.") var cased = false
  @Option(
    name: .of(.texts), help: "Texts to compare answers on, one a line; a question and its context have a tab between.")
  var texts: String?

  private var precisions: [Precision] {
    get throws {
      let names = precision.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      let known = names.compactMap(Precision.init(rawValue:))
      guard known.count == names.count, !known.isEmpty, !known.contains(.fp32), Set(known).count == known.count else {
        throw ValidationError("--precision must be bf16, int8 or bf16,int8")
      }
      return known
    }
  }

  func validate() throws {
    let count = try precisions.count
    guard (model == nil) != (repository == nil) else {
      throw ValidationError("name either --model FILE or --repository DIR")
    }
    if model != nil {
      guard out != nil else { throw ValidationError("--model needs --out FILE") }
      guard count == 1 else { throw ValidationError("--model takes one precision") }
    } else if out != nil || vocabulary != nil {
      throw ValidationError("--out and --vocabulary belong to --model")
    }
  }

  func run() async throws {
    await runCommand {
      try Engine.initialize()
      let lines = try texts.map(Self.lines)
      if let repository {
        try RepositoryVariants(folder: repository, precisions: try precisions, texts: lines).write { try printLine($0) }
      } else if let model, let out {
        let beside = URL(fileURLWithPath: model).deletingLastPathComponent().path + "/vocab.txt"
        let path = vocabulary ?? (FileManager.default.fileExists(atPath: beside) ? beside : nil)
        let measurement = try path.map {
          AgreementMeasurement(tokenizer: try .load(path: $0, lowercases: !cased), texts: lines)
        }
        try printLine(
          RepositoryVariants.write(
            model: model, to: out, precision: try precisions[0], names: (model, out), isSynthesized: false,
            measurement: measurement))
      }
    }
  }

  private static func lines(of path: String) throws -> [String] {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      throw FileError(.unavailable, [FileProblem(file: path, message: "cannot be read as UTF-8 text")])
    }
    let lines = text.split(separator: "\n").map(String.init).filter { !$0.allSatisfy(\.isWhitespace) }
    guard !lines.isEmpty else { throw FileError(.badData, [FileProblem(file: path, message: "holds no text")]) }
    return lines
  }
}
