import PlannerCore

/// How a server is to run.
package struct ServerOptions: Sendable {
  /// Longest time for requests that were accepted to be answered after the server was told to stop.
  package static let drainSeconds = 30

  package var repository: String
  package var host = "127.0.0.1"
  /// 0 lets the system choose.
  package var port = 8080
  /// `cpu`, `cuda:1`, `neuron:0`: each has a queue and workers of its own, and models are spread over them.
  package var devices = ["cpu"]
  /// Workers of each device.
  package var workers = 1
  package var threadsPerWorker = 1
  /// Requests that may wait for a worker; nil is any number.
  package var queueCapacity: Int?
  /// Requests of one model that may wait for a worker; nil is no limit of its own.
  package var queueCapacityPerModel: Int?
  /// Which requests of a model share a forward pass.
  package var batch = BatchPolicy.single
  /// Bytes of all models in memory; the others are loaded by their first requests. nil keeps all in memory.
  package var memoryBudgetBytes: Int64?
  /// Models that are loaded at once.
  package var loadThreads = 1
  /// Requests that may wait for models to be loaded; nil is any number.
  package var maxLoadsWaiting: Int?
  /// Models that cannot be loaded are unavailable, and do not keep the server from starting.
  package var toleratesBadModels = false
  /// Code that is new is first run in a process of its own, for so long at most; nil trusts it.
  package var probeSeconds: Double? = 60
  package var requestTimeoutSeconds: Double? = 30
  /// Lengths at which every model is run once before the server is ready.
  package var warmTokens = [32]
  /// Which of the repository's models are served.
  package var models = ModelSelection.all
  /// Answer with text instead of the raw tensor.
  package var postprocess = true
  /// Texts are padded to 128 word pieces, as in the guidance, instead of being computed at their own length.
  package var padsText = false
  /// How pairs of texts are cut, whatever the repository's manifest says; nil leaves it to that.
  package var pairTruncation: RepositoryManifest.PairTruncation?
  /// Log each question and its answer.
  package var logsTexts = false
  /// Whether clients may load and unload models.
  package var allowsManagement = false
  /// Most bytes of a request, also after it was inflated.
  package var maxBodyBytes = 16 << 20
  /// Path and query of a request.
  package var maxTargetBytes = 32 << 10
  /// Most bytes of one header field, and of all of a request's together.
  package var maxHeaderBytes = 64 << 10
  package var maxHeaderFields = 100
  /// A connection with no request under way is closed after so long; nil keeps it.
  package var idleTimeoutSeconds: Double? = 60
  /// A request must have arrived whole so long after its first line, and an answer been taken.
  package var transferTimeoutSeconds: Double? = 30
  /// How long the server goes on as before once it is told to stop, so that whoever sends to it can hear of it.
  package var shutdownDelaySeconds = 0.0
  /// CPUs of the workers, in turn.
  package var workerCPUs: [Int] = []
  /// How long a worker without work polls before it sleeps; only for workers that have a CPU to themselves.
  package var idlePollingSeconds = 0.0
  /// CPUs of everything else.
  package var ioCPUs: [Int] = []
  package var httpThreads = 1

  /// Port of gRPC; 0 lets the system choose, nil serves HTTP only.
  package var grpcPort: Int?

  package init(repository: String) { self.repository = repository }
}
