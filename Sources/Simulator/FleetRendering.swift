import PlannerCore

/// Devices with their models as a simulation runs them: for each model one entry for each class of size, on the device
/// that holds it.
struct FleetRendering {
  let models: [FleetRun.Model]
  let nodes: [FleetRun.Node]
  let traces: [ServiceTrace]
  /// Share of the node, of each entry of `models`.
  let streams: [Int]
  /// Largest size of each class, of each model; empty where all models have one class.
  private let classes: [[Int]]
  /// First entry of each model; empty where all models have one class.
  private let firsts: [Int]

  /// - Parameters:
  ///   - devices: model m is the m-th over all devices, in the order of their streams.
  ///   - numbers: which stream of the answer each stream of each device belongs to.
  ///   - factor: of all times on this occasion.
  init(_ devices: [DeviceLoad], numbers: [[Int]], factor: Double) {
    var models: [FleetRun.Model] = []
    var traces: [ServiceTrace] = []
    var (streams, classes, firsts): ([Int], [[Int]], [Int]) = ([], [], [])
    for (device, load) in devices.enumerated() {
      for (index, stream) in load.streams.enumerated() {
        let entries = Self.entries(stream.times, factor: factor, device: device, traces: &traces)
        for _ in 0..<stream.requests.models {
          firsts.append(models.count)
          classes.append(stream.times.sizes.map(\.upTo))
          models += entries
          streams += Array(repeating: numbers[device][index], count: entries.count)
        }
      }
    }
    let isPlain = firsts.count == models.count
    (self.models, self.traces, self.streams) = (models, traces, streams)
    (self.classes, self.firsts) = isPlain ? ([], []) : (classes, firsts)
    nodes = devices.map { load in
      // Devices have one machine's times: those of its first models speak for what lies between passes.
      let times = load.streams.first?.times
      return FleetRun.Node(
        workers: load.workers, queueCapacity: nil, batch: .single,
        dispatchGap: Nanoseconds(seconds: (times?.dispatchGapSeconds ?? 0) * factor),
        wake: Nanoseconds(seconds: (times?.wakeUpSeconds ?? 0) * factor))
    }
  }

  private static func entries(
    _ times: ServiceTimes, factor: Double, device: Int, traces: inout [ServiceTrace]
  ) -> [FleetRun.Model] {
    let frontEnd = FrontEnd(delay: times.overheadSeconds.scaled(by: factor))
    let factors = times.sizes.isEmpty ? [1] : times.sizes.map(\.factor)
    return factors.map { size in
      let whole = factor * size
      let service: FleetRun.ServiceTimes
      if let trace = times.computeTraceSeconds.flatMap({ ServiceTrace($0.map { $0 * whole }) }) {
        service = .replayed(trace: traces.count)
        traces.append(trace)
      } else {
        service = .drawn(.empirical(whole == 1 ? times.computeSeconds : times.computeSeconds.scaled(by: whole)))
      }
      return FleetRun.Model(service: service, frontEnd: frontEnd, hosts: .node(device))
    }
  }

  /// The schedule as the simulation's models name it.
  func rendered(_ schedule: Schedule) -> Schedule {
    guard !firsts.isEmpty else { return schedule }
    let requests = schedule.requests.map { request in
      let own = classes[request.model]
      let index = own.firstIndex { request.size <= $0 } ?? max(0, own.count - 1)
      return ScheduledRequest(due: request.due, model: firsts[request.model] + index, size: request.size)
    }
    return Schedule(requests: requests, durationSeconds: schedule.durationSeconds, models: models.count)
  }
}
