import PlannerCore

/// Where a server answers, as a load generator reaches it.
public struct LoadTarget: Hashable, Sendable {
  public var host: String
  public var port: Int

  public init(host: String = "127.0.0.1", port: Int) {
    self.host = host
    self.port = port
  }
}

/// A schedule whose every request has a target and its bytes, all settled before the run: nothing is chosen or rendered
/// while time is measured.
public struct AddressedSchedule: Sendable {
  /// What a request is rendered for. Requests that agree in all of it share their bytes.
  public struct Rendering: Hashable, Sendable {
    /// Place of the model in the schedule.
    public var model: Int
    /// Length of the varying dimension; 0 where there is none.
    public var size: Int
    /// Place of the target in the generator's list.
    public var target: Int

    public init(model: Int, size: Int, target: Int) {
      self.model = model
      self.size = size
      self.target = target
    }
  }

  public let schedule: Schedule
  /// Rendered requests, each of them once.
  let requests: [RequestBytes]
  /// For each request of the schedule: its target, and the place of its bytes in `requests`.
  let steps: [(target: Int, request: Int)]

  /// Most bytes that the rendered requests of a run may take.
  public static let mostBytes = 2 << 30

  /// Renders each model at each size that it is asked at, once for each target that it is asked on.
  ///
  /// - Parameters:
  ///   - targets: place of each request's target, in the order of the schedule; nil where there is one target.
  ///   - render: makes the bytes.
  /// - Throws: what `render` throws; `LoadTestError.tooManyBytes`.
  /// Complexity: O(requests), beside the rendering.
  public init(
    _ schedule: Schedule, targets: [Int]? = nil, render: (Rendering) throws -> RequestBytes
  ) throws {
    precondition(targets.map { $0.count == schedule.requests.count } ?? true, "each request has one target")
    var places: [Rendering: Int] = [:]
    var rendered: [RequestBytes] = []
    var steps: [(target: Int, request: Int)] = []
    var bytes = 0
    steps.reserveCapacity(schedule.requests.count)
    for (index, request) in schedule.requests.enumerated() {
      let key = Rendering(model: request.model, size: request.size, target: targets?[index] ?? 0)
      if places[key] == nil {
        let made = try render(key)
        bytes += made.bytes.count
        guard bytes <= Self.mostBytes else {
          throw LoadTestError.tooManyBytes(rendered: rendered.count, limit: Self.mostBytes)
        }
        places[key] = rendered.count
        rendered.append(made)
      }
      steps.append((key.target, places[key] ?? 0))
    }
    self.schedule = schedule
    requests = rendered
    self.steps = steps
  }

  /// A schedule for one target whose requests differ by their models alone.
  ///
  /// - Parameter requests: one for each model that the schedule may name.
  /// - Throws: `LoadTestError.missingRequest`.
  public init(_ schedule: Schedule, requests: [RequestBytes]) throws(LoadTestError) {
    if let model = schedule.requests.first(where: { $0.model >= requests.count })?.model {
      throw .missingRequest(model: model, rendered: requests.count)
    }
    self.schedule = schedule
    self.requests = requests
    steps = schedule.requests.map { (0, $0.model) }
  }
}
