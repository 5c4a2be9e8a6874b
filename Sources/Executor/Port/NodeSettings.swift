import Foundation
import PlannerCore
import ServerContract

/// What a node is, on whatever runtime: which models its server holds and how it computes. Facts of one process or
/// container (program, port, log file, CPUs) are no part of it.
public struct NodeSettings: Codable, Hashable, Sendable {
  /// Where the models are, as `model-server --repository` takes it: a folder, or an https:// or s3:// address.
  public var repository: String
  /// Names of the models that the node serves; empty serves all of the repository.
  public var models: [String]
  /// Forward passes at once.
  public var workers: Int
  /// Threads of one forward pass.
  public var threadsPerWorker: Int
  /// Lengths, in tokens, at which models are run before the node is ready; empty leaves the server's own choice.
  public var warmTokens: [Int]
  /// Environment of the server: the library settings that were profiled.
  public var environment: [String: String]
  /// Memory that the node needs, bytes; nil where no figure says.
  public var memoryBytes: Int64?
  /// Kind of machine that the node is planned for; nil takes any.
  public var instanceType: String?
  /// Further options of `model-server`, handed on as they are.
  public var extraArguments: [String]
  /// Content of the image that the server is started from, by the runtime's own identifier, so that another image is
  /// another revision; nil leaves the image to the runtime.
  public var image: String?

  public init(
    repository: String, models: [String] = [], workers: Int, threadsPerWorker: Int, warmTokens: [Int] = [],
    environment: [String: String] = [:], memoryBytes: Int64? = nil, instanceType: String? = nil,
    extraArguments: [String] = [], image: String? = nil
  ) {
    self.repository = repository
    self.models = models
    self.workers = workers
    self.threadsPerWorker = threadsPerWorker
    self.warmTokens = warmTokens
    self.environment = environment
    self.memoryBytes = memoryBytes
    self.instanceType = instanceType
    self.extraArguments = extraArguments
    self.image = image
  }

  /// Ten hexadecimal digits, the same for equal settings on every machine and in every release that has the same keys.
  public var revision: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Strings and integers only: there is nothing that could not be encoded.
    guard let bytes = try? encoder.encode(self) else { preconditionFailure("settings are plain values") }
    var hash = StableHash()
    hash.mix(bytes)
    return String(hash.hexadecimal.prefix(10))
  }

  /// Most memory that the node may take before it is ended, bytes: what it needs and an eighth more, at least 256 MiB,
  /// for what no figure counts, such as page tables, sockets and a load's passing needs. Nil where nothing is known.
  public var memoryLimitBytes: Int64? {
    guard let memoryBytes, memoryBytes > 0, memoryBytes < Int64.max / 4 else { return nil }
    return memoryBytes + max(256 << 20, memoryBytes / 8)
  }

  /// The command line of the node's server, without the program.
  ///
  /// - Parameters:
  ///   - modelListFile: file with the names of its models, as the server sees it; only named where the node has not all
  ///     of its repository's.
  ///   - pinWorkers: CPUs for the workers' threads; nil leaves them to the system.
  ///   - ioCPUs: CPUs for all else; nil leaves them to the system.
  public func serverArguments(
    host: String, port: Int, modelListFile: String, pinWorkers: [Int]?, ioCPUs: [Int]?
  ) -> [String] {
    var arguments = ServerArguments()
    arguments.add(.repository, repository)
    arguments.add(.host, host)
    arguments.add(.port, port)
    arguments.add(.workers, workers)
    arguments.add(.threads, threadsPerWorker)
    if !warmTokens.isEmpty { arguments.add(.warmTokens, list: warmTokens) }
    if !models.isEmpty { arguments.add(.modelList, modelListFile) }
    if let pinWorkers { arguments.add(.pinWorkers, list: pinWorkers) }
    if let ioCPUs { arguments.add(.ioCPUs, list: ioCPUs) }
    return arguments.words + extraArguments
  }

  /// What the node answers for: its models by name, or the whole repository where it names none.
  var answersFor: [String] { models.isEmpty ? ["\(repository) as a whole"] : models }
}
