import PlannerCore

/// Figures as people read them: the same on every machine and in every locale.
///
/// What is not a finite number is shown as `Format.missing`, never as `inf`, `nan` or 0.
public enum Format {
  /// Stands where there is no figure.
  public static let missing = "—"

  /// `value` with exactly `places` digits after the point and commas between thousands. Halves round away from zero.
  public static func decimal(_ value: Double, places: Int) -> String {
    guard value.isFinite else { return missing }
    let places = min(max(places, 0), 9)
    let power = (0..<places).reduce(1.0) { scale, _ in scale * 10 }
    let scaled = (value.magnitude * power).rounded()
    // Beyond 2^53 a Double has no digits after the point to print, and soon none that fit an integer.
    guard scaled < 9e15 else { return "\(value)" }
    let digits = Int64(scaled)
    let unit = Int64(power)
    var text = grouped(digits / unit)
    if places > 0 {
      let fraction = String(digits % unit)
      text += "." + String(repeating: "0", count: places - fraction.count) + fraction
    }
    return value < 0 && digits != 0 ? minus + text : text
  }

  /// A count with commas between thousands: `3,000`.
  public static func count(_ value: Int) -> String { count(Int64(value)) }

  /// A count with commas between thousands: `3,000`.
  public static func count(_ value: Int64) -> String {
    (value < 0 ? minus : "") + grouped(value.magnitude)
  }

  /// A noun with its number: `1 node`, `3,000 models`.
  public static func count(_ value: Int, _ singular: String, _ plural: String) -> String {
    "\(count(value)) \(value == 1 ? singular : plural)"
  }

  /// A span of time with its unit: `38 µs`, `0.38 ms`, `12.4 ms`, `1.2 s`, `2 min 5 s`, `1 h 5 min`.
  public static func duration(_ seconds: Double) -> String {
    guard seconds.isFinite else { return missing }
    if seconds < 0 { return minus + duration(-seconds) }
    // Each limit is where the finer form would round up to the coarser one.
    if seconds < 59.95 {
      let unit = TimeUnit(fitting: seconds)
      return "\(unit.number(seconds)) \(unit.name)"
    }
    guard seconds < 9e15 else { return "\(decimal(seconds / 3600, places: 0)) h" }
    let whole = Int64(seconds.rounded())
    if whole < 3600 { return "\(whole / 60) min" + (whole % 60 == 0 ? "" : " \(whole % 60) s") }
    let minutes = (whole + 30) / 60
    return "\(grouped(minutes / 60)) h" + (minutes % 60 == 0 ? "" : " \(minutes % 60) min")
  }

  /// A span of time that may be a lower bound only: `≥ 10.0 s`.
  public static func duration(_ seconds: Double, isAtLeast: Bool) -> String {
    isAtLeast && seconds.isFinite ? "≥ \(duration(seconds))" : duration(seconds)
  }

  /// A time that a user set, without zeros that were not written: `10 ms`, `1.5 s`.
  public static func setting(_ seconds: Double) -> String {
    let text = duration(seconds)
    guard let space = text.firstIndex(of: " "), !text.contains("min"), !text.contains("h") else { return text }
    return trimmed(String(text[..<space])) + text[space...]
  }

  /// The bounds in one unit: `8.71–9.60 ms`.
  public static func durationInterval(_ estimate: Estimate) -> String {
    let range = durationRange(estimate)
    return range.unit.isEmpty ? range.bounds : "\(range.bounds) \(range.unit)"
  }

  /// A figure with its bounds in its own unit: `9.12 ms [8.71–9.60]`; without bounds where they are not finite.
  public static func duration(_ estimate: Estimate) -> String {
    guard estimate.estimate.isFinite else { return missing }
    let range = durationRange(estimate)
    return range.bounds == missing ? duration(estimate.estimate) : "\(duration(estimate.estimate)) [\(range.bounds)]"
  }

