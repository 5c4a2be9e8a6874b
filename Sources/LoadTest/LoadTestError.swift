/// Why a load test could not be run. A request that fails is no error: it is counted in the result.
public enum LoadTestError: Error, Equatable, CustomStringConvertible {
  case emptySchedule
  /// The schedule names a model for which no request was rendered.
  case missingRequest(model: Int, rendered: Int)
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
