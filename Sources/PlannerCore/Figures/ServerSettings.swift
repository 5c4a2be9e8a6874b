/// How a model server is run on a node. Requests wait in one queue a device and run one at a time in a worker.
public struct ServerSettings: Codable, Hashable, Sendable {
  /// Devices of the node that share nothing, each with `workers` workers: the cores of an accelerator, whose models
  /// live on one of them; 1 for a CPU. Models are spread over them evenly.
  public var devices: Int
  /// Forward passes at once on each device.
  public var workers: Int
  public var threadsPerWorker: Int
  /// Environment of the server process that brings about the library settings that were profiled.
  public var environment: [String: String]

  public init(devices: Int, workers: Int, threadsPerWorker: Int, environment: [String: String] = [:]) {
    self.devices = devices
    self.workers = workers
    self.threadsPerWorker = threadsPerWorker
    self.environment = environment
  }
}
