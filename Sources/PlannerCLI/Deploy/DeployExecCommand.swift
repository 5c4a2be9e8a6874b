import ArgumentParser
import Executor

struct DeployExecCommand: PlannerCommand {
  static let configuration = CommandConfiguration(
    commandName: "exec",
    abstract: "Run a command where a node runs, in its environment.",
    usage: "planner deploy exec <deployment> [--node <node>] [--runtime <runtime>] -- <command> ...",
    discussion: """
      For containers the command is one of the image; for processes of this machine, one of the machine. The exit code \
      is the command's own, 128 and the signal's number where a signal ended it.
      """)

  @Argument(help: "Deployment, or the plan that it was made of.") var deployment: String
  @OptionGroup var place: RuntimeOptions
  @Option(help: "Node, such as node-1; default: the first.") var node: String?
  @Argument(parsing: .postTerminator, help: "The command and its arguments.") var command: [String] = []

  func validate() throws {
    if command.isEmpty { throw ValidationError("name a command behind --, such as: -- env") }
  }

  func execute() async throws -> PlannerExit {
    let runtime = try await place.choice().open()
    let id = try NamedDeployment.id(deployment)
    guard let replica = try NamedDeployment.replicas(node, of: try await runtime.observe(id)).first else {
      throw Failure(.unavailable, "deployment '\(id)' has no nodes")
    }
    let status = try await runtime.exec(command, on: replica.id, in: id) { Output.result(Output.foreign($0)) }
    switch status {
    case .exited(0): return .done
    case .exited(let code): throw ExitCode(code)
    case .signalled(let signal): throw ExitCode(128 + signal)
    }
  }
}