  /// The bounds alone, and the unit they are in, which is the estimate's.
  package static func durationRange(_ estimate: Estimate) -> (bounds: String, unit: String) {
    guard estimate.low.isFinite, estimate.high.isFinite else { return (missing, "") }
    let anchor = estimate.estimate.isFinite ? estimate.estimate : estimate.high
    guard anchor.magnitude < 59.95 else {
      return ("\(duration(estimate.low)) – \(duration(estimate.high))", "")
    }
    let unit = TimeUnit(fitting: anchor.magnitude)
    return ("\(unit.number(estimate.low))–\(unit.number(estimate.high))", unit.name)
  }

  /// Milliseconds without the unit, for a column whose head names it: `0.38`, `12.4`, `1,240`.
  public static func milliseconds(_ seconds: Double) -> String {
    guard seconds.isFinite else { return missing }
    return decimal(seconds * 1e3, places: TimeUnit.places(seconds.magnitude * 1e3))
  }

  /// `12 B`, `452 MiB`, `21.3 MiB`, `3.1 GiB`
  public static func bytes(_ bytes: Int64) -> String {
    let size = Double(bytes.magnitude)
    let sign = bytes < 0 ? minus : ""
    let units = [("GiB", 1_073_741_824.0), ("MiB", 1_048_576.0), ("KiB", 1024.0)]
    for (name, unit) in units where size >= 0.99995 * unit {
      let value = size / unit
      return sign + "\(decimal(value, places: value < 99.95 ? 1 : 0)) \(name)"
    }
    return "\(count(bytes)) B"
  }

  /// Dollars and cents: `$24.36`, `$21,273.36`
  public static func money(_ dollars: Double) -> String {
    guard dollars.isFinite else { return missing }
    let text = decimal(dollars.magnitude, places: 2)
    return (dollars < 0 && text != "0.00" ? minus : "") + "$" + text
  }

  /// A price as price lists have it, with up to four digits after the point: `$0.58`, `$0.7582`
  public static func price(_ dollars: Double) -> String {
    guard dollars.isFinite else { return missing }
    var text = decimal(dollars.magnitude, places: 4)
    for _ in 0..<2 where text.hasSuffix("0") { text.removeLast() }
    return (dollars < 0 && text != "0.00" ? minus : "") + "$" + text
  }

  /// A share in [0, 1] as `42 %`, with `places` digits after the point.
  public static func percent(_ share: Double, places: Int = 0) -> String {
    share.isFinite ? "\(decimal(share * 100, places: places)) %" : missing
  }

  /// A ratio: `1.08 ×`
  public static func factor(_ ratio: Double) -> String {
    ratio.isFinite ? decimal(ratio, places: 2) + " ×" : missing
  }

  /// A relative difference: `+4.2 %`, `−3.1 %`, `0.0 %`
  public static func signedPercent(_ difference: Double, places: Int = 1) -> String {
    guard difference.isFinite else { return missing }
    let text = decimal(difference * 100, places: places)
    let isZero = !text.contains { ("1"..."9").contains($0) }
    return (difference > 0 && !isZero ? "+" : "") + text + " %"
  }

  /// A confidence in [0, 1], rounded down, with no more digits than it deserves: `95 %`, `99.9 %`, `above 99.9 %`
  public static func probability(_ value: Double) -> String {
    guard value.isFinite else { return missing }
    // A hair's breadth more, so that 0.95 and 0.999 stay what they are in binary.
    let percent = value * 100 + 1e-9
    if percent >= 99.95, value < 1 { return "above 99.9 %" }
    return percent >= 99
      ? "\(trimmed(decimal((percent * 10).rounded(.down) / 10, places: 1))) %"
      : "\(decimal(percent.rounded(.down), places: 0)) %"
  }

  /// At most three digits after the point, without zeros at the end: `0.5`, `20`, `99.99`
  package static func plain(_ value: Double) -> String { trimmed(decimal(value, places: 3)) }

