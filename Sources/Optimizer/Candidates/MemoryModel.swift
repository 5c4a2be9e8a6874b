import PlannerCore

/// Memory that a model takes where nobody has measured it.
///
/// No publication says what a model takes on Inferentia or a GPU. The estimate is its weights at the stated
/// precision × 1.15 + 40 MiB, ± 25 %; plans are sized on the upper end.
enum MemoryModel {
  static let weightFactor = 1.15
  static let fixedBytesPerModel: Int64 = 40 * 1_048_576
  static let uncertainty = 0.25
  /// Host memory of the server process with its device runtime (Neuron runtime or CUDA, libtorch): an allowance
  /// that nobody published; where a server was profiled, its measured memory is used.
  static let runtimeAllowanceBytes: Int64 = 2048 * 1_048_576

  struct Estimate: Hashable {
    var bytes: Int64
    var provenance: Provenance
  }

  /// Upper end of the estimate for one model.
  ///
  /// - Returns: nil for a family whose number of weights is not known.
  static func perModel(_ workload: Workload, _ precision: Precision) -> Estimate? {
    guard let weights = workload.weightBytes(precision) else { return nil }
    let middle = Double(weights) * weightFactor + Double(fixedBytesPerModel)
    let upper = Int64((middle * (1 + uncertainty)).rounded(.up))
    return Estimate(
      bytes: upper,
      provenance: Provenance(
        .estimated,
        source: "\(Text.mebibytes(weights)) of \(precision.rawValue) weights × 1.15 + 40 MiB = "
          + "\(Text.mebibytes(Int64(middle))) ± 25 %, sized on the upper end, \(Text.mebibytes(upper))"))
  }
}
