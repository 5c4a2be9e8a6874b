import AccessLogs
import Foundation
import PlannerCore
import Testing

/// A log that was made of a known workload says that workload, within the intervals that are printed.
@Suite struct KnownWorkloadTests {
  private static func isWithin(_ value: Double, _ interval: Estimate, widened: Double = 1) -> Bool {
    let slack = (interval.high - interval.low) / 2 * (widened - 1)
    return interval.low - slack <= value && value <= interval.high + slack
  }

  @Test(arguments: LogFormat.allCases)
  func ratesAndPopularityComeBack(_ format: LogFormat) throws {
    let truth = Logs.group(models: 40, total: 60, popularity: .zipf(exponent: 1.1))
    let (workload, findings) = try Logs.read(Logs.text(Logs.schedule(truth, seconds: 2000), format))
    #expect(findings.format == format.rawValue && findings.leftOut.isEmpty)
    let group = try #require(findings.groups.first)
    #expect(group.models == 40 && group.popularity.law == "zipf")
    #expect(Self.isWithin(60, group.ratePerSecond, widened: 2))
    #expect(Self.isWithin(1.1, try #require(group.popularity.zipfExponent), widened: 2))
    #expect(group.hottest[0].name == "m0")
    #expect(Self.isWithin(truth.rate(ofModel: 0), group.hottest[0].ratePerSecond, widened: 2))
    #expect(group.arrivals.process == "poisson" && workload.groups[0].arrivals == .poisson)
    #expect(abs(workload.groups[0].totalRatePerSecond - findings.ratePerSecond.estimate) < 1e-9)
    #expect(workload.groups[0].modelNames?.count == 40)
  }

  @Test(arguments: LogFormat.allCases)
  func equalModelsAreUniform(_ format: LogFormat) throws {
    let truth = Logs.group(models: 25, total: 50)
    let (workload, findings) = try Logs.read(Logs.text(Logs.schedule(truth, seconds: 1000), format))
    #expect(workload.groups[0].popularity == .uniform && findings.groups[0].popularity.zipfExponent == nil)
  }

  /// Shares of no law are listed, with their models.
  @Test func oddSharesAreListed() throws {
    let shares = (0..<20).map { $0 < 10 ? 0.099 : 0.001 }
    let truth = Logs.group(models: 20, total: 100, popularity: .shares(shares))
    let (workload, findings) = try Logs.read(Logs.text(Logs.schedule(truth, seconds: 1000), .csv))
    #expect(findings.groups[0].popularity.law == "listed")
    guard case .shares(let listed) = workload.groups[0].popularity else {
      Issue.record("not listed")
      return
    }
    #expect(abs(listed.reduce(0, +) - 1) < 1e-9)
    for (name, share) in zip(try #require(workload.groups[0].modelNames), listed) {
      let model = try #require(Int(name.dropFirst()))
      #expect(abs(share - shares[model]) < 5 * (shares[model] / 100_000).squareRoot())
    }
  }

  /// Cut to whole seconds or not, slow models or fast ones: the windows do not notice.
  @Test(arguments: LogFormat.allCases, [(0.5, 1, 0.6), (2, 4, 4.0), (1.5, 1, 60.0)])
  func burstinessComesBack(_ format: LogFormat, _ truth: (cv: Double, models: Int, rate: Double)) throws {
    let group = Logs.group(
      models: truth.models, total: truth.rate * Double(truth.models), arrivals: .gamma(cv: truth.cv))
    let seconds = min(200_000 / truth.rate / Double(truth.models), 60_000)
    let (workload, findings) = try Logs.read(Logs.text(Logs.schedule(group, seconds: seconds), format))
    let found = findings.groups[0].arrivals
    let cv = try #require(found.cv)
    #expect(Self.isWithin(truth.cv, cv, widened: 2), "\(cv)")
    #expect(cv.high - cv.low < truth.cv, "the interval says nothing: \(cv)")
    #expect(found.process == "gamma")
    guard case .gamma(let written) = workload.groups[0].arrivals else { return }
    #expect(abs(written - cv.estimate) < 0.001)
  }

  /// Bursts that the windows cannot hold are told as large ones all the same, within an interval that holds the figure.
  @Test func longBurstsAreBursts() throws {
    let group = Logs.group(models: 2, total: 8, arrivals: .gamma(cv: 8))
    let (workload, findings) = try Logs.read(Logs.text(Logs.schedule(group, seconds: 20_000), .common))
    let cv = try #require(findings.groups[0].arrivals.cv)
    #expect(cv.estimate > 4 && cv.low < cv.estimate && cv.estimate < cv.high && cv.high < 20, "\(cv)")
    #expect(workload.groups[0].arrivals.name == "gamma")
  }

  /// Many models in a short time are many pairs of windows, and all of the same few seconds.
  @Test func aShortLogSaysNothingOfBursts() throws {
    let group = Logs.group(models: 100, total: 5000, arrivals: .gamma(cv: 2))
    let (workload, findings) = try Logs.read(Logs.text(Logs.schedule(group, seconds: 30), .envoy))
    #expect(findings.groups[0].arrivals.cv == nil && workload.groups[0].arrivals == .poisson)
  }

  @Test func evenArrivalsAreDeterministic() throws {
    let group = Logs.group(models: 3, total: 3 * 7.3, arrivals: .deterministic)
    let (workload, _) = try Logs.read(Logs.text(Logs.schedule(group, seconds: 2000), .common))
    #expect(workload.groups[0].arrivals == .deterministic)
  }

