import Executor
import Testing

/// What a plan's name and figures become on the way to a runtime.
@Suite struct PlanNamesTests {
  @Test func aPlanIsDeployedUnderItsNameOrTheNearestThatIsItsOwn() {
    #expect(DeploymentID(ofPlan: "shop").text == "shop" && DeploymentID(ofPlan: "shop-2").text == "shop-2")
    let odd = [
      "Shop", "shop 2", "shop_2", "shop.2", "2shop", "-shop", "shop-", "", " ", "ü", "../../etc", "$(reboot)",
      String(repeating: "n", count: 41), String(repeating: "n", count: 42), "a\u{0}b", "a\nb",
    ]
    let ids = odd.map { DeploymentID(ofPlan: $0) }
    for (name, id) in zip(odd, ids) {
      #expect(DeploymentID(id.text) == id, "\(name)")
      #expect(DeploymentID(ofPlan: name) == id)
      // What it became is no other plan's: that plan keeps its name.
      #expect(id.text != name)
    }
    #expect(Set(ids).count == odd.count)
    #expect(ids[0].text.hasPrefix("shop-"))
  }

  @Test func aLimitLeavesRoomForWhatNoFigureCounts() {
    func limit(_ bytes: Int64?) -> Int64? {
      NodeSettings(repository: "m", workers: 1, threadsPerWorker: 1, memoryBytes: bytes).memoryLimitBytes
    }
    #expect(limit(nil) == nil && limit(0) == nil && limit(-1) == nil && limit(.max) == nil)
    #expect(limit(1) == 268_435_457)
    #expect(limit(2 << 30) == (2 << 30) + (256 << 20) && limit(16 << 30) == 18 << 30)
    // Never less for more.
    let limits = stride(from: Int64(1), to: 64 << 30, by: 97 << 20).compactMap(limit)
    #expect(limits == limits.sorted())
  }

  @Test func anotherImageIsAnotherRevision() {
    var settings = NodeSettings(repository: "m", workers: 1, threadsPerWorker: 1)
    let without = settings.revision
    settings.image = "sha256:1"
    let first = settings.revision
    settings.image = "sha256:2"
    #expect(Set([without, first, settings.revision]).count == 3)
  }
}
