import ArgumentParser
import ContainerImages
import PlannerCore
import Proof

/// Exit codes that scripts may rely on; docs/exit-codes.md lists them for users.
enum PlannerExit: Int32 {
  case done = 0
  /// What was compared differs, as with diff.
  case differs = 1
  case noFeasiblePlan = 2
  /// A verdict "fail", or a check that does not hold.
  case failed = 3
  /// The run says nothing: undecided, or invalid.
  case undecided = 4
  case usage = 64
  case badData = 65
  case unavailable = 69
  case `internal` = 70
  case interrupted = 130

  var code: ExitCode { ExitCode(rawValue) }
}

extension PlannerExit {
  /// What scripts learn of a finished run.
  init(_ conclusion: RunConclusion) {
    switch conclusion {
    case .kept: self = .done
    case .missed: self = .failed
    case .open: self = .undecided
    }
  }

  init(_ kind: ImageError.Kind) {
    switch kind {
    case .usage: self = .usage
    case .badData: self = .badData
    case .unavailable: self = .unavailable
    }
  }

  init(_ kind: ProofError.Kind) {
    switch kind {
    case .unavailable: self = .unavailable
    case .usage: self = .usage
    }
  }
}

/// A failure with its sentence and exit code, ready to be printed.
struct Failure: Error {
  var exit: PlannerExit
  var message: String

  init(_ exit: PlannerExit, _ message: String) {
    self.exit = exit
    self.message = message
  }
}
