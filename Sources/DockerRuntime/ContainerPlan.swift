import Executor
import Foundation
import PlannerFiles
import ServerContract

/// The container of one replica, as the engine is asked for it: a pure function of the node, the image and the
/// runtime's options. Names and values go as they are into JSON, never through a shell.
package struct ContainerPlan {
  /// Port on which the server listens in its container.
  static let port = 8080
  /// Where a folder of models is mounted.
  static let modelsFolder = "/models"
  /// Volume of the container alone, which goes with it; holds the list of its models.
  static let ownFolder = "/var/planner"
  static let modelListFile = "models.txt"
  /// User and group of the server: neither root nor anybody else's.
  static let user = "65532:65532"
  /// Threads and processes of a server are far fewer.
  static let mostProcesses = 4096

  var deployment: DeploymentID
  var node: DesiredNode
  var image: EngineImage
  var cpus: CPUSplit?
  /// Address of the engine's machine at which the port is published.
  var publishAddress: String
  /// The engine starts the container again when it ends by itself, also after the machine was started again.
  var restarts: Bool
  /// How long the server may take to answer what it has accepted, seconds.
  var graceSeconds: Int

  package init(
    deployment: DeploymentID, node: DesiredNode, image: EngineImage, cpus: CPUSplit? = nil,
    publishAddress: String = "127.0.0.1", restarts: Bool = false, graceSeconds: Int = 30
  ) {
    self.deployment = deployment
    self.node = node
    self.image = image
    self.cpus = cpus
    self.publishAddress = publishAddress
    self.restarts = restarts
    self.graceSeconds = graceSeconds
  }

  package var name: String { Self.name(of: node.replica, in: deployment) }

  static func name(of replica: ReplicaID, in deployment: DeploymentID) -> String { "planner-\(deployment)-\(replica)" }

  /// The repository is fetched by the server itself.
  private var isRemote: Bool { node.settings.repository.contains("://") }
  var hasModelList: Bool { !node.settings.models.isEmpty }

  var command: [String] {
    var settings = node.settings
    if !isRemote { settings.repository = Self.modelsFolder }
    return settings.serverArguments(
      host: "0.0.0.0", port: Self.port, modelListFile: Self.ownFolder + "/" + Self.modelListFile,
      pinWorkers: cpus?.pinned(threadsPerWorker: settings.threadsPerWorker), ioCPUs: cpus?.io)
  }

  var modelList: [UInt8] { Array((node.settings.models.joined(separator: "\n") + "\n").utf8) }

  package func request() throws -> CreateRequest {
    var request = CreateRequest(image: image.id, command: command, stopSeconds: graceSeconds)
    request.environment = node.settings.environment.merging(["HOME": "/tmp", "XDG_CACHE_HOME": "/tmp/.cache"]) {
      own, _ in own
    }.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    request.labels = ReplicaLabels(deployment: deployment, node: node, isKept: restarts).labels
    request.host.mounts = try mounts()
    // What a server fetches may be large: it then goes to a volume of the container's own, which begins with the
    // permissions that the image's /tmp has.
    if !isRemote { request.host.temporary = ["/tmp": "rw,nosuid,nodev,noexec,size=268435456,mode=1777"] }
    request.host.ports = ["\(Self.port)/tcp": [.init(address: publishAddress, port: "")]]
    request.host.memoryBytes = node.settings.memoryLimitBytes ?? 0
    request.host.memoryAndSwapBytes = request.host.memoryBytes
    request.host.cpus = cpus.map { ($0.workers + $0.others).sorted().map(String.init).joined(separator: ",") } ?? ""
    request.host.restart.name = restarts ? "unless-stopped" : "no"
    return request
  }

  private func mounts() throws -> [CreateRequest.Mount] {
    var mounts: [CreateRequest.Mount] = []
    if isRemote {
      mounts.append(.init(type: "volume", target: "/tmp"))
    } else {
      let folder = node.settings.repository
      mounts.append(.init(type: "bind", source: folder, target: Self.modelsFolder, isReadOnly: true))
      for other in try LinkedFolders.of(folder) {
        mounts.append(.init(type: "bind", source: other, target: other, isReadOnly: true))
      }
    }
    if hasModelList { mounts.append(.init(type: "volume", target: Self.ownFolder)) }
    return mounts
  }
}

/// What `POST /containers/create` is sent.
package struct CreateRequest: Encodable {
  var image: String
  var command: [String]
  var environment: [String] = []
  var labels: [String: String] = [:]
  var user = ContainerPlan.user
  var stopSignal = "SIGTERM"
  var stopSeconds: Int
  var exposedPorts = ["\(ContainerPlan.port)/tcp": [String: String]()]
  var host = Host()

  enum CodingKeys: String, CodingKey {
    case image = "Image"
    case command = "Cmd"
    case environment = "Env"
    case labels = "Labels"
    case user = "User"
    case stopSignal = "StopSignal"
    case stopSeconds = "StopTimeout"
    case exposedPorts = "ExposedPorts"
    case host = "HostConfig"
  }

  init(image: String, command: [String], stopSeconds: Int) {
    self.image = image
    self.command = command
    self.stopSeconds = stopSeconds
  }

  struct Mount: Encodable, Hashable {
    var type: String
    /// Nil for a volume that belongs to the container alone.
    var source: String?
    var target: String
    var isReadOnly = false

    enum CodingKeys: String, CodingKey {
      case type = "Type"
      case source = "Source"
      case target = "Target"
      case isReadOnly = "ReadOnly"
    }
  }

  struct Host: Encodable {
    struct Binding: Encodable {
      var address: String
      var port: String
      enum CodingKeys: String, CodingKey {
        case address = "HostIp"
        case port = "HostPort"
      }
    }
    struct Restart: Encodable {
      var name = "no"
      enum CodingKeys: String, CodingKey { case name = "Name" }
    }
    struct Log: Encodable {
      var type = "json-file"
      var options = ["max-size": "10m", "max-file": "3"]
      enum CodingKeys: String, CodingKey {
        case type = "Type"
        case options = "Config"
      }
    }

    var mounts: [Mount] = []
    var temporary: [String: String] = [:]
    var ports: [String: [Binding]] = [:]
    /// 0 sets no limit.
    var memoryBytes: Int64 = 0
    var memoryAndSwapBytes: Int64 = 0
    /// CPUs as a list; empty leaves them to the system.
    var cpus = ""
    var restart = Restart()
    var log = Log()
    var hasReadOnlyRoot = true
    var droppedCapabilities = ["ALL"]
    var security = ["no-new-privileges"]
    var mostProcesses = ContainerPlan.mostProcesses

    enum CodingKeys: String, CodingKey {
      case mounts = "Mounts"
      case temporary = "Tmpfs"
      case ports = "PortBindings"
      case memoryBytes = "Memory"
      case memoryAndSwapBytes = "MemorySwap"
      case cpus = "CpusetCpus"
      case restart = "RestartPolicy"
      case log = "LogConfig"
      case hasReadOnlyRoot = "ReadonlyRootfs"
      case droppedCapabilities = "CapDrop"
      case security = "SecurityOpt"
      case mostProcesses = "PidsLimit"
    }
  }
}
