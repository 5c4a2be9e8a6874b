/// What differs between two texts, line by line, in the form that `diff -u`, `git` and `kubectl diff` print.
public enum UnifiedDiff {
  /// Lines around each difference that are the same in both.
  private static let context = 3

  /// - Parameters:
  ///   - old: nil where there was nothing.
  ///   - new: nil where nothing is left.
  ///   - oldName: what the old text is called; nil where there was none.
  ///   - newName: what the new text is called; nil where there is none.
  /// - Returns: nothing where the texts are equal. Complexity: O(n log n) for n lines that differ from each other.
  public static func render(
    from old: String?, to new: String?, oldName: String?, newName: String?
  ) -> String {
    let (before, after) = (lines(old), lines(new))
    guard before != after else { return "" }
    var edits: [Edit] = []
    append(before[...], after[...], to: &edits)
    var text = "--- \(oldName ?? "/dev/null")\n+++ \(newName ?? "/dev/null")\n"
    for hunk in hunks(edits) { text += render(edits, hunk) }
    return text
  }

  private static func lines(_ text: String?) -> [Substring] {
    guard let text, !text.isEmpty else { return [] }
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    return lines
  }

  private enum Edit {
    case same(Substring)
    case old(Substring)
    case new(Substring)

    var isSame: Bool { if case .same = self { true } else { false } }

    var line: String {
      switch self {
      case .same(let line): " \(line)\n"
      case .old(let line): "-\(line)\n"
      case .new(let line): "+\(line)\n"
      }
    }
  }

  // MARK: Alignment

  /// Aligns what begins and ends alike, then lines that both have once, in the longest run of them that keeps their
  /// order (patience diff). What lies between two of these is replaced as a whole.
  private static func append(_ old: ArraySlice<Substring>, _ new: ArraySlice<Substring>, to edits: inout [Edit]) {
    var (old, new) = (old, new)
    while let line = old.first, line == new.first {
      edits.append(.same(line))
      old.removeFirst()
      new.removeFirst()
    }
    var ending: [Edit] = []
    while let line = old.last, line == new.last {
      ending.append(.same(line))
      old.removeLast()
      new.removeLast()
    }
    let anchors = anchors(old, new)
    if anchors.isEmpty {
      edits += old.map(Edit.old)
      edits += new.map(Edit.new)
    } else {
      var (lastOld, lastNew) = (old.startIndex, new.startIndex)
      for anchor in anchors {
        append(old[lastOld..<anchor.old], new[lastNew..<anchor.new], to: &edits)
        edits.append(.same(old[anchor.old]))
        (lastOld, lastNew) = (anchor.old + 1, anchor.new + 1)
      }
      append(old[lastOld...], new[lastNew...], to: &edits)
    }
    edits += ending.reversed()
  }

  /// Places of lines that each text has once, ascending in both.
  private static func anchors(
    _ old: ArraySlice<Substring>, _ new: ArraySlice<Substring>
  ) -> [(old: Int, new: Int)] {
    func single(_ lines: ArraySlice<Substring>) -> [Substring: Int] {
      var counts: [Substring: (place: Int, count: Int)] = [:]
      for index in lines.indices { counts[lines[index], default: (index, 0)].count += 1 }
      return counts.compactMapValues { $0.count == 1 ? $0.place : nil }
    }
    let (ofOld, ofNew) = (single(old), single(new))
    var common: [(old: Int, new: Int)] = []
    for index in old.indices where ofOld[old[index]] == index {
      if let place = ofNew[old[index]] { common.append((index, place)) }
    }
    return longestAscending(common)
  }

  /// The longest run of pairs whose second places ascend; the first ones do already.
  private static func longestAscending(_ pairs: [(old: Int, new: Int)]) -> [(old: Int, new: Int)] {
    // Of each length of run the pair that ends it at the lowest place, and for each pair the one before it.
    var ends: [Int] = []
    var before: [Int?] = []
    for index in pairs.indices {
      var (low, high) = (0, ends.count)
      while low < high {
        let middle = (low + high) / 2
        if pairs[ends[middle]].new < pairs[index].new { low = middle + 1 } else { high = middle }
      }
      before.append(low > 0 ? ends[low - 1] : nil)
      if low < ends.count { ends[low] = index } else { ends.append(index) }
    }
    var run: [(old: Int, new: Int)] = []
    var next = ends.last
    while let index = next {
      run.append(pairs[index])
      next = before[index]
    }
    return run.reversed()
  }

  // MARK: Text

  /// Ranges of edits that are shown together: differences with what surrounds them, joined where they touch.
  private static func hunks(_ edits: [Edit]) -> [Range<Int>] {
    var hunks: [Range<Int>] = []
    for index in edits.indices where !edits[index].isSame {
      let range = max(0, index - context)..<min(edits.count, index + context + 1)
      if let last = hunks.last, last.upperBound >= range.lowerBound {
        hunks[hunks.count - 1] = last.lowerBound..<range.upperBound
      } else {
        hunks.append(range)
      }
    }
    return hunks
  }

  private static func render(_ edits: [Edit], _ hunk: Range<Int>) -> String {
    func count(_ edits: ArraySlice<Edit>) -> (old: Int, new: Int) {
      edits.reduce(into: (0, 0)) { sum, edit in
        switch edit {
        case .same: sum = (sum.0 + 1, sum.1 + 1)
        case .old: sum.0 += 1
        case .new: sum.1 += 1
        }
      }
    }
    let (start, size) = (count(edits[..<hunk.lowerBound]), count(edits[hunk]))
    // A side without lines is named by the line before it, as diff does.
    func side(_ before: Int, _ lines: Int) -> String { "\(lines > 0 ? before + 1 : before),\(lines)" }
    return "@@ -\(side(start.old, size.old)) +\(side(start.new, size.new)) @@\n" + edits[hunk].map(\.line).joined()
  }
}
