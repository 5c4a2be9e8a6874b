import PlannerCore

/// Nodes with a memory budget: requests first ask for their model, and wait while it is loaded.
extension FleetRun {
  /// At the start, as a server does: models in order, as many as the budget holds.
  mutating func fillMemory(node: Int) {
    guard let policy = nodes[node].residency else { return }
    var bytes: Int64 = 0
    var ignored: [ResidencyAction] = []
    for (index, model) in models.enumerated() where model.node == nil || model.node == node {
      residencies[node]?.offer(index, bytes: model.memoryBytes)
      bytes += model.memoryBytes
      if let budget = policy.budgetBytes, bytes > budget { continue }
      residencies[node]?.prefetch(index, now: .zero, actions: &ignored)
      residencies[node]?.loaded(index, now: .zero, actions: &ignored)
    }
    notePeak(node)
  }

  mutating func ask(_ request: PendingRequest, node: Int, now: Nanoseconds) {
    let isHit = residencies[node]?.isResident(request.model) ?? true
    requests[request.id].isMiss = !isHit
    if requests[request.id].isCounted {
      if isHit { observation.residency?.hits += 1 } else { observation.residency?.misses += 1 }
    }
    residencies[node]?.requested(request, now: now, actions: &residencyActions)
    performResidency(node: node, now: now)
  }

  mutating func performResidency(node: Int, now: Nanoseconds) {
    let todo = residencyActions
    residencyActions.removeAll(keepingCapacity: true)
    for action in todo {
      switch action {
      case .use(var request):
        // It comes to the queue now: what it has waited for its model is no wait for company.
        request.arrival = now
        queue(request, node: node, now: now)
      case .evict(let model):
        note(.evict(model: model), now)
        if now >= warmup { observation.residency?.evictions += 1 }
      case .load(let model):
        note(.load(model: model), now)
        if now >= warmup { observation.residency?.loads += 1 }
        notePeak(node)
        let seconds = models[model].load?.sample(from: &loadRandom[model]) ?? 0
        events.insert(.loaded(node: node, model: model), at: now + Nanoseconds(seconds: seconds))
      case .refuse(let request, _):
        note(.reject(requests[request.id].number), now)
        if requests[request.id].isCounted { observation.counts.rejected += 1 }
        freeSlots.append(request.id)
      case .expire(let request):
        note(.expire(requests[request.id].number), now)
        if requests[request.id].isCounted { observation.counts.timedOut += 1 }
        freeSlots.append(request.id)
      case .wake(let time):
        guard time < residencyWakes[node] else { continue }
        residencyWakes[node] = time
        events.insert(.residencyWake(node: node), at: time)
      }
    }
  }

  mutating func noteLatency(_ seconds: Double, isMiss: Bool) {
    if isMiss {
      observation.residency?.missLatencySeconds.append(seconds)
    } else {
      observation.residency?.hitLatencySeconds.append(seconds)
    }
  }

  private mutating func notePeak(_ node: Int) {
    let used = residencies[node]?.usedBytes ?? 0
    let peak = observation.residency?.peakBytes ?? 0
    observation.residency?.peakBytes = max(peak, used)
  }
}
