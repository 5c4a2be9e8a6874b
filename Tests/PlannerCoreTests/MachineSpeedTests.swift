import PlannerCore
import Testing

/// How a profile is stretched to the machine's speed of the moment.
@Suite struct MachineSpeedTests {
  static func service() throws -> ServiceModel {
    let provenance = Provenance(.measured, source: "test")
    return ServiceModel(
      computeSeconds: try #require(QuantileTable(samples: [0.001, 0.002, 0.003])),
      overheadSeconds: try #require(QuantileTable(samples: [0.0002, 0.0004, 0.0006])), betweenRunCV: 0.1,
      computeProvenance: provenance, overheadProvenance: provenance, dispatchGapSeconds: 1e-5, wakeUpSeconds: 2e-5,
      computeTraceSeconds: [0.001, 0.003])
  }

  @Test func factorsAreOfTheMeanAndOfTheMedian() throws {
    let service = try Self.service()
    let compute = Array(repeating: 0.003, count: 200)
    // One in four overheads is huge: the median does not mind.
    let overhead = (0..<100).map { $0 % 4 == 0 ? 1.0 : 0.0003 }
    let speed = try #require(MachineSpeed(of: service, compute: compute, overhead: overhead))
    #expect(abs(speed.computeFactor - 0.003 / service.computeSeconds.mean) < 1e-12)
    #expect(abs(speed.overheadFactor - 0.75) < 1e-12)
  }

  @Test func stretchedModelShowsTheMeasuredMean() throws {
    let service = try Self.service()
    let compute = (0..<150).map { 0.001 + 0.00001 * Double($0) }
    let overhead = Array(repeating: 0.0005, count: 150)
    let stretched = service.at(try #require(MachineSpeed(of: service, compute: compute, overhead: overhead)))
    #expect(abs(stretched.computeSeconds.mean - compute.reduce(0, +) / 150) < 1e-12)
    #expect(abs(stretched.overheadSeconds.quantile(0.5) - 0.0005) < 1e-12)
    let factor = stretched.computeSeconds.mean / service.computeSeconds.mean
    #expect(abs(try #require(stretched.wakeUpSeconds) - 2e-5 * factor) < 1e-15)
    #expect(abs(try #require(stretched.dispatchGapSeconds) - 1e-5 * factor) < 1e-15)
    let trace = try #require(stretched.computeTraceSeconds)
    #expect(zip(trace, [0.001 * factor, 0.003 * factor]).allSatisfy { abs($0 - $1) < 1e-15 } && trace.count == 2)
    #expect(service.at(.asProfiled) == service)
  }

  @Test func manyMeasuredTimesStandBesideTheProfiles() throws {
    let service = try Self.service()
    let compute = (0..<MeasuredTimes.leastRequests).map { 0.001 + 0.000001 * Double($0 * 7919 % 1000) }
    let overhead = (0..<99).map { 0.0003 + 0.0001 * Double($0 % 3) }
    var times = MeasuredTimes(compute: compute, overhead: overhead, wake: 3e-6, dispatchGap: nil)
    let speed = try #require(MachineSpeed(of: service, compute: compute, overhead: overhead))
    let measured = service.at(speed, beside: times)
    let mean = compute.reduce(0, +) / Double(compute.count)
    #expect(abs(measured.computeSeconds.mean - mean) < 0.01 * mean && measured.wakeUpSeconds == 3e-6)
    // First what was measured now, then the profile's at that speed.
    let trace = try #require(measured.computeTraceSeconds)
    #expect(Array(trace.prefix(compute.count)) == compute && trace.count == compute.count + 2)
    #expect(abs(trace[compute.count] - 0.001 * mean / service.computeSeconds.mean) < 1e-9)
    #expect(abs(measured.overheadSeconds.quantile(0.5) - 0.0004) < 1e-9)
    // What was not seen, and what one occasion cannot tell, stays the profile's.
    #expect(measured.dispatchGapSeconds == 1e-5 && measured.betweenRunCV == 0.1)
    times.compute.removeLast()
    #expect(service.at(speed, beside: times) == service.at(speed))
  }

  @Test func tooFewRequestsTellNothing() throws {
    let service = try Self.service()
    let many = Array(repeating: 0.001, count: 100)
    #expect(MachineSpeed(of: service, compute: many, overhead: many) != nil)
    #expect(MachineSpeed(of: service, compute: Array(many.dropLast()), overhead: many) == nil)
    #expect(MachineSpeed(of: service, compute: many, overhead: Array(many.prefix(24))) == nil)
    #expect(MachineSpeed(of: service, compute: many, overhead: Array(repeating: 0, count: 100)) == nil)
  }
}
