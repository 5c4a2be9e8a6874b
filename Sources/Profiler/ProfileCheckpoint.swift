import PlannerCore
import PlannerFiles
import ServerContract
import Synchronization

/// Keeps what a profile has measured so far, so that one that was cut off goes on where it stopped.
///
/// The file holds JSON a line: first what was to be measured, on which machine and with which build of the server, then
/// each call of the tools with its result, in the order in which they were measured. A run asks for the same calls in
/// the same order, since each follows from the request and the results before it; a call that is there is answered
/// from the file.
public struct ProfileCheckpoint: Sendable {
  static let schemaVersion = 1

  let file: CheckpointFile

  public init(file: CheckpointFile) { self.file = file }

  /// What has to be the same for measurements of two runs to be put together.
  struct Identity: Codable, Hashable {
    var schemaVersion = ProfileCheckpoint.schemaVersion
    var kind = "profile-checkpoint"
    var request: ProfileRequest
    var host: HostFingerprint
    /// Identity of the server, as `ProfilerTools.serverIdentity` has it.
    var server: String

    init(request: ProfileRequest, host: HostFingerprint, server: String) {
      self.request = request
      // They quote times, which differ from run to run.
      for index in request.repositories.indices { self.request.repositories[index].notes = [] }
      self.host = host
      self.server = server
    }

    /// What differs from an earlier run, in words; nil where nothing does.
    func difference(from earlier: Identity) -> String? {
      if earlier.schemaVersion != schemaVersion { return "it is of another version of planner" }
      if earlier.server != server { return "model-server is another build than it was then" }
      if !earlier.host.isSameProcessor(as: host) { return "it was measured on another machine, or under other limits" }
      return earlier.request != request ? "something else was to be measured then" : nil
    }
  }

  /// What was found in the file.
  public struct Resumption: Sendable {
    /// Cells that are there already.
    public var cells: Int
    /// Cells of the whole profile.
    public var of: Int
    /// Why cells that an earlier run left are not used, as a clause; nil where there are none, or they are used.
    public var reasonToStartAnew: String?
  }

  /// - Throws: `FileError`.
  func resume(_ identity: Identity, tools: any ProfilerTools) throws -> CheckpointedTools {
    let lines = try file.lines()
    let header = try JSONFile.encodeLine(identity)
    var kept: [String] = []
    var known: [CheckpointedTools.Entry] = []
    var reason: String?
    if let first = lines.first {
      if let earlier = try? JSONFile.decodeLine(Identity.self, from: first) {
        reason = identity.difference(from: earlier)
      } else {
        reason = "\(file.path) cannot be read"
      }
      if reason == nil {
        for line in lines.dropFirst() {
          // What follows a damaged line is measured again.
          guard let entry = try? JSONFile.decodeLine(CheckpointedTools.Entry.self, from: line) else { break }
          known.append(entry)
          kept.append(line)
        }
      }
    }
    try file.begin(with: [String(header.dropLast())] + kept)
    return CheckpointedTools(tools: tools, file: file, known: known, reasonToStartAnew: reason)
  }
}

/// Tools that remember: a call whose result is in the checkpoint is not made again, and every other result is appended.
final class CheckpointedTools: ProfilerTools {
  /// One line of the file: a call, and its result in one of the other keys.
  struct Entry: Codable {
    /// Everything that the result depends on.
    var call: String
    var cells: [MeasuredCell]?
    var samples: Samples?
    var fileBytes: Int64?
  }

  /// Requests of one served round, by column: seconds are kept to the nanosecond.
  struct Samples: Codable {
    var due: [Int]
    var latency: [Int]
    var queue: [Int]
    var compute: [Int]
    var ahead: [Int]
    /// -1 where there was none.
    var dispatchGap: [Int]

    init(_ samples: [ServedSample]) {
      func nanoseconds(_ seconds: Double) -> Int { Int((seconds * 1e9).rounded()) }
      due = samples.map { nanoseconds($0.due) }
      latency = samples.map { nanoseconds($0.latency) }
      queue = samples.map { nanoseconds($0.queue) }
      compute = samples.map { nanoseconds($0.compute) }
      ahead = samples.map(\.ahead)
      dispatchGap = samples.map { $0.dispatchGap.map(nanoseconds) ?? -1 }
    }

