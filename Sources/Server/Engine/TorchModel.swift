import CTorch
import Foundation
import Synchronization

/// Processors that models can run on.
public enum DeviceKind: String, CaseIterable, Sendable {
  case cpu, cuda, neuron
}

/// Settings of the library that hold for the whole process, or for one thread.
public enum Engine {
  /// Once, before anything else. Inference is parallel across workers, so one inter-op thread is enough.
  public static func initialize(interOpThreads: Int = 1) throws(EngineError) {
    try checked("") { ct_initialize(Int32(interOpThreads), $0) }
  }

  /// Threads of one forward pass, for passes started by the calling thread: each thread has a pool of its own.
  public static func setThreads(_ threads: Int) throws(EngineError) {
    try checked("") { ct_set_threads(Int32(threads), $0) }
  }

  /// Threads that the shim's own loops really run on in passes started by the calling thread. Fewer than were set where
  /// this libtorch does not use GNU's OpenMP; it then takes a second to find out.
  public static var loopThreads: Int { Int(ct_loop_threads()) }

  /// Version of libtorch, such as `1.13.1`.
  public static var version: String { String(cString: ct_version()) }

  /// What the library says of its threads, OpenMP and BLAS.
  public static var configuration: String { String(cString: ct_configuration()) }

  /// Devices of a kind that this process can use; the host counts as one.
  public static func deviceCount(_ kind: DeviceKind) -> Int { Int(ct_device_count(kind.rawValue)) }

  /// Opens a library that registers operators, such as Neuron's for its traced models; before the first model.
  ///
  /// - Throws: `EngineError` (`unavailable`) where it cannot be opened.
  public static func loadOperators(library path: String) throws(EngineError) {
    do {
      try checked(path) { ct_load_operators(path, $0) }
    } catch {
      throw EngineError(.unavailable, path, "is no library that can be loaded: \(error.message)")
    }
    opened.withLock { $0.append(path) }
  }

  private static let opened = Mutex<[String]>([])

  /// Libraries that `loadOperators` opened, in order.
  public static var operatorLibraries: [String] { opened.withLock { $0 } }

  private static let chosenDevice = Mutex("cpu")

  /// Where models are loaded unless something else is said: `cpu`, `cuda:1`, `neuron:0`. For the whole process, set
  /// before the first model.
  public static var device: String {
    get { chosenDevice.withLock { $0 } }
    set { chosenDevice.withLock { $0 = newValue } }
  }

  /// Calls into the shim and turns its error text into an `EngineError`.
  static func checked(
    _ subject: String, kind: EngineError.Kind = .unavailable, _ call: (UnsafeMutablePointer<CChar>) -> Int32
  ) throws(EngineError) {
    var text = [CChar](repeating: 0, count: Int(CT_ERROR_CAPACITY))
    let status = text.withUnsafeMutableBufferPointer { call($0.baseAddress!) }
    guard status != 0 else { return }
    let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    throw EngineError(kind, subject, firstSentence(of: String(decoding: bytes, as: UTF8.self)))
  }

  /// The library's messages say in further lines where in a model's code or in its own it happened.
  private static func firstSentence(of message: String) -> String {
    let lines = message.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
    let telling = lines.first { !$0.isEmpty && !$0.hasPrefix("File ") && !$0.contains("HERE") }
    return telling ?? "the library gave no reason"
  }
}

/// One loaded model.
///
/// Complexity of `run`: a forward pass. A model may be run from several threads at once.
public final class TorchModel: @unchecked Sendable {
  // The handle is set once and the library's modules may be run concurrently.
  private let handle: OpaquePointer
  public let path: String
  /// Bytes of parameters and buffers.
  public let weightBytes: Int64
  /// Tensors that `run` takes.
  public let inputCount: Int
  /// Their names as the model's code has them, in order.
  public let inputNames: [String]

  /// - Parameter device: `cpu`, `cuda:0` or `neuron:0`; see `Engine.deviceCount`.
  /// - Throws: `EngineError` (`badModel`) where the file is missing, damaged or not a model, or there is no such
  ///   device.
  public init(path: String, device: String = Engine.device) throws(EngineError) {
    guard FileManager.default.isReadableFile(atPath: path) else {
      throw EngineError(.badModel, path, "there is no such file, or it may not be read")
    }
    var loaded: OpaquePointer?
    var status: Int32 = 0
    do {
      try Engine.checked(path, kind: .badModel) {
        status = ct_model_load(path, device, &loaded, $0)
        return status
      }
    } catch where status == Int32(CT_UNSUPPORTED) {
      throw EngineError(.badModel, path, "cannot be run here: \(error.message)")
    } catch {
      throw EngineError(.badModel, path, "is damaged or not a TorchScript model (\(error.message))")
    }
    guard let loaded else { throw EngineError(.badModel, path, "could not be loaded") }
    handle = loaded
    self.path = path
    weightBytes = ct_model_weight_bytes(loaded)
    inputCount = Int(ct_model_input_count(loaded))
    inputNames = (0..<ct_model_input_count(loaded)).map { index in
      ct_model_input_name(loaded, index).map { String(cString: $0) } ?? ""
    }
  }

