import Dispatch
import Engine
import Serving
import Synchronization

/// A session that answers with what it was asked, when the test says so, and notes what came together.
final class HeldPasses: InferenceSession {
  let batchLayout: BatchLayout?
  private let seen = Mutex<[[Int64]]>([])
  private let turn = DispatchSemaphore(value: 0)

  /// - Parameter isBatched: requests may share passes.
  init(isBatched: Bool = false) { batchLayout = isBatched ? BatchLayout(inputs: ["n"]) : nil }

  /// The numbers of each pass, in the order in which they began.
  var passes: [[Int64]] { seen.withLock { $0 } }

  func infer(_ inputs: [HostTensor]) throws(EngineError) -> [HostTensor] {
    guard case .int64(let numbers)? = inputs.first?.elements else {
      throw EngineError(.badInput, "test", "no numbers")
    }
    seen.withLock { $0.append(numbers) }
    turn.wait()
    return inputs
  }

  func finish(_ count: Int = 1) { for _ in 0..<count { turn.signal() } }
}
