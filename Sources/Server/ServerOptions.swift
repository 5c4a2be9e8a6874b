import PlannerCore

/// How a server is to run.
public struct ServerOptions: Sendable {
  public static let version: StaticString = "0.1.0"

  public var repository: String
  /// Where the folder's models come from, unless they are the user's own.
  public var remote: RemoteRepository?
  public var host = "127.0.0.1"
  /// 0 lets the system choose.
  public var port = 8080
  /// `cpu`, `cuda:1`, `neuron:0`: each has a queue and workers of its own, and models are spread over them.
  public var devices = ["cpu"]
  /// Of each device.
  public var workers = 1
  public var threadsPerWorker = 1
  /// Requests that may wait for a worker; nil is any number.
  public var queueCapacity: Int?
  /// Requests of one model that may wait for a worker; nil is no limit of its own.
  public var queueCapacityPerModel: Int?
  /// Which requests of a model share a forward pass.
  public var batch = BatchPolicy.single
  /// Bytes of all models in memory; the others are loaded by their first requests. nil keeps all in memory.
  public var memoryBudgetBytes: Int64?
  /// Models that are loaded at once.
  public var loadThreads = 1
  /// Requests that may wait for models to be loaded; nil is any number.
  public var maxLoadsWaiting: Int?
  /// Models that cannot be loaded are unavailable, and do not keep the server from starting.
  public var toleratesBadModels = false
  /// Code that is new is first run in a process of its own, for so long at most; nil trusts it.
  public var probeSeconds: Double? = 60
  public var requestTimeoutSeconds: Double? = 30
  /// Lengths at which every model is run once before the server is ready.
  public var warmTokens = [32]
  /// Serve the first so many models only.
  public var limitModels: Int?
  /// Answer with text instead of the raw tensor.
  public var postprocess = true
  /// Texts are padded to 128 word pieces, as in the guidance, instead of being computed at their own length.
  public var padsText = false
  /// Log each question and its answer.
  public var logsTexts = false
  /// Models may be loaded and unloaded by whoever reaches the server.
  public var allowsManagement = false
  /// Of a request, also after it was inflated.
  public var maxBodyBytes = 16 << 20
  /// Path and query of a request.
  public var maxTargetBytes = 32 << 10
  /// Of one header field, and of all of a request's together.
  public var maxHeaderBytes = 64 << 10
  public var maxHeaderFields = 100
  /// A connection with no request under way is closed after so long; nil keeps it.
  public var idleTimeoutSeconds: Double? = 60
  /// A request must have arrived whole so long after its first line, and an answer been taken.
  public var transferTimeoutSeconds: Double? = 30
  /// CPUs of the workers, in turn.
  public var workerCPUs: [Int] = []
  /// How long a worker without work polls before it sleeps; only for workers that have a CPU to themselves.
  public var idlePollingSeconds = 0.0
  /// CPUs of everything else.
  public var ioCPUs: [Int] = []
  public var httpThreads = 1

  /// Port of gRPC; 0 lets the system choose, nil serves HTTP only.
  public var grpcPort: Int?
  /// nil speaks plain text.
  public var transportSecurity: TransportSecurity?
  /// nil answers everybody.
  public var token: BearerToken?
  /// Whether metrics are there for whoever has no token.
  public var opensMetrics = false

  public init(repository: String) { self.repository = repository }
}
