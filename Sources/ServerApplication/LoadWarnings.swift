import PlannerCore
import Serving
import Synchronization

/// Says which models are unavailable, or not served as a reader would expect: after the start in a line for all of a
/// kind, then as they are loaded.
package final class LoadWarnings: Sendable {
  private let mayBatch: Bool
  private let say: @Sendable (String) -> Void
  /// What was said, and of which file.
  private let said = Mutex<Set<String>>([])
  private let hasStarted = Atomic<Bool>(false)

  /// - Parameter mayBatch: requests of one model may share a pass.
  package init(mayBatch: Bool, say: @escaping @Sendable (String) -> Void) {
    self.mayBatch = mayBatch
    self.say = say
  }

  /// The start's loads are over.
  package func started(_ entries: [ModelEntry]) {
    hasStarted.store(true, ordering: .relaxed)
    let lines = entries.map { (entry: $0, sentences: sentences(of: $0)) }
    for (entry, sentences) in lines { for one in sentences { _ = isNew(one, entry) } }
    // In the order of the models, what many share once.
    var seen: Set<String> = []
    for sentence in lines.flatMap(\.sentences) where seen.insert(sentence).inserted {
      let names = lines.filter { $0.sentences.contains(sentence) }.map(\.entry.name)
      let more = names.count > 5 ? " and \(names.count - 5) more" : ""
      say("\(names.prefix(5).joined(separator: ", "))\(more): \(sentence)")
    }
  }

  /// What is odd in the manifest, which may be read often.
  package func note(_ line: String) { if isNew(line) { say(line) } }

  /// A load is over. What was said of the same file is not said again: a model that was evicted comes back often.
  package func loaded(_ entry: ModelEntry) {
    guard hasStarted.load(ordering: .relaxed) else { return }
    for sentence in sentences(of: entry) where isNew(sentence, entry) { say("\(entry.name): \(sentence)") }
  }

  private func isNew(_ sentence: String, _ entry: ModelEntry) -> Bool {
    isNew("\(entry.name) \(entry.fileVersion ?? "") \(sentence)")
  }

  private func isNew(_ line: String) -> Bool { said.withLock { $0.insert(line).inserted } }

  private func sentences(of entry: ModelEntry) -> [String] {
    if case .unavailable(let reason) = entry.state { return ["is unavailable: \(reason)"] }
    guard let interface = entry.interface else { return [] }
    var sentences: [String] = []
    if interface.isAssumed {
      sentences.append(
        "no pass was found that is answered; metadata are assumed, and requests not batched; declare inputTensors and "
          + "outputTensors in \(RepositoryManifest.fileName)")
    }
    if let reason = entry.model?.warmFailure {
      sentences.append("is served, and did not answer a pass of token ids: \(reason)")
    }
    if interface.keepsState {
      sentences.append("answers change with what was asked before, or are random; each replica has its own state")
    }
    guard mayBatch, !interface.keepsState, !interface.isAssumed else { return sentences }
    switch interface.rows {
    case .dependent:
      sentences.append("rows of one pass change each other's answers, or have none; requests are not batched")
    case .untried:
      sentences.append("it could not be tried whether rows of one pass are independent; requests are not batched")
    case .independent: break
    }
    return sentences
  }
}
