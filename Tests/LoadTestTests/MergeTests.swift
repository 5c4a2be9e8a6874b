import LoadTest
import PlannerCore
import ServerContract
import Testing

/// Results of parts of one schedule add up to the result of the whole.
@Suite struct MergeTests {
  /// A run as it may come out: bursts, all outcomes, late sends.
  private struct Run {
    var samples: [LoadSample] = []
    let warmup = 2.0
    let duration: Double

    init(seed: UInt64) {
      var random = RandomStream(seed: seed, stream: "merge")
      duration = 10 + 20 * random.uniform()
      let rate = 20 + 200 * random.uniform()
      let bad = random.uniform() < 0.5 ? 0 : 0.1 * random.uniform()
      let lag = random.uniform() < 0.8 ? 0.0002 : 0.01
      var time = 0.0
      var slow = 1.0
      while time < duration {
        var sample = LoadSample(dueSeconds: time, model: random.integer(below: 5))
        if random.uniform() < 0.02 { slow = random.uniform() < 0.5 ? 1 : 8 }
        sample.latencySeconds = random.exponential() * 0.004 * slow
        sample.lagSeconds = random.exponential() * lag
        sample.outcome =
          random.uniform() < bad
          ? [.rejected, .timedOut, .failed][random.integer(below: 3)] : .completed
        if sample.outcome == .failed { sample.complaint = "at \(time)" }
        if random.uniform() < 0.9 {
          sample.timings = ServerTimings(
            queueSeconds: 0, computeSeconds: sample.latencySeconds / 2, totalSeconds: sample.latencySeconds, ahead: 0)
        }
        samples.append(sample)
        time += random.exponential() / rate
      }
    }

    func result(_ samples: [LoadSample], from: Double, to: Double, late: Int, busy: Double) -> LoadResult {
      LoadResult(
        samples: samples, fromSeconds: from, durationSeconds: to, timeoutSeconds: 10, lateConnections: late,
        generatorBusyShare: busy)
    }
  }

  private func expectEqual(_ merged: LoadResult, _ whole: LoadResult) {
    #expect(merged.samples == whole.samples && merged.latenciesSeconds == whole.latenciesSeconds)
    #expect(merged.counts == whole.counts && merged.counts.areComplete)
    #expect(merged.histogram.totalCount == whole.histogram.totalCount)
    for percent in [0.0, 50, 90, 99, 99.9, 100] {
      #expect(merged.histogram.valueAtPercentile(percent) == whole.histogram.valueAtPercentile(percent))
    }
    #expect(merged.fromSeconds == whole.fromSeconds && merged.durationSeconds == whole.durationSeconds)
    #expect(merged.lateConnections == whole.lateConnections && merged.firstFailure == whole.firstFailure)
    #expect(merged.invalidReason == whole.invalidReason)
    #expect(merged.elapsedSeconds == whole.elapsedSeconds)
    #expect(merged.utilization(workers: 2) == whole.utilization(workers: 2))
    #expect(merged.figures(memoryBytes: 1) == whole.figures(memoryBytes: 1))
    for target in [0.004, 0.015, 0.02, 0.03, 0.2] {
      let rule = VerdictRule(targetSeconds: target)
      #expect(rule.judge(merged) == rule.judge(whole))
    }
  }

  @Test(arguments: 0..<40 as Range<UInt64>)
  func twoHalvesAreTheWhole(seed: UInt64) {
    let run = Run(seed: seed)
    let whole = run.result(run.samples, from: run.warmup, to: run.duration, late: 5, busy: 0.4)

    // Two generators that share the requests, in any proportion.
    var random = RandomStream(seed: seed, stream: "split")
    let share = random.uniform()
    let isFirst = run.samples.map { _ in random.uniform() < share }
    let parts = [true, false].map { part in
      zip(run.samples, isFirst).filter { $1 == part }.map(\.0)
    }
    let one = run.result(parts[0], from: run.warmup, to: run.duration, late: 2, busy: 0.4)
    let two = run.result(parts[1], from: run.warmup, to: run.duration, late: 3, busy: 0.1)
    expectEqual(one.merged(with: two), whole)
    expectEqual(two.merged(with: one), whole)

    // One generator, cut in time.
    let cut = run.warmup + random.uniform() * (run.duration - run.warmup)
    let first = run.result(
      run.samples.filter { $0.dueSeconds < cut }, from: run.warmup, to: cut, late: 4, busy: 0.4)
    let second = run.result(
      run.samples.filter { $0.dueSeconds >= cut }, from: cut, to: run.duration, late: 1, busy: 0.4)
    expectEqual(first.merged(with: second), whole)
    expectEqual(second.merged(with: first), whole)
  }

  @Test(arguments: 0..<10 as Range<UInt64>)
  func windowsAddUpToTheRun(seed: UInt64) {
    let run = Run(seed: seed)
    let whole = run.result(run.samples, from: run.warmup, to: run.duration, late: 0, busy: 0)
    let windows = whole.windows(of: 1.5)
    var sum = LoadTally()
    for window in windows { sum.add(window.tally) }
    #expect(sum.outcomes == whole.counts)
    #expect(sum.histogram.valueAtPercentile(99) == whole.histogram.valueAtPercentile(99))
    #expect(windows.first?.fromSeconds == run.warmup && windows.last?.toSeconds == run.duration)
    #expect(zip(windows, windows.dropFirst()).allSatisfy { $0.toSeconds == $1.fromSeconds })
    for window in windows {
      let inside = run.samples.filter { $0.dueSeconds >= window.fromSeconds && $0.dueSeconds < window.toSeconds }
      #expect(window.tally.outcomes.sent == inside.count)
      #expect(window.tally.outcomes.completed == inside.count { $0.outcome == .completed })
    }
  }

  @Test func aTallyTellsQuantilesToThreeDigits() throws {
    var tally = LoadTally()
    #expect(tally.quantileSeconds(0.5) == nil)
    for index in 1...1000 {
      var sample = LoadSample(dueSeconds: 0, model: 0)
      sample.outcome = .completed
      sample.latencySeconds = Double(index) * 1e-3
      tally.add(sample)
    }
    #expect(abs(try #require(tally.quantileSeconds(0.99)) - 0.99) < 0.002)
  }
}
