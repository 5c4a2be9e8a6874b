import APIClient
import Synchronization

/// Asks nodes that serve the same model at a steady rate, as a proxy in front of them does: each in turn, and what one
/// does not answer once more of the next. A request that neither answers is lost.
public final class SteadyLoad: Sendable {
  public struct Result: Sendable {
    public var sent = 0
    public var answered = 0
    /// Requests that the first node did not answer, and the next one did.
    public var retried = 0
    /// Why requests were lost; each is one.
    public var lost: [String] = []
  }

  private let targets: [APIClient]
  private let path: String
  private let result = Mutex(Result())
  private let sending = Mutex<Task<Void, Never>?>(nil)

  /// - Parameters:
  ///   - hosts: addresses with ports.
  ///   - path: of the request, with its query.
  public init(_ hosts: [String], path: String) throws {
    targets = try hosts.map { host in
      guard let endpoint = APIEndpoint(address: "http://\(host)") else { throw TestCluster.ToolFailure(host) }
      return try APIClient(endpoint)
    }
    self.path = path
  }

  public func start(perSecond: Double) {
    let task = Task {
      await withDiscardingTaskGroup { group in
        let clock = ContinuousClock()
        let begin = clock.now
        for index in 0... {
          // A sleep that ends by cancellation ends the load; what was sent is waited for.
          guard (try? await clock.sleep(until: begin + .seconds(Double(index) / perSecond))) != nil else { return }
          group.addTask { [self] in await Task { await ask(index) }.value }
        }
      }
    }
    sending.withLock { $0 = task }
  }

  /// Ends the load, and waits for the last answers.
  public func stop() async -> Result {
    let task = sending.withLock { $0 }
    task?.cancel()
    await task?.value
    for target in targets { await target.shutdown() }
    return result.withLock { $0 }
  }

  private func ask(_ index: Int) async {
    result.withLock { $0.sent += 1 }
    var reasons: [String] = []
    for attempt in 0..<2 {
      let target = targets[(index + attempt) % targets.count]
      do {
        // A node that is cut off answers nothing at all.
        let answer = try await target.send(APIRequest("GET", path: path, timeLimit: .seconds(3)))
        if answer.isSuccess {
          result.withLock { result in
            result.answered += 1
            result.retried += attempt
          }
          return
        }
        reasons.append("status \(answer.status)")
      } catch {
        reasons.append("\(error)")
      }
    }
    result.withLock { $0.lost.append("request \(index): " + reasons.joined(separator: ", then ")) }
  }
}
