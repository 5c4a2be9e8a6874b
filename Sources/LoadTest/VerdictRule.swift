import PlannerCore

/// What a run says of its target.
public struct LoadVerdict: Hashable, Sendable {
  public var verdict: Verdict
  /// Probability, before the run, of seeing less convincing evidence were the truth exactly at the target;
  /// for `undecided`, of the side that the evidence leans to; 0 where the run says nothing.
  public var confidence: Double
  /// Reason of the verdict, a sentence.
  public var reason: String
  /// Measured p99 with its interval, seconds; infinite where unanswered requests or too few of them leave no bound.
  public var p99: Estimate
  public var valid: Bool
  public var invalidReason: String?
  /// Factor by which the samples count less because neighbours in time resemble each other.
  public var designEffect: Double
}

/// Judges a measured quantile against a target.
///
/// The interval is the distribution-free one of order statistics (`QuantileInterval`), with the sample
/// count divided by the design effect of the exceedances. `pass` where its upper end is at or below the
/// target, `fail` where its lower end is above it, else `undecided`. Requests that were rejected or timed
/// out have infinite latency. A run with failed requests, or whose generator fell behind, is invalid and
/// decides nothing.
public struct VerdictRule: Hashable, Sendable {
  public var targetSeconds: Double
  public var quantile = 0.99
  public var level = 0.95

  public init(targetSeconds: Double) {
    self.targetSeconds = targetSeconds
  }

  /// Complexity: O(n).
  public func judge(_ result: LoadResult) -> LoadVerdict {
    let measured = result.quantileSeconds(quantile)
    let exceeds = result.samples.map { $0.outcome != .completed || $0.latencySeconds > measured }
    let effect = LoadTest.designEffect(exceeds)
    let effective = Int(Double(result.counts.sent) / effect)
    let p99 = interval(of: result, measured: measured, effective: effective)
    var verdict = LoadVerdict(
      verdict: .undecided, confidence: 0, reason: "", p99: p99, valid: result.valid,
      invalidReason: result.invalidReason, designEffect: effect)
    if result.counts.failed > 0, verdict.valid {
      verdict.valid = false
      let example = result.firstFailure.map { ", the first: \($0)" } ?? ""
      verdict.invalidReason = "\(result.counts.failed) of \(result.counts.sent) requests failed\(example)"
    }
    guard verdict.valid else {
      verdict.reason = "invalid run: \(verdict.invalidReason ?? "no reason was kept")"
      return verdict
    }
    decide(&verdict, result, effective: effective)
    return verdict
  }

  private func decide(_ verdict: inout LoadVerdict, _ result: LoadResult, effective: Int) {
    let over = result.counts.sent - result.latenciesSeconds.count(atMost: targetSeconds)
    let (forPass, forFail) = confidences(over: over, of: result.counts.sent, effective: effective)
    let p99 = verdict.p99
    let upper = p99.high.isFinite ? " to \(milliseconds(p99.high))" : p99.low.isFinite ? " and more" : ""
    let measured = "measured p99 \(result.text(p99.estimate)) (95 % interval \(result.text(p99.low))\(upper))"
    if p99.high <= targetSeconds {
      verdict.verdict = .pass
      verdict.confidence = forPass
      verdict.reason = "\(measured) lies below the target of \(milliseconds(targetSeconds))"
    } else if p99.low > targetSeconds {
      verdict.verdict = .fail
      verdict.confidence = forFail
      verdict.reason = "\(measured) lies above the target of \(milliseconds(targetSeconds))"
    } else {
      verdict.confidence = max(forPass, forFail)
      let cause =
        p99.high.isFinite
        ? "the target of \(milliseconds(targetSeconds)) lies inside it"
        : "\(result.counts.sent) requests are too few for an upper bound, or too many were not answered"
      verdict.reason = "\(measured): \(cause); a longer run decides"
    }
  }

  /// Ranks are found for the effective number of samples and stretched to the real one, outwards.
  private func interval(of result: LoadResult, measured: Double, effective: Int) -> Estimate {
    let ranks = QuantileInterval(samples: effective, quantile: quantile, level: level)
    let stretch = effective > 0 ? Double(result.counts.sent) / Double(effective) : 1
    var low = 0.0
    if let rank = ranks.lowerRank {
      let index = max(0, Int((Double(rank) * stretch).rounded(.down)) - 1)
      low = result.latency(rank: index) ?? .infinity
    }
    var high = Double.infinity
    if let rank = ranks.upperRank {
      let index = min(result.counts.sent, Int((Double(rank) * stretch).rounded(.up))) - 1
      high = result.latency(rank: index) ?? .infinity
    }
    return Estimate(estimate: measured, low: min(low, measured), high: max(high, measured))
  }

  /// One-sided: were the true share above the target exactly 1 − quantile, how likely fewer (or more)
  /// exceedances than were seen would not be.
  private func confidences(over: Int, of sent: Int, effective: Int) -> (pass: Double, fail: Double) {
    guard sent > 0 else { return (0, 0) }
    let scaled = Double(over) * Double(effective) / Double(sent)
    let edge = Binomial(trials: effective, probability: 1 - quantile)
    let pass = 1 - edge.cumulative(Int(scaled.rounded(.up)))
    let fail = edge.cumulative(Int(scaled.rounded(.down)) - 1)
    return (max(0, pass), fail)
  }
}

extension [Double] {
  /// How many of an ascending array are at or below `limit`. Complexity: O(log n).
  func count(atMost limit: Double) -> Int {
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if self[middle] <= limit { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
