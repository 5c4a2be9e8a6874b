import PlannerCore

/// What a client asks of a model, in any protocol.
package struct InferenceRequest: Sendable {
  /// Echoed in the answer.
  package var id: String?
  package var inputs: [NamedTensor]
  /// Names of the outputs that are wanted; nil or empty stands for all, in the model's order.
  package var requestedOutputs: [String]?
  /// Larger is served first; `priority(level:)` makes one of the protocol's number.
  package var priority = 0
  /// A request that has waited longer is not computed; the server's own limit holds too.
  package var timeoutSeconds: Double?
  /// When the last of its bytes were there: where its timings begin.
  package var arrival: Nanoseconds

  package init(
    id: String? = nil, inputs: [NamedTensor], requestedOutputs: [String]? = nil,
    arrival: Nanoseconds = WorkerPool.monotonicNow()
  ) {
    self.id = id
    self.inputs = inputs
    self.requestedOutputs = requestedOutputs
    self.arrival = arrival
  }

  /// Levels that a request may name: 1 is served first.
  package static let priorityLevels = 1...9
  /// Where a request stands that names none.
  package static let defaultPriorityLevel = 5

  /// The scheduler's priority of Triton's `priority` parameter: 1 is the highest, 0 the default; a lower level than
  /// there is counts as the lowest.
  package static func priority(level: UInt64) -> Int {
    level == 0 ? 0 : defaultPriorityLevel - min(Int(clamping: level), priorityLevels.upperBound)
  }
}

/// A model's answer. The renderer calls `InferenceService.finish` once it is written.
package struct InferenceAnswer: Sendable {
  package var modelName: String
  package var modelVersion = ModelMetadata.version
  package var id: String?
  /// Those that were asked for, in that order.
  package var outputs: [NamedTensor]
  package var timings: RequestTimings
  /// What the model computes with.
  package var variant: Precision
  /// How long it waited for its model to be loaded; nil where the model was in memory.
  package var loadSeconds: Double?
  /// Rows of the first input.
  package var batch: Int
  package let entry: ModelEntry
  package let arrival: Nanoseconds
  /// Handed to the scheduler, and back from it.
  let submitted: Nanoseconds
  let returned: Nanoseconds
}
