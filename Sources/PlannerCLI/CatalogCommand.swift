import ArgumentParser
import PlannerCore
import PlannerFiles
import Reporting

struct CatalogCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "catalog", abstract: "Instance types, prices and published figures.", subcommands: [Show.self])

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "List the catalogue.")

    @Option(help: "Another catalogue (CSV).") var catalog: String?
    @Flag(help: "Print one JSON object.") var json = false

    struct Listing: Encodable {
      var provenance: Provenance
      var types: [InstanceType]
      var figures: [LatencyFigure]
    }

    func run() async throws {
      try await runCommand { [self] in
        let content = try catalog.map(CatalogFile.read) ?? CatalogFile.shipped()
        let figures = try FiguresFile.shipped()
        if json {
          let listing = Listing(provenance: content.provenance, types: content.types, figures: figures)
          Output.result(try JSONFile.encode(listing))
        } else {
          Output.result(
            CatalogText.render(content, figures, style: TextStyle(width: Output.width, isStyled: Output.isTerminal(1))))
        }
        return .done
      }
    }
  }
}
