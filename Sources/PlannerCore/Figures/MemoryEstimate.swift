/// Memory that a model takes where it was not measured.
///
/// No publication says what a model takes on Inferentia or a GPU. The estimate is its weights at the stated
/// precision × 1.15 + 40 MiB, ± 25 %; plans are sized on the upper end.
public struct MemoryEstimate: Hashable {
  static let weightFactor = 1.15
  static let fixedBytesPerModel: Int64 = 40 * 1_048_576
  static let uncertainty = 0.25
  /// Memory of the server process without a model, bytes: an allowance that no source publishes; where a server was
  /// profiled, its measured memory is used.
  public static let serverAllowanceBytes: Int64 = 2048 * 1_048_576

  /// Upper end of the estimate for one model.
  let bytes: Int64
  let provenance: Provenance

  init(weightBytes weights: Int64, _ precision: Precision) {
    let middle = Double(weights) * Self.weightFactor + Double(Self.fixedBytesPerModel)
    bytes = Int64((middle * (1 + Self.uncertainty)).rounded(.up))
    provenance = Provenance(
      .estimated,
      source: "\(NumberText.mebibytes(weights)) of \(precision.rawValue) weights × 1.15 + 40 MiB = "
        + "\(NumberText.mebibytes(Int64(middle))) ± 25 %, sized on the upper end, \(NumberText.mebibytes(bytes))")
  }
}
