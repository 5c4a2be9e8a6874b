/// Whether a measured run kept the plan's target.
public enum Verdict: String, Codable, Sendable { case pass, fail, undecided }

/// How much of a plan a run speaks for.
public enum RunScope: String, Codable, Sendable {
  /// The plan's own node, on the processor that it was planned for.
  case full
  /// As much of one node as another machine holds; never a confirmation of the plan's latency.
  case slice
}

/// What a finished run amounts to: its verdict, or that it says nothing.
public enum RunConclusion: Hashable, Sendable {
  /// The run counts, and the target was kept.
  case kept
  /// The run counts, and the target was missed.
  case missed
  /// The run does not count, or lies too close to the target to tell.
  case open
}
