import ArgumentParser
import DockerRuntime
import Executor
import Foundation
import KubernetesRuntime
import PlannerCore

/// Where nodes run.
struct RuntimeOptions: ParsableArguments {
  @Option(
    help: """
      Where nodes run: local (processes of this machine), docker (containers of one engine) or kubernetes (pods of a \
      cluster).
      """)
  var runtime = RuntimeName.local.rawValue
  @Option(help: "Context of the kubeconfig, for kubernetes; default: its current one.") var context: String?
  @Option(help: "Namespace, for kubernetes; default: that of the context, or 'default'.") var namespace: String?

  func validate() throws {
    guard let name = RuntimeName(rawValue: runtime) else {
      throw ValidationError("--runtime must be \(RuntimeName.listed)")
    }
    if name != .kubernetes, context != nil || namespace != nil {
      throw ValidationError("--context and --namespace are for --runtime kubernetes")
    }
  }

  func choice() -> RuntimeChoice {
    RuntimeChoice(RuntimeName(rawValue: runtime) ?? .local, context: context, namespace: namespace)
  }
}

/// What nodes in containers are made of.
struct ImageOptions: ParsableArguments {
  static let variable = "PLANNER_IMAGE"

  @Option(
    help: "Image of the server for containers and pods: a name to pull, or for containers a tar of planner image build."
  )
  var image: String?
  @Option(help: "Address of the engine's machine at which containers answer.") var publish = "127.0.0.1"

  func validate() throws {
    let isAddress = publish.utf8.allSatisfy { byte in
      byte == UInt8(ascii: ".") || byte == UInt8(ascii: ":") || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
        || UInt8(ascii: "a")...UInt8(ascii: "f") ~= byte
    }
    guard !publish.isEmpty, isAddress else {
      throw ValidationError("--publish must be an address such as 127.0.0.1 or 0.0.0.0")
    }
  }

  /// - Throws: `Failure` where no image is named.
  func source() throws -> ImageSource {
    let named = image ?? ProcessInfo.processInfo.environment[Self.variable].flatMap { $0.isEmpty ? nil : $0 }
    guard let named else {
      throw Failure(
        .usage,
        "nodes in containers and pods need an image of the server: build one with planner image build, and name its "
          + "tar (for a cluster: what it was pushed as) with --image or in \(Self.variable)")
    }
    return try ImageSource(named)
  }

  /// The image by the name that a cluster pulls it by.
  ///
  /// - Throws: `Failure` where none is named, or a file.
  func reference() throws -> String {
    switch try source() {
    case .reference(let name): return name
    case .archive(let path):
      throw Failure(
        .usage,
        "a cluster pulls its images and takes no file: push \(path) with planner image push, and name it as it was "
          + "pushed")
    }
  }
}

/// The runtime that `--runtime` names, opened once it is clear what runs on it.
struct RuntimeChoice {
  let name: RuntimeName
  /// Context of the kubeconfig; nil takes its current one.
  var context: String?
  /// Namespace of the cluster; nil takes that of the context.
  var namespace: String?

  init(_ name: RuntimeName, context: String? = nil, namespace: String? = nil) {
    self.name = name
    self.context = context
    self.namespace = namespace
  }

  /// The options that name this runtime to another command.
  var words: String {
    ["--runtime \(name.rawValue)", context.map { "--context \($0)" }, namespace.map { "--namespace \($0)" }]
      .compactMap(\.self).joined(separator: " ")
  }

  /// What nodes are brought up for.
  struct Use {
    enum Lifetime {
      /// Nodes are for one run, which ends them.
      case run
      /// Nodes are for a run that leaves them.
      case kept
      /// Until they are stopped: they are held to their limits, and started again when they end by themselves.
      case deployed
    }

    /// CPUs of this machine for each node's workers and for the rest, in the order of the nodes; empty leaves them to
    /// the system. Asked of what can be looked at already, and not for a cluster.
    var cpus: (any Runtime) async throws -> [CPUSplit]
    var lifetime: Lifetime
    var image: ImageOptions
    /// What is said of pods; not asked where there are none.
    var pods: KubernetesArguments
  }

  /// A runtime that can bring up nodes.
  struct Opened {
    var runtime: any Runtime
    /// What nodes are started from, so that another image is another revision; nil where it is a program of this
    /// machine.
    var image: String?
  }

  /// A runtime to look at what runs, or to end it.
  ///
  /// - Throws: `RuntimeError` where it cannot be reached; `FileError` where the kubeconfig names no cluster.
  func open() async throws -> any Runtime {
    switch name {
    case .local: return local(binary: (try? ServerBinary.locate()) ?? "model-server", .deployed)
    case .docker: return DockerRuntime(try await engine(), DockerRuntime.Options(lockFolder: LocalFolder.path))
    case .kubernetes:
      let cluster = try ClusterConnection.open(context: context)
      return try KubernetesRuntime(cluster, .looking(at: namespace(in: cluster)))
    }
  }

  /// - Throws: `ExecutorError` where no `model-server` is found; `RuntimeError`, `FileError` and `Failure` where there
  ///   is no engine, no cluster or no image; what `use` throws.
  func open(for use: Use) async throws -> Opened {
    switch name {
    case .local:
      let binary = try ServerBinary.locate()
      let cpus = try await use.cpus(local(binary: binary, use.lifetime))
      return Opened(runtime: local(binary: binary, use.lifetime, Self.byNode(cpus)))
    case .docker:
      // A missing image is said before anything is asked.
      let source = try use.image.source()
      let engine = try await engine()
      var options = DockerRuntime.Options(lockFolder: LocalFolder.path)
      options.cpus = Self.byNode(try await use.cpus(DockerRuntime(engine, options)))
      let image = try await engine.provide(source) { Output.note($0) }
      options.image = image
      options.publishAddress = use.image.publish
      options.restarts = use.lifetime == .deployed
      return Opened(runtime: DockerRuntime(engine, options), image: image.id)
    case .kubernetes:
      let image = try use.image.reference()
      let cluster = try ClusterConnection.open(context: context)
      let options = try use.pods.options(namespace: namespace(in: cluster), image: image)
      return Opened(runtime: try KubernetesRuntime(cluster, options), image: options.startedFrom)
    }
  }

  private func namespace(in cluster: ClusterConnection) -> String { namespace ?? cluster.namespace ?? "default" }

  private static func byNode(_ cpus: [CPUSplit]) -> [NodeID: CPUSplit] {
    Dictionary(uniqueKeysWithValues: cpus.enumerated().map { (NodeID(index: $0), $1) })
  }

  private func local(
    binary: String, _ lifetime: Use.Lifetime, _ cpus: [NodeID: CPUSplit] = [:]
  ) -> LocalRuntime {
    LocalRuntime(
      binary: binary, stateFolder: LocalFolder.path + "/deployments", logFolder: LocalFolder.path,
      lifetime: lifetime == .run ? .planner : .independent, cpus: cpus, isLimited: lifetime == .deployed)
  }

  private func engine() async throws -> EngineClient {
    try await EngineClient(
      EngineAddress.find(
        environment: ProcessInfo.processInfo.environment,
        home: ProcessInfo.processInfo.environment["HOME"] ?? NSHomeDirectory()))
  }
}
