extension ProfileCase {
  /// The argument of `--case` that profiles what a workload needs: `bert-tiny:32:2000`.
  public static func describe(_ workload: Workload) -> String {
    "\(workload.architecture):\(workload.tokens)" + (workload.vocabulary.map { ":\($0)" } ?? "")
  }
}
