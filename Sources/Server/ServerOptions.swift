/// How a server is to run.
public struct ServerOptions: Sendable {
  public static let version: StaticString = "0.1.0"

  public var repository: String
  public var host = "127.0.0.1"
  /// 0 lets the system choose.
  public var port = 8080
  public var workers = 1
  public var threadsPerWorker = 1
  public var queueCapacity: Int?
  public var requestTimeoutSeconds: Double? = 30
  /// Lengths at which every model is run once before the server is ready.
  public var warmTokens = [32]
  /// Serve the first so many models only.
  public var limitModels: Int?
  /// Answer with text instead of the raw tensor.
  public var postprocess = true
  public var maxBodyBytes = 16 << 20
  /// CPUs of the workers, in turn.
  public var workerCPUs: [Int] = []
  /// How long a worker without work polls before it sleeps; only for workers that have a CPU to themselves.
  public var idlePollingSeconds = 0.0
  /// CPUs of everything else.
  public var ioCPUs: [Int] = []
  public var httpThreads = 1

  public init(repository: String) { self.repository = repository }
}