  /// A rate in requests a second with two or three significant digits: `0.49/s`, `29.4/s`, `1,470/s`, `0.001/s`. A rate
  /// that is not 0 is never shown as 0.
  public static func rate(_ perSecond: Double) -> String {
    guard perSecond.isFinite else { return missing }
    var places = TimeUnit.places(perSecond.magnitude)
    var scale = 0.0995
    while perSecond.magnitude < scale, perSecond != 0, places < 9 {
      places += 1
      scale /= 10
    }
    return "\(trimmed(decimal(perSecond, places: places)))/s"
  }

  /// How many times: `2.1 ×`
  public static func ratio(_ value: Double) -> String {
    value.isFinite ? "\(decimal(value, places: TimeUnit.places(value.magnitude))) ×" : missing
  }

  /// `1,000`, or `40–42` where they differ.
  public static func range(_ bounds: [Int]) -> String {
    guard let low = bounds.min(), let high = bounds.max() else { return missing }
    return low == high ? count(low) : "\(count(low))–\(count(high))"
  }

  /// `2026-08-03T14:02:11Z` as `3 August 2026, 14:02 UTC`; any other text as it is.
  public static func date(_ iso: String) -> String {
    let months = [
      "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
      "December",
    ]
    let halves = iso.split(separator: "T", omittingEmptySubsequences: false)
    guard halves.count == 2, iso.hasSuffix("Z") else { return iso }
    let day = halves[0].split(separator: "-", omittingEmptySubsequences: false)
    let clock = halves[1].dropLast().split(separator: ":", omittingEmptySubsequences: false)
    guard day.count == 3, (2...3).contains(clock.count), let month = Int(day[1]), (1...12).contains(month),
      let date = Int(day[2]), (1...31).contains(date), Int(day[0]) != nil, Int(clock[0]) != nil, Int(clock[1]) != nil
    else { return iso }
    return "\(date) \(months[month - 1]) \(day[0]), \(clock[0]):\(clock[1]) UTC"
  }

  /// The first letter in upper case, as a sentence starts.
  package static func sentence(_ text: String) -> String {
    guard let first = text.first else { return text }
    return first.uppercased() + text.dropFirst() + (text.last.map { ".!?".contains($0) } == true ? "" : ".")
  }

  /// U+2212, as wide as a digit and a plus sign.
  private static let minus = "−"

  private static func grouped(_ value: some BinaryInteger) -> String {
    let digits = Array(String(value))
    var text = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index).isMultiple(of: 3) { text.append(",") }
      text.append(digit)
    }
    return text
  }

  /// A decimal number without zeros at the end of its fraction.
  private static func trimmed(_ text: String) -> String {
    guard text.contains(".") else { return text }
    var text = text
    while text.hasSuffix("0") { text.removeLast() }
    if text.hasSuffix(".") { text.removeLast() }
    return text
  }

  /// The unit a time below a minute is shown in.
  private enum TimeUnit {
    case microseconds, milliseconds, seconds

    init(fitting seconds: Double) {
      if seconds > 0, seconds < 0.0000995 {
        self = .microseconds
      } else if seconds < 0.9995 {
        self = .milliseconds
      } else {
        self = .seconds
      }
    }

    var name: String {
      switch self {
      case .microseconds: "µs"
      case .milliseconds: "ms"
      case .seconds: "s"
      }
    }

    func number(_ seconds: Double) -> String {
      switch self {
      case .microseconds: decimal(seconds * 1e6, places: seconds < 9.95e-6 ? 1 : 0)
      case .milliseconds: Format.milliseconds(seconds)
      case .seconds: decimal(seconds, places: 1)
      }
    }

    /// Three significant digits, two after the point at most.
    static func places(_ magnitude: Double) -> Int {
      if magnitude < 9.995 { 2 } else if magnitude < 99.95 { 1 } else { 0 }
    }
  }
}
