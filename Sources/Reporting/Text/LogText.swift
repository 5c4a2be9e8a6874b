import PlannerCore

/// What `planner workload from-log` tells a person.
public enum LogText {
  /// Groups with their rates, popularity, burstiness and sizes; what was left out; what is still to be filled in.
  public static func render(_ findings: LogFindings, style: TextStyle = .plain) -> String {
    var page = TextPage(style)
    page.heading("Workload from \(findings.log)")
    var facts = [
      ("Requests", "\(Format.count(findings.requests)) of \(Format.count(findings.lines)) lines"),
      ("over", Format.duration(findings.durationSeconds)),
      ("Rate", rate(findings.ratePerSecond)),
    ]
    if let busiest = findings.busiest {
      facts.append(
        (
          "Busiest \(Format.duration(busiest.lengthSeconds))",
          "\(Format.rate(busiest.ratePerSecond)), from \(Format.duration(busiest.startSeconds)) on: "
            + "\(Format.ratio(busiest.ratePerSecond / findings.ratePerSecond.estimate)) the mean"
        ))
    }
    facts.append(("Planned for", findings.window == "busiest" && findings.busiest != nil ? "that" : "the mean rate"))
    page.facts(facts)
    page.gap()
    page.table(table(findings))
    for group in findings.groups { describe(group, on: &page) }
    if !findings.groupsNeverAsked.isEmpty {
      page.gap()
      page.paragraph("Never asked, and not in the workload: \(findings.groupsNeverAsked.joined(separator: ", ")).")
    }
    if !findings.leftOut.isEmpty {
      page.heading("Left out")
      for kind in findings.leftOut {
        page.item("\(Format.count(kind.lines)) \(kind.sentence); the first is line \(Format.count(kind.firstLine))")
      }
    }
    page.heading("Written")
    for file in findings.files { page.item(file) }
    return page.text
  }

  private static func rate(_ rate: Estimate) -> String {
    "\(Format.rate(rate.estimate)) [\(Format.rate(rate.low)) – \(Format.rate(rate.high))]"
  }

  private static func number(_ estimate: Estimate) -> String {
    "\(decimal(estimate.estimate)) [\(decimal(estimate.low)) – \(decimal(estimate.high))]"
  }

  private static func decimal(_ value: Double) -> String { Format.decimal(value, places: 2) }

  private static func table(_ findings: LogFindings) -> TextTable {
    var table = TextTable(columns: [
      .init("group", isFlexible: true), .init("models", .trailing), .init("requests", .trailing, dispensability: 2),
      .init("rate", .trailing), .init("busiest", .trailing, dispensability: 1), .init("popularity"),
      .init("arrivals"), .init("size", .trailing),
    ])
    for group in findings.groups {
      let popularity =
        group.popularity.law == "zipf"
        ? "zipf \(group.popularity.zipfExponent.map { decimal($0.estimate) } ?? Format.missing)" : group.popularity.law
      let arrivals =
        group.arrivals.process == "gamma"
        ? "gamma, cv \(group.arrivals.cv.map { decimal($0.estimate) } ?? Format.missing)" : group.arrivals.process
      table.append([
        group.name, Format.count(group.models), Format.count(group.requests), Format.rate(group.ratePerSecond.estimate),
        group.busiestRatePerSecond.map(Format.rate) ?? Format.missing, popularity, arrivals,
        group.sizes.map { Format.decimal($0.mean, places: 1) } ?? Format.missing,
      ])
    }
    return table
  }

  private static func describe(_ group: LogFindings.Group, on page: inout TextPage) {
    page.heading(group.name)
    let hottest = group.hottest.map { "\($0.name) \(rate($0.ratePerSecond))" }.joined(separator: ", ")
    page.item("Most asked: \(hottest).")
    if group.modelsNeverAsked > 0 {
      page.item("\(Format.count(group.modelsNeverAsked, "model was", "models were")) never asked.")
    }
    if group.modelsSeldomAsked > 0 {
      page.item(
        "\(Format.count(group.modelsSeldomAsked, "model was", "models were")) asked fewer than \(LogFindings.seldom) "
          + "times: too seldom to say anything of each by itself.")
    }
    page.item(popularity(group.popularity))
    page.item(arrivals(group.arrivals))
    if let sizes = group.sizes {
      let known = sizes.requests == group.requests ? "" : "; known of \(Format.count(sizes.requests)) requests"
      page.item(
        "Sizes: \(Format.decimal(sizes.mean, places: 1)) in the mean, half of them up to \(Format.count(sizes.p50)), "
          + "99 % up to \(Format.count(sizes.p99)), the largest \(Format.count(sizes.largest))\(known).")
    } else {
      page.item("Sizes: the log has none.")
    }
  }

  private static func popularity(_ found: LogFindings.PopularityFinding) -> String {
    if found.law == "uniform" {
      return "Popularity: uniform; equal shares cannot be ruled out (chi-square \(decimal(found.chiSquare)), critical "
        + "\(decimal(found.criticalChiSquare)) at 99.9 %)."
    }
    guard let exponent = found.zipfExponent, let misplaced = found.misplacedShare, let allowed = found.allowedShare
    else {
      return "Popularity: each model's share as it was; too few models for a law."
    }
    let fit =
      "exponent \(number(exponent)), which misplaces \(Format.percent(misplaced, places: 1)) of the requests "
      + "(\(Format.percent(allowed, places: 1)) are allowed)"
    return found.law == "zipf"
      ? "Popularity: Zipf's law with \(fit)."
      : "Popularity: each model's share as it was; Zipf's law does not fit: \(fit)."
  }

  private static func arrivals(_ found: LogFindings.ArrivalsFinding) -> String {
    guard let cv = found.cv else {
      return "Arrivals: Poisson's is assumed; the log is too short, or its models are asked too seldom, to say."
    }
    let figure = "gaps vary by cv \(number(cv)), from \(Format.count(found.pairs)) pairs of windows"
    return "Arrivals: \(found.process); \(figure)."
  }
}
