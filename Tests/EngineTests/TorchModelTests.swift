import Engine
import EngineTools
import Foundation
import PlannerCore
import PlannerFiles
import Synchronization
import Testing
import Tokenizer

@Suite struct TorchModelTests {
  static func repository(
    _ folder: Folder, _ precision: Precision = .fp32, count: Int = 2, seed: UInt64 = 1
  ) throws {
    _ = SetUp.engine
    try Synthesizer(family: .bertTiny, vocabulary: 300, precision: precision, seed: seed).write(
      count: count, to: folder.path, progress: { _ in })
  }

  static let ids: [Int64] = [4, 17, 256, 299, 0, 31, 77, 5]

  @Test(arguments: Precision.allCases)
  func everyPrecisionRunsAtAnyLength(_ precision: Precision) throws {
    let folder = try Folder()
    try Self.repository(folder, precision)
    let model = try TorchModel(path: folder.path + "/model0.pt")
    for length in [1, 2, 7, 64, 512] {
      let outputs = try model.run(request((0..<Int64(length)).map { $0 % 300 }))
      #expect(outputs.map(\.shape) == [[1, length], [1, length]])
      let logits = outputs.flatMap(\.floats)
      #expect(logits.allSatisfy { $0.isFinite })
    }
    #expect(model.weightBytes > 500_000)
  }

  @Test func theSameSeedIsTheSameModel() throws {
    let (first, second, other) = (try Folder(), try Folder(), try Folder())
    try Self.repository(first, count: 1)
    try Self.repository(second, count: 3)
    try Self.repository(other, count: 1, seed: 2)
    func answer(_ folder: Folder, _ name: String) throws -> [Float] {
      try TorchModel(path: folder.path + "/" + name).run(request(Self.ids))[0].floats
    }
    let expected = try answer(first, "model0.pt")
    // Model 0 is the same however many are written; every other model is another one.
    #expect(try answer(second, "model0.pt") == expected)
    #expect(try answer(second, "model1.pt") != expected)
    #expect(try answer(second, "model2.pt") != answer(second, "model1.pt"))
    #expect(try answer(other, "model0.pt") != expected)
  }

  /// Not libtorch's own loops but the shim's, which are most of a rewritten pass.
  @Test func loopsRunOnAsManyThreadsAsAreSet() throws {
    _ = SetUp.engine
    for threads in [2, 3, 1] {
      try Engine.setThreads(threads)
      #expect(Engine.loopThreads == threads)
    }
  }

  /// A number that another thread sets before this one has computed anything is not taken over.
  @Test func aThreadKeepsWhatItSet() {
    _ = SetUp.engine
    let found = Mutex<Int?>(nil)
    let done = DispatchSemaphore(value: 0)
    Thread.detachNewThread {
      let set = DispatchSemaphore(value: 0)
      try? Engine.setThreads(2)
      Thread.detachNewThread {
        try? Engine.setThreads(3)
        set.signal()
      }
      set.wait()
      let threads = Engine.loopThreads
      found.withLock { $0 = threads }
      done.signal()
    }
    done.wait()
    #expect(found.withLock { $0 } == 2)
  }

  @Test func threadsGetTheSameAnswers() throws {
    let folder = try Folder()
    try Self.repository(folder)
    let model = try TorchModel(path: folder.path + "/model0.pt")
    let expected = try model.run(request(Self.ids))
    let wrong = Mutex(0)
    DispatchQueue.concurrentPerform(iterations: 4) { _ in
      for _ in 0..<50 where (try? model.run(request(Self.ids))) != expected { wrong.withLock { $0 += 1 } }
    }
    #expect(wrong.withLock { $0 } == 0)
  }

  /// Passes that are worth more than one thread, from several threads at once and with pauses in which helpers sleep.
  @Test func helpersGetTheSameAnswers() throws {
    let folder = try Folder()
    try Self.repository(folder, count: 1)
    let model = try TorchModel(path: folder.path + "/model0.pt")
    let long = request((0..<300).map { Int64($0 % 250) })
    try Engine.setThreads(1)
    let expected = try model.run(long)[0].floats
    let worst = Mutex(Float(0))
    DispatchQueue.concurrentPerform(iterations: 3) { caller in
      for round in 0..<60 {
        // Teams of changing size, as the first of them is still about.
        let answer = (try? Engine.setThreads(2 + (round / 20 + caller) % 3)).flatMap { try? model.run(long)[0].floats }
        worst.withLock { $0 = max($0, largestDifference(answer ?? [], expected)) }
        if round % 10 == 0 { Thread.sleep(forTimeInterval: 0.001) }
      }
      try? Engine.setThreads(1)
    }
    #expect(worst.withLock { $0 } < 1e-5)
  }

  /// Short and long requests go through different kernels.
  @Test func paddingChangesNothing() throws {
    let folder = try Folder()
    try Self.repository(folder, count: 1)
    let model = try TorchModel(path: folder.path + "/model0.pt")
    let expected = try model.run(request(Self.ids))[0].floats
    for length in [12, 30, 33, 128, 200] {
      let rest = Array(repeating: Int64(7), count: length - Self.ids.count)
      let mask = Self.ids.map { _ in Int64(1) } + rest.map { _ in 0 }
      var padded = request(Self.ids + rest)
      padded[1] = integers(mask)
      let answer = try model.run(padded)[0].floats
      #expect(answer.count == length)
      #expect(largestDifference(Array(answer.prefix(expected.count)), expected) < 1e-5, "\(length)")
    }
  }