  /// Equal for files with the same code, whatever their weights are. Nothing of the file is run.
  ///
  /// - Throws: `EngineError` (`badModel`) where the file is missing, damaged or not a model.
  static func codeFingerprint(path: String) throws(EngineError) -> String {
    var text = [CChar](repeating: 0, count: Int(CT_FINGERPRINT_CAPACITY))
    try text.withUnsafeMutableBufferPointer { buffer throws(EngineError) in
      try Engine.checked(path, kind: .badModel) { ct_model_fingerprint(path, buffer.baseAddress, $0) }
    }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { ct_model_free(handle) }

  /// Operators of a kind, such as `planner::attention_of_heads`, in the graph that is run; 0 where the model's own code
  /// is run as it is.
  public func operators(ofKind kind: String) -> Int { Int(ct_model_operator_count(handle, kind)) }

  /// One forward pass.
  ///
  /// - Throws: `EngineError` (`badInput`) where number, type or shape of the inputs do not fit, or a token is out
  ///   of range.
  public func run(_ inputs: [HostTensor]) throws(EngineError) -> [HostTensor] {
    var result: OpaquePointer?
    do {
      try withViews(of: inputs[...], []) { (views: [ct_tensor]) throws(EngineError) in
        try Engine.checked(path, kind: .badInput) { ct_model_run(handle, views, views.count, &result, $0) }
      }
    } catch {
      try checkFile()
      throw EngineError(.badInput, error.subject, error.message)
    }
    guard let result else { throw EngineError(.badInput, path, "the model gave no answer") }
    defer { ct_result_free(result) }
    try checkFile()
    return (0..<ct_result_count(result)).compactMap { index in
      ct_result_tensor(result, index).map { Self.copy($0.pointee) }
    }
  }

  /// - Throws: `EngineError` (`badModel`) where the weights' file has gone from under them.
  private func checkFile() throws(EngineError) {
    guard ct_model_is_whole(handle) == 0 else { return }
    throw EngineError(
      .badModel, path,
      "its file was cut off while it was in memory; put files in place by renaming them, and load the model again")
  }

  /// Pins the inputs' memory one after the other and calls `body` with views of all of them.
  private func withViews(
    of inputs: ArraySlice<HostTensor>, _ views: [ct_tensor], _ body: ([ct_tensor]) throws(EngineError) -> Void
  ) throws(EngineError) {
    guard let input = inputs.first else { return try body(views) }
    guard input.shape.count <= Int(CT_MAX_DIMENSIONS) else {
      throw EngineError(.badInput, path, "an input has more than \(CT_MAX_DIMENSIONS) dimensions")
    }
    var failure: EngineError?
    func descend(_ dtype: ct_dtype, _ bytes: UnsafeRawBufferPointer) {
      var view = ct_tensor()
      view.dtype = dtype
      view.dimension_count = Int32(input.shape.count)
      withUnsafeMutableBytes(of: &view.dimensions) { raw in
        let dimensions = raw.bindMemory(to: Int64.self)
        for (index, size) in input.shape.enumerated() { dimensions[index] = Int64(size) }
      }
      // The shim reads inputs and never writes them.
      view.data = UnsafeMutableRawPointer(mutating: bytes.baseAddress)
      view.byte_count = bytes.count
      do throws(EngineError) {
        try withViews(of: inputs.dropFirst(), views + [view], body)
      } catch {
        failure = error
      }
    }
    input.elements.withUnsafeBytes { descend(input.elements.shimType, $0) }
    if let failure { throw failure }
  }

  private static func copy(_ tensor: ct_tensor) -> HostTensor {
    let shape = withUnsafeBytes(of: tensor.dimensions) { raw in
      raw.bindMemory(to: Int64.self).prefix(Int(tensor.dimension_count)).map { Int($0) }
    }
    let bytes = UnsafeRawBufferPointer(start: tensor.data, count: tensor.byte_count)
    let elements: HostTensor.Element =
      switch tensor.dtype {
      case CT_INT64: .int64(Array(bytes.bindMemory(to: Int64.self)))
      case CT_INT32: .int32(Array(bytes.bindMemory(to: Int32.self)))
      case CT_BOOL: .bool(Array(bytes.bindMemory(to: UInt8.self)))
      case CT_FLOAT64: .float64(Array(bytes.bindMemory(to: Double.self)))
      case CT_INT16: .int16(Array(bytes.bindMemory(to: Int16.self)))
      case CT_INT8: .int8(Array(bytes.bindMemory(to: Int8.self)))
      case CT_UINT8: .uint8(Array(bytes.bindMemory(to: UInt8.self)))
      default: .float32(Array(bytes.bindMemory(to: Float.self)))
      }
    return HostTensor(shape: shape, elements: elements)
  }
}

extension HostTensor.Element {
  fileprivate var shimType: ct_dtype {
    switch self {
    case .float32: CT_FLOAT32
    case .int64: CT_INT64
    case .int32: CT_INT32
    case .bool: CT_BOOL
    case .float64: CT_FLOAT64
    case .int16: CT_INT16
    case .int8: CT_INT8
    case .uint8: CT_UINT8
    case .float16: CT_FLOAT16
    case .bfloat16: CT_BFLOAT16
    }
  }
}
