import Synchronization

/// The right to compute with a model: it stays in memory until the lease is released or gone.
package final class ModelLease: Sendable {
  package let entry: ModelEntry
  package let model: ServedModel
  /// How long the request waited for the model to be loaded; nil where it was in memory.
  package let loadSeconds: Double?
  private let onRelease: @Sendable () -> Void
  private let isReleased = Atomic<Bool>(false)

  init(
    entry: ModelEntry, model: ServedModel, loadSeconds: Double? = nil, onRelease: @escaping @Sendable () -> Void = {}
  ) {
    self.entry = entry
    self.model = model
    self.loadSeconds = loadSeconds
    self.onRelease = onRelease
  }

  /// Gives the model back. Calling it once is enough; further calls do nothing.
  package func release() {
    if !isReleased.exchange(true, ordering: .acquiringAndReleasing) { onRelease() }
  }

  deinit { release() }
}