  @Test func badInputsAreRefusedAndTheModelLives() throws {
    let folder = try Folder()
    try Self.repository(folder)
    let model = try TorchModel(path: folder.path + "/model0.pt")
    let good = request(Self.ids)
    let expected = try model.run(good)
    let bad: [[HostTensor]] = [
      [], [good[0]], good + [good[0]],
      request([4, 300]), request([4, -1]), request([4, .max]),
      [HostTensor(shape: [1, 8], elements: .float32(Array(repeating: 1, count: 8))), good[1], good[2]],
      [good[0], integers([1, 1, 1]), good[2]],
      [HostTensor(shape: [8], elements: .int64(Self.ids)), good[1], good[2]],
      [HostTensor(shape: [1, 9], elements: .int64(Self.ids)), good[1], good[2]],
      [HostTensor(shape: [-1, 8], elements: .int64(Self.ids)), good[1], good[2]],
      [HostTensor(shape: [1, 1, 1, 1, 1, 1, 1, 1, 8], elements: .int64(Self.ids)), good[1], good[2]],
      request((0..<600).map { _ in 1 }),
    ]
    for inputs in bad {
      let error = #expect(throws: EngineError.self) { try model.run(inputs) }
      #expect(error?.kind == .badInput && error?.message.isEmpty == false)
    }
    #expect(try model.run(good) == expected)
  }

  /// Exceptions of Python's, of the code's own and of the library's, without the trace before them.
  @Test(arguments: [
    (#"prim.RaiseException("boom: it is\nx: 2", "builtins.RuntimeError")"#, "RuntimeError: boom: it is"),
    (#"prim.RaiseException("boom", "__torch__.Mine")"#, "__torch__.Mine: boom"),
    (#"prim.RaiseException("boom")"#, "RuntimeError: boom"),
    (#"assert bool(x.sum() > 1e9), "boom""#, "RuntimeError: AssertionError: boom"),
    ("x = torch.mm(x, x)", "RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)"),
  ])
  func whatAModelRaisesIsTold(_ statement: String, _ reason: String) throws {
    let folder = try Folder()
    let crafted = try CraftedModel(
      folder, inputs: [[2, 3]], code: "def forward(self, x: Tensor):\n  \(statement)\n  return x")
    let model = try TorchModel(path: crafted.path)
    let error = #expect(throws: EngineError.self) { try model.run(crafted.inputs) }
    #expect(error?.kind == .badInput && error?.message == reason, "\(String(describing: error))")
  }

  @Test func damagedFilesAreNamed() throws {
    let folder = try Folder()
    try Self.repository(folder)
    let whole = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/model0.pt"))
    var flipped = whole
    for index in stride(from: 0, to: 2_000, by: 3) { flipped[index] ^= 0x5a }
    let contents: [String: Data] = [
      "empty": Data(), "garbage": Data((0..<5_000).map { UInt8(truncatingIfNeeded: $0 * 7) }),
      "half": whole.prefix(whole.count / 2), "short": whole.prefix(100), "flipped": flipped,
      "text": Data("not a model".utf8),
    ]
    for (name, data) in contents {
      let path = folder.path + "/" + name
      try data.write(to: URL(fileURLWithPath: path))
      let error = #expect(throws: EngineError.self, "\(name)") { try TorchModel(path: path) }
      #expect(error?.kind == .badModel && error?.subject == path)
    }
    let missing = #expect(throws: EngineError.self) { try TorchModel(path: folder.path + "/none.pt") }
    #expect(missing?.description.contains("no such file") == true)
    _ = try TorchModel(path: folder.path + "/model0.pt")
  }

  @Test func theManifestIsReadBack() throws {
    let folder = try Folder()
    try Self.repository(folder, .int8, count: 2)
    #expect(folder.files == ["manifest.json", "model0.pt", "model1.pt", "vocab.txt"])
    let manifest = try RepositoryFile.read(folder: folder.path)
    #expect(manifest.models.map(\.name) == ["model0", "model1"])
    #expect(manifest.models.allSatisfy { $0.precision == .int8 && $0.vocabulary == 300 && $0.fileBytes > 100_000 })
    let tokenizer = try WordPieceTokenizer.load(path: folder.path + "/vocab.txt", lowercases: true)
    #expect(tokenizer.vocabularySize == 300)
    #expect(tokenizer.encode("a b", pair: "c", maxTokens: 32).inputIDs.count == 6)
  }

  @Test(.enabled(if: geteuid() == 0, "needs root to mount a small disk"))
  func aFullDiskLeavesNoRepository() throws {
    _ = SetUp.engine
    let folder = try Folder()
    let disk = folder.path + "/disk"
    try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
    try #require(mount("tmpfs", disk, "tmpfs", 0, "size=3m") == 0)
    defer { umount2(disk, 2) }
    let error = #expect(throws: EngineError.self) {
      try Synthesizer(family: .bertTiny, vocabulary: 300, precision: .fp32, seed: 1).write(
        count: 4, to: disk, progress: { _ in })
    }
    #expect(error?.kind == .unavailable)
    let left = try FileManager.default.contentsOfDirectory(atPath: disk)
    #expect(!left.contains("manifest.json") && !left.contains { $0.hasSuffix(".tmp") }, "\(left)")
  }
}
