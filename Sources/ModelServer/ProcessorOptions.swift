import ArgumentParser
import Server

/// Which processor models run on, and the library with their operators.
struct ProcessorOptions: ParsableArguments {
  @Option(help: "Processor that models run on: cpu, cuda, neuron, or one of several, such as cuda:1.")
  var device = "cpu"
  @Option(help: "Library with operators that models need, such as Neuron's; opened before the first model. Repeatable.")
  var opLibrary: [String] = []

  func validate() throws {
    let parts = device.split(separator: ":", omittingEmptySubsequences: false)
    let isNumbered = parts.count == 2 && Int(parts[1]).map { $0 >= 0 } == true
    guard DeviceKind(rawValue: String(parts[0])) != nil, parts.count == 1 || isNumbered else {
      throw ValidationError("--device must be cpu, cuda, neuron, or one of several such as cuda:1")
    }
  }

  /// Once the engine is initialized.
  func apply() throws(EngineError) {
    for library in opLibrary { try Engine.loadOperators(library: library) }
    let parts = device.split(separator: ":")
    if let kind = DeviceKind(rawValue: String(parts[0])) {
      let count = Engine.deviceCount(kind)
      let index = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
      guard index < count else {
        throw EngineError(
          .unavailable, "", "there is no device \(device): this machine and libtorch have \(count) of that kind")
      }
    }
    Engine.device = device
  }
}
