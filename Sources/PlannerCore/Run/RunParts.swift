extension RunRecord {
  /// The run taken apart: what each group of models and each node showed.
  public struct Parts: Codable, Hashable, Sendable {
    /// In the order of the workload's groups, those that ran; empty in files of before.
    public var groups: [Group]
    /// In the order of the nodes; empty in files of before.
    public var nodes: [Node]

    public init(groups: [Group] = [], nodes: [Node] = []) {
      self.groups = groups
      self.nodes = nodes
    }

    private enum CodingKeys: String, CodingKey { case groups, nodes }

    public init(from decoder: any Decoder) throws {
      let box = try decoder.container(keyedBy: CodingKeys.self)
      groups = try box.decodeIfPresent([Group].self, forKey: .groups) ?? []
      nodes = try box.decodeIfPresent([Node].self, forKey: .nodes) ?? []
    }
  }

  /// What one group of models was asked, predicted and measured, beside its own target.
  public struct Group: Codable, Hashable, Sendable {
    public var name: String
    /// Models of the group that ran.
    public var models: Int
    /// Requests that were due in the counted part of the run.
    public var sent: Int
    public var completed: Int
    public var targetP99Seconds: Double
    /// Nil where no request of the group was simulated in the counted part.
    @ExplicitNull public var predictedP99Seconds: Double?
    /// 95 % prediction interval of the predicted p99, seconds.
    @ExplicitNull public var predictedP99: Estimate?
    @ExplicitNull public var measuredP50Seconds: Double?
    @ExplicitNull public var measuredP90Seconds: Double?
    @ExplicitNull public var measuredP95Seconds: Double?
    /// Nil where nothing was sent to the group.
    @ExplicitNull public var measuredP99Seconds: Double?
    /// Whether the measured p99 lies among requests that were not answered: it is the client's time limit then, and
    /// the true one is at least that.
    public var isP99AtLeast: Bool
    /// Predicted over measured p99, less 1; nil where one of them is missing or only a bound.
    @ExplicitNull public var errorP99: Double?
    public var verdict: Verdict
    /// The verdict in a sentence.
    public var verdictReason: String
    /// Confidence of the verdict, from 0 to 1; 0 where the run says nothing of the group.
    public var confidence: Double
    /// Whether the group's figures count: false where the run does not, or where requests to the group failed.
    public var valid: Bool

    /// - Parameters:
    ///   - predictedP99: nil where nothing was simulated of the group.
    ///   - measured: nil where nothing was sent to it.
    public init(
      name: String, models: Int, requests: RequestOutcomes, targetP99Seconds: Double, predictedP99: Estimate?,
      measured: RunFigures?, verdict: Verdict, verdictReason: String, confidence: Double, valid: Bool
    ) {
      self.name = name
      self.models = models
      sent = requests.sent
      completed = requests.completed
      self.targetP99Seconds = targetP99Seconds
      predictedP99Seconds = predictedP99?.estimate
      self.predictedP99 = predictedP99
      measuredP50Seconds = measured?.p50Seconds
      measuredP90Seconds = measured?.p90Seconds
      measuredP95Seconds = measured?.p95Seconds
      measuredP99Seconds = measured?.p99Seconds
      isP99AtLeast = measured?.isAtLeast("p99Seconds") ?? false
      self.verdict = verdict
      self.verdictReason = verdictReason
      self.confidence = confidence
      self.valid = valid
      if let predictedP99, let measured, !isP99AtLeast, measured.p99Seconds > 0 {
        errorP99 = predictedP99.estimate / measured.p99Seconds - 1
      } else {
        errorP99 = nil
      }
    }
  }

  /// What one node of the run did.
  public struct Node: Codable, Hashable, Sendable {
    /// Name of the node in its deployment, such as `node-0`.
    public var name: String
    /// Kind of machine that the node was planned for.
    public var instanceType: String
    public var workers: Int
    public var threadsPerWorker: Int
    /// Copies of models that it held.
    public var models: Int
    /// Requests that were sent to it in the counted part of the run.
    public var sent: Int
    public var completed: Int
    /// Busy workers over workers, as the server's own times say; 0 where it sent none.
    public var measuredUtilization: Double
    /// Private memory of its server with its models, bytes.
    public var memoryBytes: Int64

    public init(
      name: String, instanceType: String, workers: Int, threadsPerWorker: Int, models: Int, requests: RequestOutcomes,
      measuredUtilization: Double, memoryBytes: Int64
    ) {
      self.name = name
      self.instanceType = instanceType
      self.workers = workers
      self.threadsPerWorker = threadsPerWorker
      self.models = models
      sent = requests.sent
      completed = requests.completed
      self.measuredUtilization = measuredUtilization
      self.memoryBytes = memoryBytes
    }
  }
}
