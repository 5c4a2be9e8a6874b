import Engine
import Foundation
import PlannerCore

/// A folder that is gone when the test is.
final class Folder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "planner-engine-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  var files: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }
}

/// The engine, set up once for all tests of the process.
enum SetUp {
  static let engine: Void = {
    do { try Engine.initialize() } catch { fatalError("\(error)") }
  }()
}

func integers(_ values: [Int64], rows: Int = 1) -> HostTensor {
  HostTensor(shape: [rows, values.count / rows], elements: .int64(values))
}

/// Ids with a mask of ones and types of zeros.
func request(_ ids: [Int64]) -> [HostTensor] {
  [integers(ids), integers(ids.map { _ in 1 }), integers(ids.map { _ in 0 })]
}

extension HostTensor {
  var floats: [Float] {
    guard case .float32(let values) = elements else { return [] }
    return values
  }
}

func largestDifference(_ a: [Float], _ b: [Float]) -> Float {
  a.count == b.count ? zip(a, b).map { abs($0 - $1) }.max() ?? 0 : .infinity
}

func cosine(_ a: [Float], _ b: [Float]) -> Float {
  let product = zip(a, b).reduce(Float(0)) { $0 + $1.0 * $1.1 }
  let lengths = (a.reduce(0) { $0 + $1 * $1 } * b.reduce(0) { $0 + $1 * $1 }).squareRoot()
  return product / lengths
}
