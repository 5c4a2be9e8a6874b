import ArgumentParser
import Engine

/// Which processor models run on, and the library with their operators.
struct ProcessorOptions: ParsableArguments {
  @Option(
    name: .of(.device),
    help: "Processor that models run on: cpu, cuda or neuron, which take all that there are, or one, such as cuda:1.")
  var device = "cpu"
  @Option(
    name: .of(.operatorLibrary),
    help: "Library with operators that models need, such as Neuron's; opened before the first model. Repeatable.")
  var opLibrary: [String] = []

  func validate() throws {
    let parts = device.split(separator: ":", omittingEmptySubsequences: false)
    let isNumbered = parts.count == 2 && Int(parts[1]).map { $0 >= 0 } == true
    guard DeviceKind(rawValue: String(parts[0])) != nil, parts.count == 1 || isNumbered else {
      throw ValidationError("--device must be cpu, cuda, neuron, or one of several such as cuda:1")
    }
  }

  /// Applies the options to the engine, which must be initialized.
  ///
  /// - Returns: the devices that are meant, of which the first is the process's own.
  @discardableResult
  func apply() throws(EngineError) -> [String] {
    for library in opLibrary { try Engine.loadOperators(library: library) }
    let parts = device.split(separator: ":")
    let count = DeviceKind(rawValue: String(parts[0])).map(Engine.deviceCount) ?? 0
    let index = parts.count > 1 ? Int(parts[1]) : nil
    guard (index ?? 0) < count else {
      throw EngineError(
        .unavailable, "", "there is no device \(device): this machine and libtorch have \(count) of that kind")
    }
    let devices = index == nil && device != "cpu" ? (0..<count).map { "\(device):\($0)" } : [device]
    Engine.device = devices[0]
    return devices
  }
}
