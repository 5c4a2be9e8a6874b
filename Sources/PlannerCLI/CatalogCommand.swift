import ArgumentParser
import PlannerCore
import PlannerFiles
import Reporting

struct CatalogCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "catalog", abstract: "Instance types, prices and published figures.", subcommands: [Show.self])

  struct Show: ComputingCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "List the catalogue.")

    @Option(help: "Another catalogue (CSV).") var catalog: String?
    @Flag(help: "Print one JSON object.") var json = false

    struct Listing: Encodable {
      var provenance: Provenance
      var types: [InstanceType]
      var figures: [PublishedBenchmark]
    }

    func compute() throws -> PlannerExit {
      let content = try catalog.map(CatalogFile.read) ?? CatalogFile.embedded()
      let figures = try FiguresFile.embedded().figures
      if json {
        let listing = Listing(provenance: content.provenance, types: content.types, figures: figures)
        Output.result(try JSONFile.encode(listing))
      } else {
        Output.result(
          CatalogText.render(content, figures, style: Output.style))
      }
      return .done
    }
  }
}
