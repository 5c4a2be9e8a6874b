import Executor
import Foundation
import KubernetesRuntime
import Testing

/// Whether a cluster has room.
@Suite struct CapacityTests {
  private static func machine(
    _ index: Int, type: String = "c7g.4xlarge", memory: String = "27322Mi", taints: String = "[]",
    ready: String = "True",
    cordoned: Bool = false
  ) throws -> MachineObject {
    try decoded(
      #"{"metadata":{"name":"m\#(index)","labels":{"node.kubernetes.io/instance-type":"\#(type)"}},"#
        + #""spec":{"unschedulable":\#(cordoned),"taints":\#(taints)},"status":{"allocatable":{"cpu":"15890m","#
        + #""memory":"#
        + #""\#(memory)","pods":"110"},"conditions":[{"type":"Ready","status":"\#(ready)"}]}}"#)
  }

  private static func refused(
    _ machines: [MachineObject]?, _ nodes: Int, pods: [PodObject] = [], quotas: [QuotaObject] = [],
    type: String? = "c7g.4xlarge", _ change: (inout KubernetesOptions) -> Void = { _ in }
  ) -> RuntimeError? {
    let check = CapacityCheck(machines: machines, pods: pods, quotas: quotas, options: usual(change))
    return refusal { try check.check(shop(nodes, type: type).nodes) }
  }

  @Test func exactlyAsManyNodesFitAsThereAreMachines() throws {
    let machines = try (0..<60).map { try Self.machine($0) }
    #expect(Self.refused(machines, 60) == nil)
    let error = try #require(Self.refused(Array(machines.dropLast()), 60))
    #expect(error.kind == .noCapacity && error.message.hasPrefix("1 of 60 nodes have no place (node-59)"))
    #expect(error.message.contains("23040 MiB") && error.message.contains("59 machines of type c7g.4xlarge"))
    #expect(Self.refused(Array(machines.dropLast()), 60) { $0.machinesComeOnDemand = true } == nil)
    #expect(Self.refused(nil, 60) == nil)
  }

  @Test func machinesThatTakeNoPodsDoNotCount() throws {
    let taint = #"[{"key":"dedicated","value":"db","effect":"NoSchedule"}]"#
    let closed = [
      try Self.machine(0, taints: taint), try Self.machine(1, ready: "Unknown"), try Self.machine(2, cordoned: true),
    ]
    for machine in closed {
      #expect(Self.refused([machine], 1)?.message.contains("1 of them not ready, cordoned or tainted") == true)
    }
    #expect(Self.refused([closed[0]], 1) { $0.tolerations = [.init(key: "dedicated")] } == nil)
    #expect(Self.refused([closed[0]], 1) { $0.tolerations = [.init(key: "dedicated", value: "web")] } != nil)
    let soft = try Self.machine(0, taints: #"[{"key":"a","effect":"PreferNoSchedule"}]"#)
    #expect(Self.refused([soft], 1) == nil)
  }

  @Test func aTypeThatIsNotThereIsNamedWithThoseThatAre() throws {
    let error = Self.refused([try Self.machine(0, type: "c5.large"), try Self.machine(1, type: "c5.large")], 2)
    #expect(error?.message.contains("no machine of type c7g.4xlarge") == true)
    #expect(error?.message.contains("2 × c5.large") == true && error?.remedy.contains("node group") == true)
    #expect(Self.refused([try Self.machine(0, type: "c5.large")], 1, type: nil) == nil)
    #expect(Self.refused([], 1)?.message.contains("none at all") == true)
  }

  @Test func whatRunsOnAMachineTakesItsRoom() throws {
    let pod: PodObject = try decoded(
      #"{"metadata":{"name":"x"},"spec":{"nodeName":"m0","containers":[{"resources":{"requests":{"memory":"6Gi"}}},"#
        + #"{"resources":{"requests":{"memory":"1000M"}}}]},"status":{"phase":"Running"}}"#)
    let machines = [try Self.machine(0)]
    #expect(Self.refused(machines, 1) == nil)
    #expect(Self.refused(machines, 1, pods: [pod]) != nil)
    let done: PodObject = try decoded(
      #"{"metadata":{"name":"x"},"spec":{"nodeName":"m0","containers":[{"resources":{"requests":{"memory":"6Gi"}}}]},"#
        + #""status":{"phase":"Succeeded"}}"#
    )
    #expect(Self.refused(machines, 1, pods: [done]) == nil)
    // Two of them fit where there is room for two.
    #expect(Self.refused([try Self.machine(0, memory: "60Gi")], 2) == nil)
  }

  @Test func quotasAreCounted() throws {
    func quota(_ hard: String, _ used: String) throws -> QuotaObject {
      try decoded(#"{"metadata":{"name":"team"},"status":{"hard":{\#(hard)},"used":{\#(used)}}}"#)
    }
    let machines = try (0..<4).map { try Self.machine($0) }
    let tight = try quota(#""requests.memory":"50Gi""#, #""requests.memory":"10Gi""#)
    #expect(Self.refused(machines, 1, quotas: [tight]) == nil)
    let error = Self.refused(machines, 2, quotas: [tight])
    #expect(error?.kind == .noCapacity && error?.message.contains("'team'") == true)
    #expect(error?.message.contains("requests.memory of 50Gi, of which 10Gi are used") == true)
    #expect(
      Self.refused(machines, 2, quotas: [try quota(#""pods":"2""#, #""pods":"1""#)])?.message.contains("pods of 2")
        == true)
    // A quota holds where machines are made on demand, too.
    #expect(Self.refused(nil, 2, quotas: [tight]) { $0.machinesComeOnDemand = true } != nil)
  }
}