  /// Lines that come later than they happened count in the minute in which they happened.
  @Test func lateLinesMakeNoBusyMinute() throws {
    let text = (1...600).reversed().map { "\($0),a\n" }.joined()
    let (_, findings) = try Logs.read(text, nil, Logs.settings())
    #expect(findings.busiest?.ratePerSecond == 1 && findings.ratePerSecond.estimate > 0.99)
  }

  /// A rate that doubles and halves through the day is no burstiness, and the busiest hour is found.
  @Test func busyHoursAreNoBursts() throws {
    var random = RandomStream(seed: 4, stream: "day")
    var lines: [String] = []
    var time = 0.0
    while time < 86_400 {
      let rate = 2 + 1.5 * sin(time / 86_400 * 2 * .pi)
      time += random.exponential() / rate
      lines.append("\(time),m")
    }
    let text = lines.joined(separator: "\n")
    let (mean, findings) = try Logs.read(text)
    let cv = try #require(findings.groups[0].arrivals.cv)
    #expect(Self.isWithin(1, cv, widened: 2) && mean.groups[0].arrivals == .poisson)
    let busiest = try #require(findings.busiest)
    // The peak is at six hours.
    #expect(busiest.lengthSeconds == 3600 && abs(busiest.startSeconds + 1800 - 21_600) < 7200)
    #expect(abs(busiest.ratePerSecond - 3.5) < 0.2 && abs(findings.ratePerSecond.estimate - 2) < 0.05)
    let (peak, _) = try Logs.read(text, nil, Logs.settings(window: .busiest))
    #expect(peak.groups[0].totalRatePerSecond == busiest.ratePerSecond)
    #expect(peak.source.contains("busiest 60 min") && mean.source.contains("mean"))
  }

  @Test func sizesComeBack() throws {
    let bins = [(8, 0.5), (200, 0.4), (3000, 0.1)].map { SizeWeight(size: $0, weight: $1) }
    let truth = Logs.group(models: 2, total: 50, sizes: .histogram(bins))
    let (workload, findings) = try Logs.read(Logs.text(Logs.schedule(truth, seconds: 1000), .csv))
    guard case .histogram(let found) = workload.groups[0].requests.sizes else {
      Issue.record("no histogram")
      return
    }
    #expect(found.map(\.size) == [8, 200, 3000])
    let requests = found.reduce(0) { $0 + $1.weight }
    #expect(Int(requests) == findings.requests)
    for (a, b) in zip(found, bins) { #expect(abs(a.weight / requests - b.weight) < 0.02) }
    let sizes = try #require(findings.groups[0].sizes)
    #expect(sizes.p50 == 8 || sizes.p50 == 200)
    #expect(sizes.p99 == 3000 && sizes.largest == 3000 && abs(sizes.mean - 384) < 20)
    // One size is a number, and a size that the user names wins.
    let (one, _) = try Logs.read("0,a,7\n1,a,7\n2,b,7\n")
    #expect(one.groups[0].requests.sizes == .fixed(7))
    let (said, _) = try Logs.read("0,a,7\n1,a,9\n", nil, Logs.settings(size: 12))
    #expect(said.groups[0].requests.sizes == .fixed(12))
  }

  /// However many sizes there are, the histogram stays small, keeps its total, and takes nothing for shorter.
  @Test func manySizesAreFewBins() throws {
    let lines = (1...20_000).map { "\($0),m,\($0 * 5)" }
    let (workload, _) = try Logs.read(lines.joined(separator: "\n"))
    guard case .histogram(let bins) = workload.groups[0].requests.sizes else {
      Issue.record("no histogram")
      return
    }
    #expect(bins.count <= 256 && bins.count > 100 && bins.reduce(0) { $0 + $1.weight } == 20_000)
    #expect(bins.last?.size == 100_000 && zip(bins, bins.dropFirst()).allSatisfy { $0.size < $1.size })
    var atMost = 0.0
    for bin in bins {
      atMost += bin.weight
      // So many requests are truly no longer than the bin's size.
      #expect(Int(atMost) <= bin.size / 5)
      #expect(bin.size / 5 - Int(atMost) <= 200)
    }
  }

  // MARK: Repositories

  @Test func modelsAreGroupedByArchitecture() throws {
    let folder = try Folder("0,a\n1,b\n2,a\n3,stranger\n4,c\n")
    let groups = [
      LogGroup(name: "bert", architecture: "bert", models: ["a", "z"]),
      LogGroup(name: "lstm", architecture: "lstm", models: ["b", "c"]),
      LogGroup(name: "idle", architecture: "idle", models: ["q"]),
    ]
    let places = ["a": 0, "z": 0, "b": 1, "c": 1, "q": 2]
    let log = try AccessLog.read(folder.path, groups: 3, groupOfName: { places[$0] })
    let (workload, findings) = try Logs.settings(groups: groups).make(log)
    #expect(workload.groups.map(\.name) == ["bert", "lstm"] && findings.groupsNeverAsked == ["idle"])
    #expect(workload.groups[0].modelNames == ["a", "z"] && workload.groups[0].models == 2)
    #expect(findings.groups[0].modelsNeverAsked == 1 && findings.groups[1].modelsSeldomAsked == 2)
    #expect(findings.leftOut.map(\.reason) == ["unknownModel"] && findings.leftOut[0].firstLine == 4)
    #expect(abs(workload.totalRatePerSecond - 3.0 / 4) < 1e-9)
  }
}
