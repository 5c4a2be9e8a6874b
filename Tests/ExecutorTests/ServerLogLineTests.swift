import Executor
import Testing

/// What of a server's log is told on.
@Suite struct ServerLogLineTests {
  @Test func onlyWarningsAreToldOn() {
    let warning = "2026-11-27T21:16:11+0000 warning model-server: [ServerApplication] vocab.txt: 1 blank line (7) [a] b"
    #expect(ServerLogLine.warning(warning) == "vocab.txt: 1 blank line (7) [a] b")
    for other in [
      "2026-11-27T21:16:11+0000 notice model-server: [ServerApplication] a warning model", "warning", "",
      "2026-11-27T21:16:11+0000 warning", "a warning b",
    ] {
      #expect(ServerLogLine.warning(other) == nil, "\(other)")
    }
  }
}
