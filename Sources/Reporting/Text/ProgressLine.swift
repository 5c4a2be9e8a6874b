/// One line that says how far a long measurement is and how long it will still take.
public enum ProgressLine {
  /// `[######----]  42 %  12/29  bert-tiny int8 32 tokens  about 1 min 10 s left`
  ///
  /// The remaining time supposes that the steps to come take as long as those done. The label is cut where
  /// the line would get wider than `width` cells; the line does not end in a line break.
  public static func render(done: Int, of total: Int, elapsedSeconds: Double, label: String, width: Int) -> String {
    let total = max(total, 0)
    let done = min(max(done, 0), total)
    let share = total == 0 ? 1 : Double(done) / Double(total)
    let percent = Format.percent(share.rounded(.down, places: 2))
    let steps = "\(done)/\(total)"
    let paddedSteps = TextWidth.padded(steps, to: 2 * "\(total)".count + 1, trailing: true)
    let remaining = remaining(done: done, of: total, elapsedSeconds: elapsedSeconds)
    let head = "[\(bar(share, cells: width < 60 ? 10 : 20))] \(TextWidth.padded(percent, to: 5, trailing: true))"
    var parts = [head, paddedSteps]
    let room = width - TextWidth.of((parts + [remaining]).joined(separator: "  ")) - 2
    if room >= 4, !label.isEmpty { parts.append(TextWidth.truncated(TextWidth.printable(label), to: room)) }
    parts.append(remaining)
    return TextWidth.truncated(parts.joined(separator: "  "), to: max(width, 1))
  }

  private static func bar(_ share: Double, cells: Int) -> String {
    let full = Int((share * Double(cells)).rounded(.down))
    return String(repeating: "#", count: full) + String(repeating: "-", count: cells - full)
  }

  private static func remaining(done: Int, of total: Int, elapsedSeconds: Double) -> String {
    guard done < total else {
      return elapsedSeconds.isFinite && elapsedSeconds >= 0
        ? "took \(Format.duration(rounded(elapsedSeconds)))" : "done"
    }
    guard done > 0, elapsedSeconds.isFinite, elapsedSeconds > 0 else { return "remaining time not known yet" }
    let left = elapsedSeconds / Double(done) * Double(total - done)
    return "about \(Format.duration(rounded(left))) left"
  }

  /// To whole seconds, tens of seconds above a minute and minutes above ten: an estimate has no more to say.
  private static func rounded(_ seconds: Double) -> Double {
    let step: Double = seconds < 59.5 ? 1 : seconds < 600 ? 10 : 60
    return max(1, (seconds / step).rounded()) * step
  }
}

extension Double {
  fileprivate func rounded(_ rule: FloatingPointRoundingRule, places: Int) -> Double {
    let scale = (0..<places).reduce(1.0) { power, _ in power * 10 }
    // A share such as 0.29 is 28.999… hundredths as a Double; a billionth puts it back.
    return (self * scale + 1e-9).rounded(rule) / scale
  }
}