    /// Samples that the columns hold; nil where the columns are not equally long.
    var samples: [ServedSample]? {
      let columns = [latency, queue, compute, ahead, dispatchGap]
      guard columns.allSatisfy({ $0.count == due.count }) else { return nil }
      return due.indices.map { index in
        ServedSample(
          due: Double(due[index]) / 1e9, latency: Double(latency[index]) / 1e9, queue: Double(queue[index]) / 1e9,
          compute: Double(compute[index]) / 1e9, ahead: ahead[index],
          dispatchGap: dispatchGap[index] < 0 ? nil : Double(dispatchGap[index]) / 1e9)
      }
    }
  }

  /// Models that a run has asked for and that are written once something has to be measured with them.
  private struct Models {
    var architecture: ArchitecturePreset
    var vocabulary: Int
    var precision: Precision
    var count: Int
    var seed: UInt64
  }

  let tools: any ProfilerTools
  let file: CheckpointFile
  let reasonToStartAnew: String?
  /// Cells that the file held at the start.
  let knownCells: Int
  private let known: [String: Entry]
  /// Models that are to be written once a cell in their folder must be measured, by folder.
  private let pending = Mutex<[String: Models]>([:])

  init(tools: any ProfilerTools, file: CheckpointFile, known: [Entry], reasonToStartAnew: String?) {
    self.tools = tools
    self.file = file
    self.reasonToStartAnew = reasonToStartAnew
    knownCells = known.reduce(0) { $0 + ($1.cells?.count ?? 0) + ($1.samples == nil ? 0 : 1) }
    self.known = Dictionary(known.map { ($0.call, $0) }, uniquingKeysWith: { first, _ in first })
  }

  func serverIdentity() async throws -> String { try await tools.serverIdentity() }

  func engineIdentity(settings: LibrarySettings) async throws -> EngineIdentity {
    try await tools.engineIdentity(settings: settings)
  }

  func synthesize(
    architecture: ArchitecturePreset, vocabulary: Int, precision: Precision, count: Int, seed: UInt64,
    into folder: String
  ) async throws -> Int64 {
    let models = Models(
      architecture: architecture, vocabulary: vocabulary, precision: precision, count: count, seed: seed)
    let call = "synthesize \(Self.name(folder)): \(architecture.rawValue) \(vocabulary) \(precision.rawValue) \(count)"
    if let bytes = known[call]?.fileBytes {
      pending.withLock { $0[folder] = models }
      return bytes
    }
    let bytes = try await write(models, into: folder)
    try append(Entry(call: call, fileBytes: bytes))
    return bytes
  }

  func lend(_ repository: ProfileRequest.Repository, into folder: String) throws {
    try tools.lend(repository, into: folder)
  }

  func measure(_ call: MeasureCall) async throws -> [MeasuredCell] {
    let text =
      "measure \(Self.name(call.repository)): \(call.conditions), \(call.seconds) s, \(call.models) models, "
      + Self.text(call.settings)
    if let cells = known[text]?.cells { return cells }
    try await writePending(call.repository)
    let cells = try await tools.measure(call)
    try append(Entry(call: text, cells: cells))
    return cells
  }

  func serve(_ call: ServeCall) async throws -> [ServedSample] {
    let schedule = call.schedule
    let text =
      "serve \(Self.name(call.repository)): \(call.conditions), \(call.modelNames.count) models, "
      + "\(schedule.requests.count) requests in \(schedule.durationSeconds) s from "
      + "\(schedule.requests.first?.due.rawValue ?? 0) on, \(Self.text(call.settings))"
    if let samples = known[text]?.samples?.samples { return samples }
    try await writePending(call.repository)
    // What is returned is what is kept, so that a profile does not depend on where it was cut off.
    let kept = Samples(try await tools.serve(call))
    try append(Entry(call: text, samples: kept))
    return kept.samples ?? []
  }

  // MARK: -

  private func append(_ entry: Entry) throws {
    try file.append(String(try JSONFile.encodeLine(entry).dropLast()))
  }

  private func writePending(_ folder: String) async throws {
    if let models = pending.withLock({ $0.removeValue(forKey: folder) }) { _ = try await write(models, into: folder) }
  }

  private func write(_ models: Models, into folder: String) async throws -> Int64 {
    try await tools.synthesize(
      architecture: models.architecture, vocabulary: models.vocabulary, precision: models.precision,
      count: models.count, seed: models.seed, into: folder)
  }

  /// The last part of a path: the folders before it are another run's scratch.
  private static func name(_ folder: String) -> Substring { folder.split(separator: "/").last ?? "" }

  private static func text(_ settings: LibrarySettings) -> String {
    let variables = settings.environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    return ([settings.blas, settings.coreType ?? "-"] + variables).joined(separator: " ")
  }
}
