import ArgumentParser
import DockerRuntime
import Executor
import Foundation

/// Where nodes run.
struct RuntimeOptions: ParsableArguments {
  @Option(help: "Where nodes run: local (processes of this machine) or docker (containers of one engine).")
  var runtime = RuntimeName.local.rawValue

  func validate() throws {
    if RuntimeName(rawValue: runtime) == nil { throw ValidationError("--runtime must be \(RuntimeName.listed)") }
  }

  /// - Throws: `Failure` where it is not built into this version.
  func choice() throws -> RuntimeChoice { try RuntimeChoice(runtime) }
}

/// What nodes in containers are made of.
struct ImageOptions: ParsableArguments {
  static let variable = "PLANNER_IMAGE"

  @Option(help: "Image of the server for containers: a tar of `planner image build`, or a name to pull.")
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
        "nodes in containers need an image of the server: build one with planner image build, and name its tar or "
          + "reference with --image (or in \(Self.variable))")
    }
    return try ImageSource(named)
  }
}

/// The runtime that `--runtime` names, opened once it is clear what runs on it.
struct RuntimeChoice {
  let name: RuntimeName

  /// - Throws: `Failure` where it is not built into this version.
  init(_ text: String) throws {
    guard let name = RuntimeName(rawValue: text), name != .kubernetes else {
      throw Failure(.unavailable, "runtime '\(text)' is not built into this version; use --runtime local or docker")
    }
    self.name = name
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
    /// the system.
    var cpus: [CPUSplit]
    var lifetime: Lifetime
    var image: ImageOptions
  }

  /// A runtime that can bring up nodes.
  struct Opened {
    var runtime: any Runtime
    /// Content of the image that nodes are started from; nil where they are not.
    var image: String?
  }

  /// A runtime to look at what runs, or to end it.
  ///
  /// - Throws: `RuntimeError` where it cannot be reached.
  func open() async throws -> any Runtime {
    switch name {
    case .local: local(binary: (try? ServerBinary.locate()) ?? "model-server", .deployed)
    case .docker: DockerRuntime(try await engine(), DockerRuntime.Options(lockFolder: LocalFolder.path))
    case .kubernetes: preconditionFailure("refused by init")
    }
  }

  /// - Throws: `ExecutorError` where no `model-server` is found; `RuntimeError` and `Failure` where there is no engine
  ///   or no image.
  func open(for use: Use) async throws -> Opened {
    let cpus = Dictionary(uniqueKeysWithValues: use.cpus.enumerated().map { (NodeID(index: $0), $1) })
    switch name {
    case .local:
      return Opened(runtime: local(binary: try ServerBinary.locate(), use.lifetime, cpus))
    case .docker:
      let source = try use.image.source()
      let engine = try await engine()
      var options = DockerRuntime.Options(lockFolder: LocalFolder.path)
      let image = try await engine.provide(source) { Output.note($0) }
      options.image = image
      options.cpus = cpus
      options.publishAddress = use.image.publish
      options.restarts = use.lifetime == .deployed
      return Opened(runtime: DockerRuntime(engine, options), image: image.id)
    case .kubernetes: preconditionFailure("refused by init")
    }
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
