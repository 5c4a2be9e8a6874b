import Foundation
import PlannerCore

/// What reads one kind of input. Whatever it throws, and whatever it breaks, is a finding.
protocol FuzzTarget {
  /// Tries one input, checks what has to hold, and returns what came of it, in few different words: an input with a
  /// new outcome is kept and mutated further.
  mutating func run(_ input: [UInt8]) async throws -> String
}

/// A law that an input broke.
struct BrokenLaw: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}

/// Mutates, tries, remembers what was new: one target, in a process of its own.
struct FuzzWorker {
  let kind: TargetKind
  let settings: FuzzSettings
  let board: SharedBoard

  /// Inputs kept beside the corpus at most: the pool is what is mutated, and must not become all of memory.
  static let mostKept = 4096

  func run() async throws {
    var target = try await kind.make(corpus: settings.corpus)
    var pool = try Self.corpus(settings.corpus + "/" + kind.rawValue)
    var outcomes: Set<String> = []
    let mutator = Mutator(words: kind.words, isArchive: kind == .models)
    board.isReady = true
    let end = settings.seconds.map { ContinuousClock.now + .seconds($0) }
    let first = Int(board.finished)
    for index in first..<max(first, settings.runs) {
      if let end, ContinuousClock.now > end { break }
      // An input depends on the seed and on what was kept before it; the corpus itself comes first.
      var random = RandomStream(seed: settings.seed, stream: "fuzz", index: UInt64(index))
      let input = index < pool.count && first == 0 ? pool[index] : mutator.mutate(pool, &random)
      board.input = input
      let outcome: String
      do {
        outcome = try await target.run(input)
      } catch {
        FileHandle.standardError.write(Data("\(error)\n".utf8))
        exit(7)
      }
      if outcomes.insert(outcome).inserted, pool.count < Self.mostKept {
        pool.append(input)
        board.outcomes = UInt64(outcomes.count)
      }
      board.finished = UInt64(index + 1)
    }
    exit(0)
  }

  static func corpus(_ folder: String) throws -> [[UInt8]] {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    return try names.map { [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder + "/" + $0))) }
  }
}
