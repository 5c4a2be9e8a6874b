import Engine
import Foundation
import Testing

/// Programs of C++ beside the tests, compiled when the first test asks for them.
enum Fixtures {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  /// Gone when the process is.
  private static let folder: String = {
    let path = NSTemporaryDirectory() + "planner-fixtures-\(ProcessInfo.processInfo.processIdentifier)"
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    atexit {
      try? FileManager.default.removeItem(
        atPath: NSTemporaryDirectory() + "planner-fixtures-\(ProcessInfo.processInfo.processIdentifier)")
    }
    return path
  }()

  static func compiled(_ name: String, _ arguments: [String]) throws -> String {
    let program = folder + "/" + name
    let done = try DeviceTests.run("c++", ["-std=c++17", "-O0", "-w", "-o", program] + arguments)
    try #require(done.status == 0, "\(done.errors)")
    return program
  }

  static func run(_ program: String, _ arguments: [String], input: String = "") throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    let (given, said) = (Pipe(), Pipe())
    process.standardInput = given
    process.standardOutput = said
    try process.run()
    try given.fileHandleForWriting.write(contentsOf: Data(input.utf8))
    try given.fileHandleForWriting.close()
    let text = String(decoding: said.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "\(program): \(text)")
    return text
  }
}

/// A model of any code, and what libtorch without any of ours answers to inputs at random.
struct CraftedModel {
  private static let writer = Result {
    try Fixtures.compiled(
      "crafted",
      [
        "-isystem/usr/include/torch/csrc/api/include", Fixtures.root + "/Tests/EngineTests/Fixtures/crafted.cpp",
        "-ltorch", "-ltorch_cpu", "-lc10",
      ])
  }

  let path: String
  let inputs: [HostTensor]
  let answers: [[Float]]

  /// - Parameter weights: name, type (`float32`, `bfloat16` or `int8`) and sizes of each, as `proj float32 64 64`.
  init(_ folder: Folder, _ name: String = "crafted", weights: [String] = [], inputs shapes: [[Int]], code: String)
    throws
  {
    _ = SetUp.engine
    path = folder.path + "/\(name).pt"
    let lines =
      weights.map { "weight " + $0 } + shapes.map { "input " + $0.map(String.init).joined(separator: " ") }
    let text = try Fixtures.run(
      try Self.writer.get(), [path], input: lines.joined(separator: "\n") + "\n\n" + code + "\n")
    let tensors = text.split(separator: "\n").map { $0.split(separator: " ").compactMap { Float($0) } }
    inputs = zip(shapes, tensors).map { HostTensor(shape: $0, elements: .float32($1)) }
    answers = Array(tensors.dropFirst(shapes.count))
  }

  /// Loads it and compares, relative to the largest of an output's numbers.
  @discardableResult func check(_ tolerance: Float = 1e-5) throws -> TorchModel {
    let model = try TorchModel(path: path)
    try check(model, tolerance)
    return model
  }

  func check(_ model: TorchModel, _ tolerance: Float = 1e-5) throws {
    let outputs = try model.run(inputs)
    #expect(outputs.count == answers.count)
    for (output, expected) in zip(outputs, answers) {
      let scale = max(1, expected.map(abs).max() ?? 1)
      #expect(largestDifference(output.floats, expected) <= tolerance * scale)
    }
  }
}
