import ArgumentParser

/// `planner`: the composition root. One file a command; each reads its files, calls the rooms and prints.
@main
struct Planner: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "planner",
    abstract: "Find, explain, deploy and prove the cheapest way to serve many PyTorch models in time.",
    discussion: """
      The main job, in order:
        planner profile                               measure this machine
        planner optimize --models 3000 --budget 60    find what to buy and how to pack it
        planner execute                               deploy the plan, load it, compare with the prediction
      """,
    version: "planner \(Planner.version)",
    subcommands: [
      ProfileCommand.self, OptimizeCommand.self, CheckCommand.self, SimulateCommand.self, ExecuteCommand.self,
      DeployCommand.self,
      ReportCommand.self, ModelCommand.self, WorkloadCommand.self, CatalogCommand.self, LoadCommand.self,
      ImageCommand.self,
    ])

  static let version = "0.1.0"
}
