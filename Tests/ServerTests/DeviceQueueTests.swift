import Foundation
import Serving
import Synchronization
import Testing

/// One queue for each device, and models spread over them.
@Suite(.serialized) struct DeviceQueueTests {
  @Test func modelsGoWhereTheFewestBytesAre() {
    let balance = DeviceBalance(devices: ["neuron:0", "neuron:1", "neuron:2"])
    var places = [30, 10, 10, 10].map { balance.place(bytes: $0) }
    #expect(places.map(\.index) == [0, 1, 2, 1] && places[1].device == "neuron:1")
    // A model that goes leaves its bytes free: 30, 10, 0 of them are taken then.
    places.remove(at: 2)
    places.remove(at: 1)
    places.append(balance.place(bytes: 5))
    #expect(places.map(\.index) == [0, 1, 2])
  }

  /// How many requests its queue held when it came.
  private static func ahead(_ answer: ServerProcess.Answer) throws -> Int {
    let timings = try #require(answer.headers["x-planner-timings"] as? String)
    return try #require(timings.split(separator: ";").first { $0.hasPrefix("ahead=") }.flatMap { Int($0.dropFirst(6)) })
  }

  /// The Neuron runtime's variable makes devices of a machine without any; plain models run on the host all the same.
  @Test func aModelThatIsBusyKeepsNobodyOfAnotherDeviceWaiting() async throws {
    let server = try ServerProcess.ready(["--device", "neuron"], environment: ["NEURON_RT_NUM_CORES": "2"])
    defer { server.terminate() }
    let metrics = try await server.ask("/metrics").body
    #expect(metrics.contains("\nmodel_server_workers 2\n"))
    // Each takes a worker long enough for the others to be there.
    let ids = Array(repeating: "5", count: 16 * 512).joined(separator: ",")
    let long = #"{"inputs":[{"name":"input_ids","shape":[16,512],"datatype":"INT64","data":[\#(ids)]}]}"#
    let isBusy = Atomic(true)
    async let busy = withThrowingTaskGroup(of: Int.self) { group in
      defer { isBusy.store(false, ordering: .relaxed) }
      for _ in 0..<5 { group.addTask { try Self.ahead(try await server.post("/v2/models/model0/infer", long)) } }
      return try await group.reduce(into: [Int]()) { $0.append($1) }
    }
    var others: [Int] = []
    repeat {
      try await Task.sleep(for: .milliseconds(5))
      others.append(try Self.ahead(try await server.post("/v2/models/model1/infer", #"{"input_ids":[2,17,3]}"#)))
    } while isBusy.load(ordering: .relaxed)
    // They met each other on a device of one worker, and none of them stood before a request to the other device's
    // model.
    let most = try await busy.max() ?? 0
    #expect(most >= 1)
    #expect(others.allSatisfy { $0 == 0 })
  }

  @Test func aKindWithoutDevicesIsRefused() throws {
    let (status, said) = try ServerProcess(
      ["--port", "0", "--device", "neuron"], environment: ["NEURON_RT_NUM_CORES": "0"]
    ).end()
    #expect(status == 69 && said.contains("there is no device neuron"), "\(said)")
  }
}
