import ArgumentParser
import PlannerCore

/// Values of flags that are more than plain numbers, each with the sentence that is shown where one is wrong.
enum Arguments {
  /// A year: longer times would leave the clocks that they are counted on.
  static let longestSeconds = 8760.0 * 3600

  @Sendable static func seconds(_ text: String) throws -> Double {
    guard let seconds = Quantity.seconds(text), seconds > 0 else {
      throw ValidationError("'\(text)' is not a time above 0; write a number with us, ms, s, m or h, such as 10ms")
    }
    guard seconds <= longestSeconds else { throw ValidationError("'\(text)' is longer than a year, 8760h") }
    return seconds
  }

  @Sendable static func positive(_ text: String) throws -> Double {
    guard let number = Double(text), number.isFinite, number > 0 else {
      throw ValidationError("'\(text)' is not a number above 0")
    }
    return number
  }

  @Sendable static func count(_ text: String) throws -> Int {
    guard let number = Int(text), (1...1_000_000).contains(number) else {
      throw ValidationError("'\(text)' is not a whole number from 1 to 1000000")
    }
    return number
  }

  @Sendable static func sizes(_ text: String) throws -> [Int] {
    try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
      guard let size = Int(part), (1...1_000_000).contains(size) else {
        throw ValidationError("'\(text)' is not a list of whole numbers above 0, separated by commas")
      }
      return size
    }
  }

  @Sendable static func share(_ text: String) throws -> Double {
    guard let share = Quantity.share(text) else {
      throw ValidationError("'\(text)' is not a share; write 60% or 0.6")
    }
    return share
  }

  @Sendable static func profileCase(_ text: String) throws -> ProfileCase {
    guard let argument = ProfileCase(text) else {
      throw ValidationError(
        "'\(text)' is not FAMILY[:TOKENS[,TOKENS…][:VOCABULARY]], such as bert-tiny:32:2000; "
          + "families: \(ArchitecturePreset.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    return argument
  }
}

extension ArchitecturePreset: ExpressibleByArgument {}
extension Precision: ExpressibleByArgument {}
