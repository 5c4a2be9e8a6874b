import CTorch
import Foundation
import Synchronization

/// Processors that models can run on.
package enum DeviceKind: String, CaseIterable, Sendable {
  case cpu, cuda, neuron
}

/// Settings of the library that hold for the whole process, or for one thread.
package enum Engine {
  /// Once, before anything else. Inference is parallel across workers, so one inter-op thread is enough.
  package static func initialize(interOpThreads: Int = 1) throws(EngineError) {
    try checked("") { ct_initialize(Int32(interOpThreads), $0) }
  }

  /// Threads of one forward pass, for passes started by the calling thread: each thread has a pool of its own.
  package static func setThreads(_ threads: Int) throws(EngineError) {
    try checked("") { ct_set_threads(Int32(threads), $0) }
  }

  /// Threads that the shim's own loops really run on in passes started by the calling thread. Fewer than were set where
  /// this libtorch does not use GNU's OpenMP; it then takes a second to find out.
  package static var loopThreads: Int { Int(ct_loop_threads()) }

  /// Version of libtorch, such as `1.13.1`.
  package static var version: String { String(cString: ct_version()) }

  /// What the library says of its threads, OpenMP and BLAS.
  package static var configuration: String { String(cString: ct_configuration()) }

  /// Devices of a kind that this process can use; the host counts as one.
  package static func deviceCount(_ kind: DeviceKind) -> Int { Int(ct_device_count(kind.rawValue)) }

  /// Opens a library that registers operators, such as Neuron's for its traced models; before the first model.
  ///
  /// - Throws: `EngineError` (`unavailable`) where it cannot be opened.
  package static func loadOperators(library path: String) throws(EngineError) {
    do {
      try checked(path) { ct_load_operators(path, $0) }
    } catch {
      throw EngineError(.unavailable, path, "is no library that can be loaded: \(error.message)")
    }
    opened.withLock { $0.append(path) }
  }

  private static let opened = Mutex<[String]>([])

  /// Libraries that `loadOperators` opened, in order.
  package static var operatorLibraries: [String] { opened.withLock { $0 } }

  private static let chosenDevice = Mutex("cpu")

  /// Where models are loaded unless something else is said: `cpu`, `cuda:1`, `neuron:0`. For the whole process, set
  /// before the first model.
  package static var device: String {
    get { chosenDevice.withLock { $0 } }
    set { chosenDevice.withLock { $0 = newValue } }
  }

  /// Calls into the shim and turns its error text into an `EngineError`.
  package static func checked(
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
