extension ServingFigures {
  /// Floors of requests of several sizes: the smaller ones take less, so only as much of the mean is certain as they
  /// are known to take, and no more of p99 than where the largest ones are more than one in a hundred.
  mutating func rest(onSizes sizes: [SizeClass]) {
    meanFloorSeconds *= (service.sizes ?? []).meanFactor
    let largest = sizes.last?.share ?? 1
    if largest <= 0.01 { p99FloorSeconds = 0 }
  }
}

/// One way to run a variant on a machine, with the figures that speak for it there.
public struct ServingFigures: Sendable {
  public var variant: Variant
  public var server: ServerSettings
  /// Times of a request, each with its provenance.
  public var service: ServiceModel
  public var memoryPerModelBytes: Int64
  /// What the node has for models, over all its devices, bytes.
  public var memoryCapacityBytes: Int64
  public var memoryProvenance: Provenance
  /// Where the latency comes from.
  public var provenance: Provenance
  /// This program's engine can run it.
  public var executable: Bool
  /// The profiled machine; nil for published figures.
  public var host: HostFingerprint?
  /// Memory of the server without a model on that machine, bytes; nil for published figures.
  public var serverMemoryBytes: Int64?
  /// Bytes of one model's file; nil where no file was measured.
  public var fileBytes: Int64?
  /// The latency as reasons quote it.
  public var label: FigureLabel
  /// Mean time of a pass as printed by the source, without this program's caution: what a lower bound may rely on.
  public var meanFloorSeconds: Double
  /// p99 is at least this, whatever the load, seconds.
  public var p99FloorSeconds: Double
  /// A better figure exists for the same machine and variant; this one counts in the lower bound only.
  public var isSuperseded: Bool
  /// The host's part where models live on devices; nil where they live in the host's memory.
  public var hostMemory: HostMemory?
  /// Why not even one model has a place on the node; nil where one has.
  public var shortage: RoomShortage?
}

extension ServingFigures {
  /// Most models on one device by the memory that they live in.
  public var modelsPerDeviceByMemory: Int {
    guard shortage == nil, memoryPerModelBytes > 0 else { return 0 }
    return Int(max(0, memoryCapacityBytes) / Int64(server.devices) / memoryPerModelBytes)
  }

  /// Most models of the node by what they keep of the host's memory.
  public var modelsByHostMemory: Int { shortage == nil ? hostMemory?.mostModels ?? Int.max : 0 }
}
