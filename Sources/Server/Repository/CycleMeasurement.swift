import Foundation
import PlannerCore

/// Loads, asks and unloads models over and over, and watches what stays in memory.
public struct CycleMeasurement: Sendable {
  public struct Result: Codable, Sendable {
    public var cycles: Int
    public var models: Int
    /// Resident memory of the process after the warm-up cycles and at the end.
    public var residentBytesBefore: Int64
    public var residentBytesAfter: Int64
    /// Growth over the memory before.
    public var drift: Double
  }

  public var repository: String
  public var warmupCycles: Int
  public var cycles: Int

  public init(repository: String, warmupCycles: Int, cycles: Int) {
    self.repository = repository
    self.warmupCycles = warmupCycles
    self.cycles = cycles
  }

  /// - Throws: `FileError`, `EngineError`, `RegistryError`.
  public func run() async throws -> Result {
    let pool = WorkerPool(options: WorkerPool.Options(workers: 1, threadsPerWorker: 1, queueCapacity: nil))
    try pool.start()
    let registry = ModelRegistry(source: RepositorySource(folder: repository))
    defer {
      registry.stop()
      pool.stop()
    }
    try await registry.open(isTolerant: false)
    let names = registry.entries.map(\.name)
    for name in names { try await registry.unload(name) }
    func cycle(_ index: Int) async throws {
      let name = names[index % names.count]
      try await registry.load(name)
      let lease = try await registry.acquire(name)
      _ = try await pool.infer(lease.model.session, lease.model.exampleInputs(tokens: 32), model: lease.entry.index)
      lease.release()
      try await registry.unload(name)
    }
    for index in 0..<warmupCycles { try await cycle(index) }
    let before = Self.residentBytes()
    for index in 0..<cycles { try await cycle(index) }
    let after = Self.residentBytes()
    return Result(
      cycles: cycles, models: names.count, residentBytesBefore: before, residentBytesAfter: after,
      drift: before > 0 ? Double(after - before) / Double(before) : 0)
  }

  private static func residentBytes() -> Int64 {
    guard let text = try? String(contentsOfFile: "/proc/self/smaps_rollup", encoding: .utf8),
      let line = text.split(separator: "\n").first(where: { $0.hasPrefix("Rss:") })
    else { return 0 }
    return (line.split(separator: " ").dropFirst().first.flatMap { Int64($0) } ?? 0) * 1024
  }
}
