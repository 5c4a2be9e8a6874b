import Foundation
import PlannerCore
import ServerContract
import Serving

/// Loads, asks and unloads models over and over, and watches what stays in memory.
package struct CycleMeasurement: Sendable {
  package struct Result: Codable, Sendable {
    package var cycles: Int
    package var models: Int
    /// Resident memory of the process after the warm-up cycles and at the end.
    package var residentBytesBefore: Int64
    package var residentBytesAfter: Int64
    /// Growth over the memory before.
    package var drift: Double
  }

  package var repository: String
  package var warmupCycles: Int
  package var cycles: Int

  package init(repository: String, warmupCycles: Int, cycles: Int) {
    self.repository = repository
    self.warmupCycles = warmupCycles
    self.cycles = cycles
  }

  /// - Throws: `FileError`, `EngineError`, `RegistryError`.
  package func run() async throws -> Result {
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
    let before = ProcessMemory.own.residentBytes ?? 0
    for index in 0..<cycles { try await cycle(index) }
    let after = ProcessMemory.own.residentBytes ?? 0
    return Result(
      cycles: cycles, models: names.count, residentBytesBefore: before, residentBytesAfter: after,
      drift: before > 0 ? Double(after - before) / Double(before) : 0)
  }
}
