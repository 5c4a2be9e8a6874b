import Reporting
import Testing

@Suite struct ProgressLineTests {
  @Test func showsShareStepsAndRemainingTime() {
    #expect(
      ProgressLine.render(done: 12, of: 29, elapsedSeconds: 50.4, label: "bert-tiny int8 32 tokens", width: 100)
        == "[########------------]  41 %  12/29  bert-tiny int8 32 tokens  about 1 min 10 s left")
  }

  @Test func beginningAndEnd() {
    let start = ProgressLine.render(done: 0, of: 29, elapsedSeconds: 0, label: "", width: 80)
    #expect(start.contains("0 %") && start.contains("not known yet") && !start.contains("#"))
    let end = ProgressLine.render(done: 29, of: 29, elapsedSeconds: 100, label: "x", width: 80)
    #expect(end.contains("100 %") && end.contains("took 1 min 40 s") && !end.contains("-"))
    #expect(ProgressLine.render(done: 0, of: 0, elapsedSeconds: 1, label: "", width: 80).contains("100 %"))
  }

  /// 100 % is for what is finished.
  @Test func neverRoundsUpToDone() {
    #expect(ProgressLine.render(done: 999, of: 1000, elapsedSeconds: 9, label: "", width: 80).contains(" 99 %"))
    #expect(ProgressLine.render(done: 29, of: 100, elapsedSeconds: 9, label: "", width: 80).contains(" 29 %"))
  }

  @Test(arguments: 1...120)
  func neverWiderThanAllowed(_ width: Int) {
    for (done, elapsed) in [(0, 0.0), (7, 31), (7, .infinity), (7, .nan), (29, 12), (40, -1), (-3, 5)] {
      let line = ProgressLine.render(
        done: done, of: 29, elapsedSeconds: elapsed, label: "日本\u{1B}[2J int8", width: width)
      #expect(TextWidth.of(line) <= width && !line.contains("\u{1B}") && !line.contains("\n"))
    }
  }

  @Test func theLabelGivesWayFirst() {
    let line = ProgressLine.render(
      done: 12, of: 29, elapsedSeconds: 50, label: "a label that is much too long for it", width: 66)
    #expect(line.contains("…") && line.hasSuffix("left"))
  }
}
