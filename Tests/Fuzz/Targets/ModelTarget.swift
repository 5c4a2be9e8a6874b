import Engine
import Foundation
import PlannerCore

/// Model files: loaded and run, or refused.
struct ModelTarget: FuzzTarget {
  private let path = NSTemporaryDirectory() + "planner-fuzz-model-\(getpid()).pt"

  init() throws {
    try Engine.initialize()
    try Engine.setThreads(1)
  }

  mutating func run(_ input: [UInt8]) async throws -> String {
    try Data(input).write(to: URL(fileURLWithPath: path))
    defer { unlink(path) }
    do throws(EngineError) {
      let model = try TorchModel(path: path)
      guard 1...4 ~= model.inputCount else { return "loaded, \(model.inputCount) inputs" }
      let outputs = try model.run(
        (0..<model.inputCount).map { HostTensor(shape: [1, 3], elements: .int64($0 == 0 ? [1, 2, 3] : [1, 1, 1])) })
      return "ran, \(outputs.count) outputs"
    } catch {
      return error.message.filter { $0.isLetter || $0 == " " }.prefix(80).description
    }
  }
}
