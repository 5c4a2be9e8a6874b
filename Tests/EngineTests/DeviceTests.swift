import Engine
import Foundation
import PlannerCore
import Testing

/// Other processors, and libraries with operators for them.
@Suite struct DeviceTests {
  static func run(_ tool: String, _ arguments: [String]) throws -> (status: Int32, errors: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [tool] + arguments
    let errors = Pipe()
    process.standardError = errors
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, text)
  }

  /// As Neuron's library does for its traced models: operators that the model's file names.
  @Test func aModelRunsWithTheLibraryOfItsOperators() throws {
    _ = SetUp.engine
    let folder = try Folder()
    let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path
    let library = folder.path + "/liboperators.so"
    let model = folder.path + "/custom.pt"
    // One source, two outcomes: the library, and the program that writes a model which needs it.
    let flags = [
      "-std=c++17", "-O0", "-w", "-isystem/usr/include/torch/csrc/api/include", here + "/Fixtures/operators.cpp",
    ]
    let libraries = ["-ltorch", "-ltorch_cpu", "-lc10"]
    let shared = try Self.run("c++", ["-shared", "-fPIC", "-o", library] + flags + libraries)
    try #require(shared.status == 0, "\(shared.errors)")
    let writer = folder.path + "/writer"
    let linked = try Self.run("c++", ["-DWRITER", "-o", writer] + flags + libraries)
    try #require(linked.status == 0, "\(linked.errors)")
    try #require(try Self.run(writer, [model]).status == 0)

    let before = #expect(throws: EngineError.self) { try TorchModel(path: model) }
    #expect(before?.kind == .badModel && before?.message.contains("scaled_sum") == true)
    try Engine.loadOperators(library: library)
    let loaded = try TorchModel(path: model)
    #expect(try loaded.run([integers([1, 2, 3])])[0].floats == [36])
  }

  @Test func aMissingLibraryIsNamed() throws {
    _ = SetUp.engine
    let error = #expect(throws: EngineError.self) { try Engine.loadOperators(library: "/nonexistent/libneuron.so") }
    #expect(error?.kind == .unavailable && error?.subject == "/nonexistent/libneuron.so")
  }

  @Test func theHostIsAlwaysThere() throws {
    #expect(Engine.deviceCount(.cpu) == 1)
    #expect(Engine.deviceCount(.cuda) >= 0 && Engine.deviceCount(.neuron) >= 0)
  }

  @Test(arguments: ["cuda:99", "neuron:99", "tpu", "cpu:1", "cuda:", "cuda:-1", ""])
  func aDeviceThatIsNotThereIsRefused(_ device: String) throws {
    let folder = try Folder()
    try TorchModelTests.repository(folder, count: 1)
    let error = #expect(throws: EngineError.self) { try TorchModel(path: folder.path + "/model0.pt", device: device) }
    #expect(error?.kind == .badModel)
  }

  static let cudaMissing = "libtorch has no CUDA here, or this machine no such device"

  @Test(.enabled(if: Engine.deviceCount(.cuda) > 0, Comment(rawValue: cudaMissing)))
  func cudaAnswersAsTheHost() throws {
    let folder = try Folder()
    try TorchModelTests.repository(folder, count: 1)
    let path = folder.path + "/model0.pt"
    let host = try TorchModel(path: path).run(request(TorchModelTests.ids))
    let device = try TorchModel(path: path, device: "cuda:0").run(request(TorchModelTests.ids))
    for (a, b) in zip(host, device) { #expect(largestDifference(a.floats, b.floats) < 1e-3) }
  }
}
