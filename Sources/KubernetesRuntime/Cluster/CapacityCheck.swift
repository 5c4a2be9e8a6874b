import Executor

/// Whether a cluster has room for nodes, before anything is asked of it: a pure function of its machines and of what
/// runs on them.
package struct CapacityCheck {
  /// Nil where nobody may see them: then only quotas are checked.
  var machines: [MachineObject]?
  /// Pods that take up room; empty where nobody may see them.
  var pods: [PodObject]
  var quotas: [QuotaObject]
  var options: KubernetesOptions

  package init(
    machines: [MachineObject]?, pods: [PodObject] = [], quotas: [QuotaObject] = [], options: KubernetesOptions
  ) {
    self.machines = machines
    self.pods = pods
    self.quotas = quotas
    self.options = options
  }

  private static let typeLabel = "node.kubernetes.io/instance-type"

  private struct Room {
    var type: String
    var milliCPU: Int
    var memoryBytes: Int64
    var pods: Int

    func holds(_ amount: NodeAmount) -> Bool {
      pods > 0 && milliCPU >= amount.milliCPU && memoryBytes >= (amount.mebibytes ?? 0) << 20
    }

    mutating func take(_ amount: NodeAmount) {
      pods -= 1
      milliCPU -= amount.milliCPU
      memoryBytes -= (amount.mebibytes ?? 0) << 20
    }
  }

  /// - Parameter nodes: those that are not there yet.
  /// - Throws: `RuntimeError` (`noCapacity`) with the numbers.
  package func check(_ nodes: [DesiredNode]) throws {
    try checkQuotas(nodes)
    guard let machines, !options.machinesComeOnDemand else { return }
    var rooms = rooms(machines)
    // Large ones first, each to the machine where it leaves the least memory: what fits then nearly always fits.
    let wanted = nodes.enumerated().map { (place: $0, node: $1, amount: NodeAmount($1.settings, options)) }.sorted {
      ($0.amount.mebibytes ?? 0, $0.amount.milliCPU, -$0.place) > (
        $1.amount.mebibytes ?? 0, $1.amount.milliCPU, -$1.place
      )
    }
    var left: [(DesiredNode, NodeAmount)] = []
    for (_, node, amount) in wanted {
      let fitting = rooms.indices.filter { index in
        (node.settings.instanceType.map { rooms[index].type == $0 } ?? true) && rooms[index].holds(amount)
      }
      guard let best = fitting.min(by: { rooms[$0].memoryBytes < rooms[$1].memoryBytes }) else {
        left.append((node, amount))
        continue
      }
      rooms[best].take(amount)
    }
    if let first = left.first { throw missing(left.map(\.0), first.0, first.1, of: nodes, machines) }
  }

  /// Machines that take pods, less what runs on them.
  private func rooms(_ machines: [MachineObject]) -> [Room] {
    var used: [String: (milliCPU: Int, memoryBytes: Int64, pods: Int)] = [:]
    for pod in pods {
      guard let machine = pod.spec?.nodeName, pod.status?.phase != "Succeeded", pod.status?.phase != "Failed" else {
        continue
      }
      var sum = used[machine] ?? (0, 0, 0)
      for container in pod.spec?.containers ?? [] {
        sum.milliCPU += KubeQuantity.thousandths(container.resources?.requests?["cpu"]) ?? 0
        sum.memoryBytes += KubeQuantity.bytes(container.resources?.requests?["memory"]) ?? 0
      }
      sum.pods += 1
      used[machine] = sum
    }
    return machines.filter(isOpen).map { machine in
      let taken = used[machine.metadata.name ?? ""] ?? (0, 0, 0)
      let allocatable = machine.status?.allocatable
      return Room(
        type: machine.metadata.labels?[Self.typeLabel] ?? "",
        milliCPU: (KubeQuantity.thousandths(allocatable?["cpu"]) ?? 0) - taken.milliCPU,
        memoryBytes: (KubeQuantity.bytes(allocatable?["memory"]) ?? 0) - taken.memoryBytes,
        pods: (KubeQuantity.thousandths(allocatable?["pods"]) ?? 110_000) / 1000 - taken.pods)
    }
  }

  /// Ready, not cordoned, and without taints that the pods do not accept.
  private func isOpen(_ machine: MachineObject) -> Bool {
    guard machine.spec?.unschedulable != true,
      machine.status?.conditions?.first(where: { $0.type == "Ready" })?.status == "True"
    else { return false }
    return (machine.spec?.taints ?? []).allSatisfy { taint in
      taint.effect == "PreferNoSchedule"
        || options.tolerations.contains { toleration in
          toleration.key == taint.key && (toleration.effect ?? taint.effect) == taint.effect
            && (toleration.value ?? taint.value ?? "") == (taint.value ?? "")
        }
    }
  }

  private func missing(
    _ left: [DesiredNode], _ first: DesiredNode, _ amount: NodeAmount, of all: [DesiredNode],
    _ machines: [MachineObject]
  ) -> RuntimeError {
    let each = (amount.mebibytes.map { "\($0) MiB and " } ?? "") + "\(amount.milliCPU)m of CPU each"
    let named = left.prefix(5).map(\.id.text).joined(separator: ", ") + (left.count > 5 ? ", …" : "")
    let counts = machines.reduce(into: [String: Int]()) {
      $0[$1.metadata.labels?[Self.typeLabel] ?? "no type", default: 0] += 1
    }
    let types = counts.sorted { $0.key < $1.key }.prefix(10).map { "\($0.value) × \($0.key)" }.joined(separator: ", ")
    if let type = first.settings.instanceType, counts[type] == nil {
      return RuntimeError(
        .noCapacity,
        "the cluster has no machine of type \(type), which \(left.count) of \(all.count) nodes need (\(named)); it has "
          + (types.isEmpty ? "none at all" : types),
        remedy: "add a node group of that type, or plan with the types that the cluster has")
    }
    let same = machines.filter { $0.metadata.labels?[Self.typeLabel] == first.settings.instanceType }
    let closed = same.count { !isOpen($0) }
    let place =
      first.settings.instanceType.map { "\(same.count) machines of type \($0)" } ?? "\(machines.count) machines"
    return RuntimeError(
      .noCapacity,
      "\(left.count) of \(all.count) nodes have no place (\(named)): they need \(each), and the cluster has \(place)"
        + (closed > 0 ? ", \(closed) of them not ready, cordoned or tainted" : ""),
      remedy: "add machines, or stop what else runs on them; with an autoscaler, say --machines-on-demand")
  }

  private func checkQuotas(_ nodes: [DesiredNode]) throws {
    guard !nodes.isEmpty else { return }
    let amounts = nodes.map { NodeAmount($0.settings, options) }
    let memory = Double(amounts.reduce(0) { $0 + ($1.mebibytes ?? 0) }) * 0x1p20
    let cpu = Double(amounts.reduce(0) { $0 + $1.milliCPU }) / 1000
    let needed = [
      "pods": Double(nodes.count), "count/pods": Double(nodes.count), "requests.memory": memory, "memory": memory,
      "limits.memory": memory, "requests.cpu": cpu, "cpu": cpu, "services": Double(nodes.count),
      "count/deployments.apps": Double(nodes.count), "count/services": Double(nodes.count),
    ]
    for quota in quotas {
      for (name, amount) in needed.sorted(by: { $0.key < $1.key }) {
        guard let hard = quota.status?.hard?[name], let most = KubeQuantity.value(hard) else { continue }
        let used = quota.status?.used?[name] ?? "0"
        guard (KubeQuantity.value(used) ?? 0) + amount > most else { continue }
        throw RuntimeError(
          .noCapacity,
          "the quota '\(quota.metadata.name ?? "")' of namespace '\(options.namespace)' allows \(name) of \(hard), of "
            + "which \(used) are used, and \(nodes.count) nodes need "
            + (name.contains("memory") ? "\(Int64(amount) >> 20)Mi" : "\(amount)") + " more",
          remedy: "have the quota raised, or deploy fewer nodes")
      }
    }
  }
}
