/// Which CPUs compute and which do everything else: HTTP and the load generator.
public struct CPUSplit: Hashable, Sendable {
  /// CPUs that compute, in the order in which workers are given them.
  public var workers: [Int]
  /// CPUs for everything else.
  public var others: [Int]

  /// - Parameter servingCores: how many may compute; at least one CPU is left for the rest where there are two, and no
  ///   more compute than the control group's quota of CPU time pays for.
  /// - Throws: `ExecutorError`.
  public static func current(servingCores: Int) throws -> CPUSplit {
    try CPUSplit(allowed: HostInfo.allowedCPUs(), quota: HostInfo.cpuQuota(), servingCores: servingCores)
  }

  /// - Parameters:
  ///   - allowed: CPUs that this process may run on; at least one.
  ///   - quota: CPUs' worth of time that the control group allows; nil for no limit.
  ///   - servingCores: how many are to compute.
  package init(allowed: [Int], quota: Double?, servingCores: Int) {
    let paid = quota.map { max(1, Int($0)) } ?? allowed.count
    let serving = min(max(1, servingCores), max(1, allowed.count - 1), paid)
    workers = Array(allowed.prefix(serving))
    others = Array(allowed.dropFirst(serving))
  }

  /// Splits for nodes that run beside each other: each has CPUs of its own to compute on, and all share the rest.
  ///
  /// - Parameters:
  ///   - cores: how many CPUs each node computes on.
  ///   - reserved: how many are to be left for everything else. With none left, nodes and all else share them all.
  /// - Throws: `ExecutorError`, `tooFewCPUs` where the nodes do not fit.
  public static func sideBySide(cores: [Int], reserved: Int) throws -> [CPUSplit] {
    try sideBySide(
      allowed: HostInfo.allowedCPUs(), quota: HostInfo.cpuQuota(), cores: cores, reserved: reserved)
  }

  package static func sideBySide(
    allowed: [Int], quota: Double?, cores: [Int], reserved: Int
  ) throws(ExecutorError) -> [CPUSplit] {
    let paid = quota.map { max(1, Int($0)) } ?? allowed.count
    let free = max(1, min(allowed.count - reserved, paid))
    let needed = cores.reduce(0) { $0 + max(1, $1) }
    guard needed <= free else {
      throw .tooFewCPUs(nodes: cores.count, needed: needed, free: free, usable: min(allowed.count, paid))
    }
    var rest = allowed[...]
    let own = cores.map { count in
      defer { rest = rest.dropFirst(max(1, count)) }
      return Array(rest.prefix(max(1, count)))
    }
    return own.map { CPUSplit(workers: $0, others: Array(rest)) }
  }

  /// The CPUs of several nodes as those of one: what computes, and the rest.
  public static func joined(_ splits: [CPUSplit]) -> CPUSplit {
    CPUSplit(workers: splits.flatMap(\.workers), others: splits.first?.others ?? [])
  }

  init(workers: [Int], others: [Int]) {
    self.workers = workers
    self.others = others
  }

  /// CPUs to bind workers to. Only workers of one thread are bound: the threads that OpenMP makes for a wider one
  /// inherit its CPU, and would all share that.
  public func pinned(threadsPerWorker: Int) -> [Int]? {
    threadsPerWorker == 1 && !others.isEmpty ? workers : nil
  }

  public var io: [Int]? { others.isEmpty ? nil : others }

  /// Keeps this process off the workers' CPUs while `body` loads a server, and gives it all of them back after.
  public func confined<Result: Sendable>(_ body: () async throws -> Result) async throws -> Result {
    guard !others.isEmpty else { return try await body() }
    try HostInfo.confine(to: others)
    do {
      let result = try await body()
      try HostInfo.confine(to: workers + others)
      return result
    } catch {
      try HostInfo.confine(to: workers + others)
      throw error
    }
  }
}
