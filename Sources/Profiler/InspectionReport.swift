import PlannerCore
import ServerContract

/// What `planner model inspect --json` prints.
public struct InspectionReport: Encodable {
  struct Tensor: Encodable {
    var name: String
    var datatype: String
    var shape: [Int]
    var below: Int?
    var isOptional: Bool
  }

  struct Architecture: Encodable {
    var name: String
    var fingerprint: String
    var precision: Precision
    var vocabulary: Int
    var models: Int
    var modelNames: [String]
    var fileBytes: Int64
    var weightBytes: Int64
    var inputs: [Tensor]
    var outputs: [TensorDeclaration]
    var requestTensors: [TensorDeclaration]
    var takesTokens: Bool?
    var largestSize: Int?
    var isLargestALimit: Bool?
    var failedSizes: [ExaminedModel.FailedSize]
    var padding: ExaminedModel.Padding?
    var rows: ExaminedModel.Rows?
    var notes: [String]
    var problem: String?
  }

  var folder: String
  var architectures: [Architecture]
  var broken: [Inspection.BrokenFile]
  var unlisted: [String]

  public init(_ inspection: Inspection) {
    folder = inspection.folder
    architectures = inspection.architectures.map(Architecture.init)
    broken = inspection.broken
    unlisted = inspection.unlisted
  }
}

extension InspectionReport.Architecture {
  fileprivate init(_ one: InspectedArchitecture) {
    let examined = one.examined
    self.init(
      name: one.name, fingerprint: one.fingerprint, precision: one.precision, vocabulary: one.vocabulary,
      models: one.models.count, modelNames: one.models.map(\.name), fileBytes: one.fileBytes,
      weightBytes: one.weightBytes,
      inputs: (examined?.inputs ?? []).map { input in
        InspectionReport.Tensor(
          name: input.name, datatype: input.datatype, shape: input.shape,
          below: examined?.requestTensors.first { $0.name == input.name }?.below,
          isOptional: examined?.optionalInputs.contains(input.name) ?? false)
      }, outputs: examined?.outputs ?? [], requestTensors: examined?.requestTensors ?? [],
      takesTokens: examined?.takesTokens, largestSize: examined?.largestSize,
      isLargestALimit: examined?.isLargestALimit, failedSizes: examined?.failedSizes ?? [],
      padding: examined?.padding, rows: examined?.rows, notes: examined?.notes ?? [],
      problem: one.problem)
  }
}
