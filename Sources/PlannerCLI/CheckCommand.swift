import ArgumentParser
import Optimizer
import PlannerCore
import PlannerFiles
import Reporting

struct CheckCommand: ComputingCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Verify a plan and its lower bound, independently of the search.")

  @Argument(help: "Plan file.") var plan = "plan.json"
  @Option(help: "Instance types and prices (CSV); default: the shipped us-east-1 catalogue.") var catalog: String?
  @Option(help: "Folder of the profiles that the plan was made from.") var profiles = ProfileFile.usualFolder
  @Flag(help: "Print one JSON object.") var json = false

  struct Finding: Encodable {
    var plan: String
    var holds: Bool
    var violations: [String]
  }

  func compute() throws -> PlannerExit {
    let content = try PlanFile.read(plan)
    let published = try FiguresFile.embedded()
    let evidence = PlanEvidence(
      catalog: try catalog.map(CatalogFile.read) ?? CatalogFile.embedded(), figures: published.figures,
      architectures: published.architectures, hostMemory: published.hostMemory,
      profiles: try ProfileFile.readAll(in: profiles))
    let violations = PlanChecker.check(content, against: evidence).map(\.description)
    if json {
      Output.result(try JSONFile.encode(Finding(plan: plan, holds: violations.isEmpty, violations: violations)))
    } else if violations.isEmpty {
      Output.result("\(plan): holds — coverage, memory, cost, lower bound and latency were derived again and agree")
    } else {
      Output.result("\(plan): does not hold\n" + violations.map { "  - \($0)" }.joined(separator: "\n"))
    }
    return violations.isEmpty ? .done : .failed
  }
}
