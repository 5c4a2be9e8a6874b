import ArgumentParser
import Executor
import Foundation
import PlannerCore
import PlannerFiles
import Profiler

struct ModelCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "model", abstract: "Look at models, and make some to plan and test with.",
    subcommands: [Inspect.self, Index.self, Synth.self, Variants.self])

  struct Synth: PlannerCommand {
    static let configuration = CommandConfiguration(
      commandName: "synth",
      abstract: "Write different TorchScript models with random weights, a manifest and a vocabulary; needs no Python.")

    @Option(name: .customLong("family"), help: "bert-tiny, bert-mini, minilm or bert-base.")
    var architecture: ArchitecturePreset
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
        architecture: architecture, vocabulary: vocab ?? architecture.shape.vocabulary, precision: precision,
        count: count, seed: seed)
      if json {
        Output.result(try JSONFile.encode(Result(folder: out, models: count, fileBytes: fileBytes)))
      } else {
        Output.result("\(count) models written to \(out)")
      }
      return .done
    }
  }

  struct Variants: PlannerCommand {
    static let configuration = CommandConfiguration(
      commandName: "variants",
      abstract: "Write bf16 and int8 variants of a repository's fp32 models, with their measured agreement.")

    @Argument(help: "Model repository: a folder with a manifest.json.") var repository: String
    @Option(help: "bf16, int8, or both separated by a comma.") var precision = "bf16,int8"
    @Option(help: "Texts to compare answers on, one a line; a question and its context have a tab between.")
    var texts: String?
    @Flag(help: "Print one JSON object.") var json = false

    private var precisions: [Precision]? {
      let names = precision.split(separator: ",", omittingEmptySubsequences: false)
      let known = names.compactMap { Precision(rawValue: String($0)) }
      return known.count == names.count && !known.contains(.fp32) && Set(known).count == known.count ? known : nil
    }

    func validate() throws {
      if precisions == nil { throw ValidationError("--precision must be bf16, int8 or bf16,int8") }
    }

    struct Result: Encodable {
      var folder: String
      var variants: [VariantReport]
    }

    func execute() async throws -> PlannerExit {
      // Reads the manifest first, for all that is wrong with it at once.
      _ = try RepositoryFile.read(folder: repository)
      let tools = try ModelServerTools(cpus: CPUSplit.current(servingCores: 1), logFolder: NSTemporaryDirectory())
      let reports = try await tools.writeVariants(
        repository: repository, precisions: precisions ?? [], texts: texts
      ) { report in Output.note("wrote \(report.file)") }
      if json {
        Output.result(try JSONFile.encode(Result(folder: repository, variants: reports)))
      } else {
        for report in reports { Output.result(Self.text(report)) }
      }
      return .done
    }

    static func text(_ report: VariantReport) -> String {
      func percent(_ share: Double) -> String { String(format: "%.1f %%", share * 100) }
      let size = String(format: "%.1f MB", Double(report.fileBytes) / 1e6)
      let head = "\(report.variant): \(report.linearLayers) linear layers in \(report.precision.rawValue), \(size)"
      guard let agreement = report.agreement else {
        return "\(head); agreement not measured: \(report.agreementMissing ?? "unknown")"
      }
      let figure: String
      if let same = agreement.sameChoices {
        figure = "the same answer in \(percent(same))"
      } else {
        let worst = String(format: "%.4f", agreement.worstCosine ?? 0)
        figure = "cosine \(String(format: "%.4f", agreement.meanCosine ?? 0)) in the mean, \(worst) at worst"
      }
      let difference = String(format: "%.3g of %.3g", agreement.largestDifference, agreement.largestValue)
      return "\(head); against \(agreement.reference) on \(agreement.texts) texts of \(agreement.fewestTokens) to "
        + "\(agreement.mostTokens) tokens (measured): \(figure), largest difference \(difference)"
    }
  }
}
