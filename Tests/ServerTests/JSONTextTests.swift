import Engine
import Foundation
import PlannerCore
import ServerHTTP
import Testing

@Suite struct JSONTextTests {
  static func text(_ elements: HostTensor.Element) -> String {
    var text = JSONText()
    text.elements(elements)
    return String(decoding: text.bytes, as: UTF8.self)
  }

  @Test func floatsReadBackAsTheyWere() throws {
    var random = RandomStream(seed: 3, stream: "floats")
    let drawn = (0..<20_000).map { _ in Float(bitPattern: UInt32(random.integer(below: 1 << 32))) }.filter(\.isFinite)
    let special: [Float] = [
      0, -0.0, 1, -1, 0.1, 1e-5, 1e20, 16_777_216, 123_456_792, .pi, .leastNonzeroMagnitude, .leastNormalMagnitude,
      .greatestFiniteMagnitude, -.greatestFiniteMagnitude,
    ]
    let values = special + drawn
    let text = Self.text(.float32(values))
    // A reader that is not ours takes it for JSON.
    let read = try JSONDecoder().decode([Double].self, from: Data(text.utf8))
    #expect(read.count == values.count)
    let parts = text.dropFirst().dropLast().split(separator: ",")
    #expect(parts.count == values.count)
    for (part, value) in zip(parts, values) { #expect(Float(part)?.bitPattern == value.bitPattern, "\(part)") }
  }

  @Test func theTextIsTheShortest() {
    #expect(Self.text(.float32([0.1, -2.5, 100, 1e-7])) == "[0.1,-2.5,100,1e-07]")
    #expect(Self.text(.float32([])) == "[]")
  }

  /// As Python's json module and RapidJSON write and read them.
  @Test func whatIsNotFiniteIsWrittenAsPythonDoes() {
    #expect(Self.text(.float32([.nan, 1, .infinity, -.infinity])) == "[NaN,1,Infinity,-Infinity]")
    #expect(Self.text(.float64([.nan, 0.5, -.infinity, .infinity])) == "[NaN,0.5,-Infinity,Infinity]")
    // Infinity, 1 and NaN in the two half formats.
    #expect(Self.text(.float16([0x7C00, 0x3C00, 0x7E00])) == "[Infinity,1,NaN]")
    #expect(Self.text(.bfloat16([0x7F80, 0x3F80, 0xFF80])) == "[Infinity,1,-Infinity]")
  }
}
