import LoadTest
import PlannerCore
import Profiler

/// How fast nodes were found to be just before their run.
public struct CalibrationRun: Sendable {
  /// Over all requests that told.
  public var speed: MachineSpeed
  /// The nodes' figures with their times of the moment, in the order of the nodes.
  public var figures: [NodeFigures]
  /// Requests that told.
  public var requests: Int
  /// How long they were sent for, seconds.
  public var seconds: Double

  /// Models of one group in one variant: what has times of its own.
  private struct Kind: Hashable {
    var group: Int
    var variant: Variant
  }

  /// What the answers of one kind's models tell.
  private struct Finding {
    var kind: Kind
    var times: MeasuredTimes
    var speed: MachineSpeed
  }

  /// Each group's models in each variant are compared with their own profile; of those that were asked too seldom to
  /// tell, the machine's speed is taken to be that of the others together.
  ///
  /// - Returns: nil where nothing was answered often enough to tell.
  init?(of excerpt: Excerpt, result: LoadResult, seconds: Double) {
    let kinds = excerpt.layout.copies.map { Kind(group: $0.group, variant: excerpt.variant(of: $0)) }
    var samples: [Kind: [ServedSample]] = [:]
    for sample in result.samples {
      let copy = excerpt.layout.copies[sample.model]
      let sizes = excerpt.nodes[copy.node].figures.entries[copy.share].service.sizes ?? []
      guard let served = ServedSample(sample)?.asLargest(size: sample.size, sizes) else { continue }
      samples[kinds[sample.model], default: []].append(served)
    }
    var findings: [Finding] = []
    for (copy, kind) in zip(excerpt.layout.copies, kinds) where !findings.contains(where: { $0.kind == kind }) {
      guard let served = samples[kind] else { continue }
      let times = MeasuredTimes(served)
      let profiled = excerpt.nodes[copy.node].figures.entries[copy.share].service
      if let speed = MachineSpeed(of: profiled, compute: times.compute, overhead: times.overhead) {
        findings.append(Finding(kind: kind, times: times, speed: speed))
      }
    }
    guard !findings.isEmpty else { return nil }
    let told = findings.reduce(0) { $0 + $1.times.compute.count }
    let weights = findings.map { Double($0.times.compute.count) / Double(told) }
    let mean = MachineSpeed(
      computeFactor: zip(weights, findings).reduce(0) { $0 + $1.0 * $1.1.speed.computeFactor },
      overheadFactor: zip(weights, findings).reduce(0) { $0 + $1.0 * $1.1.speed.overheadFactor })
    speed = mean
    requests = told
    self.seconds = seconds
    figures = excerpt.nodes.map { node in
      var figures = node.figures
      for (index, share) in node.spec.models.enumerated() {
        let service = figures.entries[index].service
        let finding = findings.first {
          $0.kind.variant == share.variant && excerpt.demand.groups[$0.kind.group].name == share.group
        }
        figures.entries[index].service =
          finding.map { service.at($0.speed, beside: $0.times) } ?? service.at(mean)
      }
      return figures
    }
  }
}

extension ServedSample {
  /// The request as if it had been one of the largest: a profile's times are theirs.
  fileprivate func asLargest(size: Int, _ sizes: [SizeFactor]) -> ServedSample {
    guard let factor = (sizes.first { size <= $0.upTo } ?? sizes.last)?.factor, factor > 0 else { return self }
    var sample = self
    sample.compute = compute / factor
    sample.latency += sample.compute - compute
    return sample
  }
}
