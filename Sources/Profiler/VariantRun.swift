import PlannerCore
import ServerContract

/// One variant while it is measured: models of it in a folder, and what they took so far.
struct VariantRun: Sendable {
  var architecture: String
  var vocabulary: Int
  var precision: Precision
  /// Sizes of requests to measure: tokens, steps of a sequence; 1 where they have none.
  var sizes: [Int]
  var input: RequestInput
  /// What a request brings where that is neither text nor token ids.
  var tensors: [TensorDeclaration] = []
  var folder: String
  var modelNames: [String]
  /// Size of one model's file, bytes.
  var fileBytes: Int64
  /// What is to be known of the models; nil where nobody looked.
  var notes: [String]?
  /// Cells of the bare engine.
  private(set) var cells: [MeasuredCell] = []
  /// Cells of the server, each with the requests of its rounds.
  private(set) var served: [(call: ServeCall, rounds: [[ServedSample]])] = []

  /// The models of a repository that is there already, lent into `folder`.
  init(_ repository: ProfileRequest.Repository, in folder: String) {
    architecture = repository.architecture
    vocabulary = repository.vocabulary
    precision = repository.precision
    sizes = repository.sizes
    input = repository.input
    tensors = repository.tensors
    notes = repository.notes
    self.folder = folder
    modelNames = repository.manifest.models.map(\.name)
    fileBytes = repository.fileBytes
  }

  /// Writes models with random weights into `folder`, enough to exceed any cache.
  init(
    synthesizing one: ProfileCase, _ precision: Precision, input: RequestInput, seed: UInt64, into folder: String,
    tools: any ProfilerTools
  ) async throws {
    var shape = one.architecture.shape
    if let vocabulary = one.vocabulary { shape.vocabulary = vocabulary }
    let count = ProfileRequest.residentModels(weightBytes: Int64(shape.parameterCount * precision.bytesPerWeight))
    fileBytes = try await tools.synthesize(
      architecture: one.architecture, vocabulary: shape.vocabulary, precision: precision, count: count, seed: seed,
      into: folder)
    architecture = one.architecture.rawValue
    vocabulary = shape.vocabulary
    self.precision = precision
    sizes = one.tokens
    self.input = input
    self.folder = folder
    modelNames = (0..<count).map { "model\($0)" }
  }

  var name: String { "\(architecture) \(precision.rawValue)" }

  /// Measures the bare engine.
  ///
  /// - Parameter step: called before each call of the tools, with what is measured.
  mutating func measureForward(
    _ sweep: ProfileSweep, settings: LibrarySettings, tools: any ProfilerTools, step: (String) -> Void
  ) async throws {
    for (index, conditions) in sweep.forwardCalls(sizes: sizes).enumerated() {
      step("\(name): forward passes" + (index > 0 ? " side by side" : ""))
      cells += try await tools.measure(
        MeasureCall(
          repository: folder, conditions: conditions, seconds: sweep.request.secondsPerCell, models: modelNames.count,
          settings: settings))
      if cells.isEmpty { throw ProfilerError("\(name): the engine measured nothing") }
    }
  }

  /// Measures each cell of the server once more.
  ///
  /// - Parameters:
  ///   - round: counted from 0; each has arrivals of its own.
  ///   - step: called before each call of the tools, with what is measured.
  mutating func serve(
    round: Int, _ sweep: ProfileSweep, settings: LibrarySettings, tools: any ProfilerTools, step: (String) -> Void
  ) async throws {
    for (index, conditions) in sweep.servedCells(sizes: sizes, input: input).enumerated() {
      let (size, workers, threads) = (conditions.tokens, conditions.coRunners, conditions.threads)
      step("\(name): served, round \(round + 1), size \(size), \(workers) × \(threads)")
      let alone = cells.first { $0.tokens == size && $0.threads == threads }
      guard let alone, let table = QuantileTable(samples: alone.samples) else {
        throw ProfilerError("\(name): no forward pass of size \(size) was measured")
      }
      let call = ServeCall(
        repository: folder, modelNames: modelNames, vocabulary: vocabulary, tensors: tensors, conditions: conditions,
        schedule: sweep.schedule(
          meanSeconds: table.mean, workers: workers, models: modelNames.count, round: round), settings: settings)
      if round == 0 { served.append((call, [])) }
      served[index].rounds.append(try await tools.serve(call))
    }
  }
}

// MARK: - What it comes to

extension VariantRun {
  /// The variant's part of a profile.
  ///
  /// - Throws: `ProfilerError` where something was not measured.
  func profile() throws(ProfilerError) -> ModelProfile {
    guard let first = cells.first else { throw ProfilerError("\(name): nothing was measured") }
    var forward: [ForwardCell] = []
    for cell in cells { forward.append(try forwardCell(cell)) }
    var served: [ServedCell] = []
    for (call, rounds) in self.served { served.append(try servedCell(call, rounds)) }
    return ModelProfile(
      architecture: architecture, precision: precision, vocabulary: vocabulary, fileBytes: fileBytes,
      weightBytes: first.weightBytes, memoryPerModelBytes: first.memoryPerModelBytes, loadSeconds: first.loadSeconds,
      firstRunSeconds: first.firstRunSeconds, forward: forward, served: served, notes: notes)
  }

  private func forwardCell(_ cell: MeasuredCell) throws(ProfilerError) -> ForwardCell {
    guard let table = QuantileTable(samples: cell.samples) else {
      throw ProfilerError("the engine measured no pass of size \(cell.tokens) with \(cell.threads) threads")
    }
    var conditions = cell.conditions
    // The engine is never given texts.
    if input == .tensors { conditions.input = .tensors }
    return ForwardCell(conditions: conditions, residentModels: cell.residentModels, serviceSeconds: table)
  }

  private func servedCell(_ call: ServeCall, _ rounds: [[ServedSample]]) throws(ProfilerError) -> ServedCell {
    guard let times = ServedTimes(rounds: rounds) else {
      throw ProfilerError("\(name): the server answered no request of size \(call.conditions.tokens)")
    }
    let requests = Double(rounds.reduce(0) { $0 + $1.count })
    return ServedCell(
      conditions: call.conditions, residentModels: call.modelNames.count,
      ratePerSecond: requests / (call.schedule.durationSeconds * Double(max(1, rounds.count))), times: times,
      trace: ComputeTrace(
        cell: "\(architecture) \(vocabulary) \(precision.rawValue): \(call.conditions)",
        seconds: rounds.map { round in round.sorted { $0.due < $1.due }.map(\.compute) }))
  }
}
