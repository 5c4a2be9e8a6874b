import ArgumentParser
import Foundation
import Logging
import RemoteModels
import ServerContract

extension PullOptions.Moment: ExpressibleByArgument {}

/// What `serve` and `pull` both take of a remote repository.
struct PullFlags: ParsableArguments {
  @Option(
    name: .of(.cache),
    help: "Folder for copies of https:// and s3:// repositories; default: planner/models in the user's cache.")
  var cache: String?
  @Option(help: "Files of a remote repository that are fetched at once.") var pullConnections = 8
  @Flag(help: "Read a public bucket without signing where no AWS credentials are found.") var anonymous = false

  func validate() throws {
    guard (1...64).contains(pullConnections) else { throw ValidationError("--pull-connections must be 1 to 64") }
  }

  var options: PullOptions {
    var options = PullOptions()
    if let cache { options.cache = cache }
    options.connections = pullConnections
    options.isAnonymousAllowed = anonymous
    return options
  }
}

struct Pull: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: ServerCommand.pull.rawValue,
    abstract: "Fetch a remote repository's models into the cache, before a server needs them.",
    discussion: """
      Prints one line of JSON that says how many models are there and how many were fetched. What is there already \
      and has not changed is not fetched again; what was cut off is resumed.
      """)

  @Option(name: .of(.repository), help: "https://host/path/ with a manifest.json, or s3://bucket/prefix/.")
  var repository: String
  @Option(name: .of(.limitModels), help: "Pull the first so many models only.") var limitModels: Int?
  @OptionGroup var flags: PullFlags

  func validate() throws {
    guard (limitModels ?? 1) >= 1 else { throw ValidationError("--limit-models must be at least 1") }
  }

  func run() async throws {
    await runCommand {
      let address = try RepositoryAddress(repository)
      guard address.isRemote else {
        throw ValidationError("--repository \(repository) is a folder: there is nothing to pull")
      }
      var logger = Logger(label: "model-server") { StreamLogHandler.standardError(label: $0) }
      logger.logLevel = .notice
      let remote = try RemoteRepository(
        address, options: flags.options, environment: ProcessInfo.processInfo.environment, logger: logger)
      let summary = try remote.pull(try remote.manifest(), limit: limitModels)
      try printLine(summary)
      guard summary.failures.isEmpty else { throw summary.problem(address) }
    }
  }
}
