import PlannerCore

/// All that is kept of a log while its lines go by: a few words for each model, group and minute.
struct LogTally {
  static let mostModels = 1_000_000
  /// A request that was answered late is logged late; a line that is later than this is in the wrong place.
  static let toleranceMilliseconds: Int64 = 10 * 60_000
  private static let dayMilliseconds: Int64 = 86_400_000
  /// Stands in place of a group, as the one below does.
  private static let unknown = -1
  private static let badName = -2
  /// Minutes times groups that are counted.
  private static let mostCells = 16_000_000

  struct Model {
    var group: Int32
    var requests = 0
    var windows = WindowPair()
  }

  struct Group {
    var requests = 0
    var sizes = SizeTally()
    var dispersion = DispersionPool()
    /// Requests of each minute from the first line's time on.
    var minutes: [UInt32] = []
  }

  private(set) var names = ModelTable()
  private(set) var models: [Model] = []
  private(set) var groups: [Group]
  private(set) var requests = 0
  private(set) var first: Int64?
  private(set) var newest: Int64 = 0
  /// Where the first minute begins.
  private(set) var minuteStart: Int64?
  private(set) var leftOut = [Int](repeating: 0, count: LeftOut.allCases.count)
  private(set) var firstLineLeftOut = [Int](repeating: 0, count: LeftOut.allCases.count)

  /// Group of a model by its name; nil for one that does not count.
  private let groupOfName: (String) -> Int?
  /// Time of a line that was far ahead of those before it.
  private var ahead: Int64?

  init(groups: Int, groupOfName: @escaping (String) -> Int?) {
    self.groups = Array(repeating: Group(), count: groups)
    self.groupOfName = groupOfName
  }

  mutating func leaveOut(_ reason: LeftOut, line: Int) {
    if leftOut[reason.rawValue] == 0 { firstLineLeftOut[reason.rawValue] = line }
    leftOut[reason.rawValue] += 1
  }

  /// Takes note of what another tally of the same log left out, in place of its own.
  mutating func takeLeftOut(from other: LogTally) {
    leftOut = other.leftOut
    firstLineLeftOut = other.firstLineLeftOut
  }

  /// - Throws: `AccessLogError` where there are more models, or more time, than is kept.
  mutating func add(
    milliseconds time: Int64, name: UnsafeBufferPointer<UInt8>, size: Int, line: Int
  ) throws(AccessLogError) {
    if let misplaced = misplaced(time) { return leaveOut(misplaced, line: line) }
    guard name.count <= ModelNames.mostBytes else { return leaveOut(.badName, line: line) }
    let number = names.number(of: name)
    if number == models.count { try meet(name) }
    let group = Int(models[number].group)
    guard group >= 0 else { return leaveOut(group == Self.badName ? .badName : .unknownModel, line: line) }
    let start = first ?? time
    first = min(start, time)
    newest = max(newest, time)
    requests += 1
    models[number].requests += 1
    groups[group].requests += 1
    if size > 0 { groups[group].sizes.add(size) }
    models[number].windows.add(second: Self.second(time), to: &groups[group].dispersion)
    // Lines that are a little late may lie before the first.
    let zero = minuteStart ?? time - Self.toleranceMilliseconds
    minuteStart = zero
    try count(minute: Int(max(0, time - zero) / 60_000), group)
  }

  /// Seconds from the earliest line to the beginning of a minute of `Group.minutes`.
  func startSeconds(ofMinute minute: Int) -> Double {
    guard let first, let minuteStart else { return 0 }
    return max(0, Double(minuteStart - first) / 1000 + Double(minute) * 60)
  }

  private static func second(_ milliseconds: Int64) -> Int64 { milliseconds / 1000 }

  private mutating func misplaced(_ time: Int64) -> LeftOut? {
    guard first != nil else { return nil }
    if time < newest - Self.toleranceMilliseconds { return .outOfOrder }
    guard time > newest + Self.dayMilliseconds else {
      ahead = nil
      return nil
    }
    // A second line of about that time says that the log has a gap.
    defer { ahead = time }
    guard let ahead, (time - ahead).magnitude <= UInt64(Self.toleranceMilliseconds) else { return .aheadOfNeighbours }
    return nil
  }

  private mutating func meet(_ bytes: UnsafeBufferPointer<UInt8>) throws(AccessLogError) {
    guard models.count < Self.mostModels else {
      throw AccessLogError(
        .badData, "the log names more than \(Self.mostModels) models; name the ones to plan for with --models DIR")
    }
    var group = Self.badName
    if let name = String(validating: bytes, as: UTF8.self), ModelNames.problem(name) == nil {
      group = groupOfName(name) ?? Self.unknown
    }
    models.append(Model(group: Int32(group)))
  }

  private mutating func count(minute: Int, _ group: Int) throws(AccessLogError) {
    let counted = groups[group].minutes.count
    if minute >= counted {
      guard minute < Self.mostCells / max(16, groups.count) else {
        throw AccessLogError(
          .badData, "the log covers more than \(Self.mostCells / max(16, groups.count) / 1440) days; give a part of it")
      }
      groups[group].minutes += [UInt32](repeating: 0, count: minute + 1 - counted)
    }
    groups[group].minutes[minute] &+= 1
  }

  /// Ends the windows that are being counted.
  mutating func finish() {
    for number in models.indices where models[number].group >= 0 {
      let group = Int(models[number].group)
      models[number].windows.finish(second: Self.second(newest), to: &groups[group].dispersion)
    }
  }
}
