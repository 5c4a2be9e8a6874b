import PlannerCore

/// How often each size was asked for: exact up to 256, and above in bins of less than 1 %.
struct SizeTally {
  /// Largest size of a request.
  static let largest = 100_000
  /// Bins of the histogram that comes of it, at most.
  static let mostBins = 256
  private static let exact = 256
  private static let binsPerDoubling = 128

  private var counts: [Int] = []
  private(set) var requests = 0
  private var sum = 0.0
  private(set) var most = 0

  mutating func add(_ size: Int) {
    let bin = Self.bin(size)
    if bin >= counts.count { counts += [Int](repeating: 0, count: bin + 1 - counts.count) }
    counts[bin] += 1
    requests += 1
    sum += Double(size)
    most = max(most, size)
  }

  var mean: Double { sum / Double(requests) }

  /// The size that a share of all requests does not exceed.
  func quantile(_ share: Double) -> Int {
    var left = share * Double(requests)
    for bin in bins() {
      left -= bin.weight
      if left <= 0 { return bin.size }
    }
    return most
  }

  /// Sizes and counts, ascending; of each bin its largest size, so that nothing is taken for shorter than it was.
  private func bins() -> [SizeWeight] {
    counts.enumerated().filter { $1 > 0 }.map { bin, count in
      SizeWeight(size: min(Self.upperEnd(bin), most), weight: Double(count))
    }
  }

  /// What a workload says of these sizes; nil where no request had one.
  var sizes: RequestSizes? {
    let bins = bins()
    guard let first = bins.first else { return nil }
    if bins.count == 1 { return .fixed(first.size) }
    guard bins.count > Self.mostBins else { return .histogram(bins) }
    // Neighbours go together until each bin has its part of all requests.
    var merged: [SizeWeight] = []
    var weight = 0.0
    var seen = 0.0
    for bin in bins {
      weight += bin.weight
      seen += bin.weight
      if seen * Double(Self.mostBins) >= Double(merged.count + 1) * Double(requests) || bin == bins.last {
        merged.append(SizeWeight(size: bin.size, weight: weight))
        weight = 0
      }
    }
    return .histogram(merged)
  }

  private static func bin(_ size: Int) -> Int {
    if size <= exact { return size }
    let exponent = Int.bitWidth - 1 - size.leadingZeroBitCount
    return exact + (exponent - 8) * binsPerDoubling + (size >> (exponent - 7)) - binsPerDoubling + 1
  }

  private static func upperEnd(_ bin: Int) -> Int {
    if bin <= exact { return bin }
    let above = bin - exact - 1
    let shift = above / binsPerDoubling + 1
    return (binsPerDoubling + above % binsPerDoubling + 1) << shift - 1
  }
}
