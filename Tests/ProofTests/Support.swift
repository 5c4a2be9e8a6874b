import Executor
import Foundation
import LoadTest
import PlannerCore
import Proof
import ServerContract
import Synchronization

/// Values that the tests change in one place each.
enum Samples {
  static func host(cores: Int = 4, model: String = "Model A") -> HostFingerprint {
    HostFingerprint(
      cpuModel: model, vendor: "Maker", cpuFamily: 25, cpuModelNumber: 1, architecture: "x86_64", cores: cores,
      memoryBytes: 16 << 30, instructionSets: ["avx2"], hypervisor: nil, kernel: "6.1", instanceType: nil)
  }

  static let measured = Provenance(.measured, source: "this machine")

  /// Times between 0.8 and 1.2 of `mean`, seconds.
  static func table(_ mean: Double) -> QuantileTable {
    guard let table = QuantileTable(samples: (0...100).map { mean * (0.8 + 0.004 * Double($0)) }) else {
      preconditionFailure("the samples are finite and not negative")
    }
    return table
  }

  static func service(compute: Double = 0.002, overhead: Double = 0.0005) -> ServiceModel {
    ServiceModel(
      computeSeconds: table(compute), overheadSeconds: table(overhead), betweenRunCV: 0.01,
      computeProvenance: measured, overheadProvenance: measured)
  }

  static func workload(rate: Double = 2, vocabulary: Int? = 300) -> Workload {
    Workload(
      name: "ten", architecture: "bert-tiny", vocabulary: vocabulary, models: 10, tokens: 16,
      ratePerModelPerSecond: rate, targetP99Seconds: 0.010, source: "a test")
  }

  static func node(
    _ instanceType: String, models: Int = 10, precision: Precision = .fp32, host: HostFingerprint? = nil,
    workers: Int = 2, threads: Int = 1
  ) -> NodeGroup {
    var node = NodeGroup(
      instanceType: instanceType, count: 1, modelsPerNode: [models, models], precision: precision, devices: 1,
      workers: workers, threadsPerWorker: threads, costPerHour: 1, provenance: measured, executable: true,
      latencySeconds: PlannedLatency(p99: Estimate(estimate: 0.004, low: 0.003, high: 0.005)), utilization: 0.1,
      memoryPerModelBytes: 10 << 20, memoryCapacityBytes: 1 << 30, memoryProvenance: measured, service: service(),
      environment: ["OMP_NUM_THREADS": "1"], group: "ten", architecture: "bert-tiny", vocabulary: 300)
    node.host = host
    node.serverMemoryBytes = 100 << 20
    return node
  }

  static func plan(_ nodes: [NodeGroup], workload: Workload = workload()) -> Plan {
    Plan(
      seed: 1, feasible: !nodes.isEmpty, costPerHour: 1, lowerBoundPerHour: 1, models: 10, budgetPerHour: nil,
      workload: workload, latencySeconds: nil, nodes: nodes, binding: .memory, bindingReason: .stated("memory binds"),
      bestExecutable: nil, bestExecutableReason: .stated("not asked"), alternatives: [], guidance: [], catalog: measured
    )
  }
}

/// Answers each request after a time of its own, without a network.
struct FakeSender: LoadSender {
  /// Forward pass and all else of request `index`, seconds; nil sends no timings.
  var times: @Sendable (_ index: Int) -> (compute: Double, overhead: Double)? = { _ in (0.002, 0.0005) }
  var outcome: @Sendable (_ index: Int) -> LoadOutcome = { _ in .completed }
  /// Thrown instead of a result by the call with that number, from 0.
  var failure: (call: Int, error: any Error)?
  let calls = Calls()

  final class Calls: Sendable {
    private let sent = Mutex<[Schedule]>([])
    var schedules: [Schedule] { sent.withLock { $0 } }
    func add(_ schedule: Schedule) -> Int {
      sent.withLock { sent in
        sent.append(schedule)
        return sent.count - 1
      }
    }
  }

  func send(
    _ load: RoutedSchedule, warmupSeconds: Double, progress: @escaping @Sendable (LoadProgress) -> Void
  ) async throws -> LoadResult {
    let schedule = load.schedule
    let call = calls.add(schedule)
    if let failure, failure.call == call { throw failure.error }
    let samples = schedule.requests.enumerated().map { index, request in
      var sample = LoadSample(
        dueSeconds: request.due.seconds, model: request.model, size: request.size, target: load.nodes[index])
      sample.outcome = outcome(index)
      let times = times(index)
      sample.latencySeconds = (times?.compute ?? 0.002) + (times?.overhead ?? 0.0005)
      sample.timings = times.map {
        ServerTimings(queueSeconds: 0, computeSeconds: $0.compute, totalSeconds: $0.compute, ahead: 0)
      }
      return sample
    }
    return LoadResult(
      samples: samples, fromSeconds: warmupSeconds, durationSeconds: schedule.durationSeconds, timeoutSeconds: 10)
  }
}
