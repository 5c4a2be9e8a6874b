import PlannerCore
import ServerContract

extension ExaminedModel {
  /// What there is to know of a model before it is planned with, as clauses.
  public var notes: [String] {
    var notes: [String] = []
    if let largestSize {
      notes.append(
        isLargestALimit
          ? "requests of up to \(largestSize) are answered, longer ones are not"
          : "requests have a size; up to \(largestSize) was tried")
    } else {
      notes.append("requests have no size: every shape is fixed")
    }
    if let failed = failedSizes.first {
      notes.append(
        "fails at some sizes (\(failedSizes.map { String($0.size) }.joined(separator: ", "))): \(failed.reason)")
    }
    switch padding {
    case .none: break
    case .unchanged: notes.append("an answer does not change with padding")
    case .changed: notes.append("an answer changes with padding: requests of different sizes cannot share a pass")
    case .untried: notes.append("whether an answer changes with padding could not be tried")
    }
    switch rows {
    case .independent: break
    case .dependent: notes.append("rows change each other's answers: requests never share a pass")
    case .untried: notes.append("whether rows change each other's answers could not be tried: none share a pass")
    }
    if keepsState { notes.append("it keeps what it was asked: answers depend on earlier requests") }
    if let valueTimes, valueTimes.vary {
      notes.append(
        "its time depends on values: \(NumberText.milliseconds(valueTimes.fastestSeconds)) to "
          + "\(NumberText.milliseconds(valueTimes.slowestSeconds)) at one size; measured times hold for random values")
    }
    return notes
  }
}
