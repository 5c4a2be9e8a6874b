import ArgumentParser
import Executor
import PlannerCore
import PlannerFiles

struct ModelCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "model", abstract: "Make models to plan and test with.", subcommands: [Synth.self])

  struct Synth: PlannerCommand {
    static let configuration = CommandConfiguration(
      commandName: "synth",
      abstract: "Write different TorchScript models with random weights, a manifest and a vocabulary; needs no Python.")

    @Option(help: "bert-tiny, bert-mini, minilm or bert-base.") var family: ModelFamily
    @Option(parsing: .unconditional, help: "How many; they are called model0, model1, …", transform: Arguments.count)
    var count: Int
    @Option(parsing: .unconditional, help: "The same seed writes the same models.") var seed: UInt64 = 1
    @Option(help: "Folder to write them to; it becomes a model repository.") var out: String
    @Option(help: "fp32, bf16 or int8.") var precision: Precision = .fp32
    @Option(parsing: .unconditional, help: "Size of the vocabulary; default: the family's own.") var vocab: Int?
    @Flag(help: "Print one JSON object.") var json = false

    func validate() throws {
      if let vocab, !(200...1_000_000).contains(vocab) { throw ValidationError("--vocab must be 200 to 1000000") }
    }

    struct Result: Encodable {
      var folder: String
      var models: Int
      var fileBytes: Int64
    }

    func execute() async throws -> PlannerExit {
      let repository = ModelRepository(folder: out)
      let fileBytes = try await repository.synthesize(
        family: family, vocabulary: vocab ?? family.shape.vocabulary, precision: precision, count: count, seed: seed)
      if json {
        Output.result(try JSONFile.encode(Result(folder: out, models: count, fileBytes: fileBytes)))
      } else {
        Output.result("\(count) models written to \(out)")
      }
      return .done
    }
  }
}
