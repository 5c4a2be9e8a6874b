/// Why a load test could not be run. A request that fails is no error: it is counted in the result.
public enum LoadTestError: Error, Equatable, CustomStringConvertible {
  case emptySchedule
  /// The schedule names a model for which no request was rendered.
  case missingRequest(model: Int, rendered: Int)
  /// The schedule names a target that the generator was not given.
  case missingTarget(target: Int, targets: Int)
  /// The rendered requests of a run take more memory than they may.
  case tooManyBytes(rendered: Int, limit: Int)
  /// The server could not be reached before the run.
  case connect(host: String, port: Int, reason: String)
  case affinity(cpu: Int, errno: Int32)
  /// A text of that few tokens cannot hold a question and a context.
  case tooFewTokens(tokens: Int, minimum: Int)
  case option(name: String, problem: String)

  public var description: String {
    switch self {
    case .emptySchedule:
      "the schedule holds no request: give a higher rate or a longer duration"
    case .missingRequest(let model, let rendered):
      "the schedule asks for model \(model) but only \(rendered) requests were rendered: one is needed for each model"
    case .missingTarget(let target, let targets):
      "the schedule sends to target \(target) but only \(targets) were given: one address is needed for each node"
    case .tooManyBytes(let rendered, let limit):
      "the run's requests take more than \(limit >> 20) MiB after \(rendered) different ones: shorten the run, or ask "
        + "smaller requests or fewer sizes of them"
    case .connect(let host, let port, let reason):
      "cannot connect to \(host):\(port) (\(reason)): check that the server is up and ready"
    case .affinity(let cpu, let errno):
      "cannot bind the load generator to CPU \(cpu) (error \(errno)): name a CPU that this process may use"
    case .tooFewTokens(let tokens, let minimum):
      "a text request of \(tokens) tokens is not possible: [CLS] question [SEP] context [SEP] takes at least \(minimum)"
    case .option(let name, let problem):
      "load option \(name) \(problem)"
    }
  }
}
