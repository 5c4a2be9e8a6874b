import Engine
import NIOCore
import PlannerCore
import ServerHTTP
import Serving
import Testing

@Suite struct InferenceBodyTests {
  static func parse(_ json: String, binary: [UInt8]? = nil) throws(InferenceError) -> InferenceBody {
    var buffer = ByteBuffer(string: json)
    if let binary { buffer.writeBytes(binary) }
    return try InferenceBody(buffer, jsonBytes: binary == nil ? nil : json.utf8.count)
  }

  static func problem(_ json: String, binary: [UInt8]? = nil) -> String? {
    do {
      _ = try parse(json, binary: binary)
      return nil
    } catch {
      return error.kind == .invalidArgument ? error.message : "another kind: \(error)"
    }
  }

  static func tensor(_ fields: String) -> String { #"{"inputs":[{"name":"x",\#(fields)}]}"# }

  @Test func everyTypeIsReadFromJSON() throws {
    let cases: [(String, String, HostTensor.Element)] = [
      ("BOOL", "[true,false,1]", .bool([1, 0, 1])), ("UINT8", "[0,255,3]", .uint8([0, 255, 3])),
      ("UINT16", "[0,65535,3]", .int32([0, 65535, 3])), ("UINT32", "[0,4294967295,3]", .int64([0, 4_294_967_295, 3])),
      ("UINT64", "[0,9223372036854775807,3]", .int64([0, .max, 3])), ("INT8", "[-128,127,3]", .int8([-128, 127, 3])),
      ("INT16", "[-32768,32767,3]", .int16([-32768, 32767, 3])),
      ("INT32", "[-2147483648,2147483647,3]", .int32([.min, .max, 3])),
      ("INT64", "[-9223372036854775808,9223372036854775807,3]", .int64([.min, .max, 3])),
      ("FP32", "[1,-0.5,1e-3]", .float32([1, -0.5, 0.001])), ("FP64", "[1,-0.5,1e300]", .float64([1, -0.5, 1e300])),
    ]
    for (type, data, elements) in cases {
      let input = try #require(
        try Self.parse(Self.tensor(#""shape":[3],"datatype":"\#(type)","data":\#(data)"#)).inputs.first)
      #expect(input.elements == elements && input.shape == [3] && input.datatype.rawValue == type, "\(type)")
    }
    for (type, data) in [
      ("BOOL", "[2]"), ("UINT8", "[256]"), ("UINT8", "[-1]"), ("INT8", "[128]"), ("UINT16", "[65536]"),
      ("INT32", "[2147483648]"),
      ("UINT64", "[9223372036854775808]"), ("FP32", "[1e39]"), ("FP64", "[1e400]"), ("INT64", "[1.0]"),
      ("FP32", "[true]"),
      ("FP32", "[\"1\"]"), ("FP32", "[nan]"), ("FP32", "[+Infinity]"), ("FP64", "[-NaN]"), ("FP64", "[Infinit]"),
      ("INT64", "[NaN]"), ("INT8", "[null]"), ("BOOL", "[Infinity]"), ("FP32", "NaN"), ("FP16", "[1]"),
      ("BYTES", "[\"a\"]"), ("FLOAT", "[1]"),
    ] {
      #expect(
        Self.problem(Self.tensor(#""shape":[1],"datatype":"\#(type)","data":\#(data)"#)) != nil, "\(type) \(data)")
    }
  }

  @Test(arguments: ["FP32", "FP64"])
  func numbersThatAreNotFiniteAreTaken(_ type: String) throws {
    let data = "[[ NaN,Infinity],[-Infinity , null]]"
    // With the data last, and with the data before what says how it is to be read.
    for tensor in [
      #""shape":[2,2],"datatype":"\#(type)","data":\#(data)"#, #""data":\#(data),"shape":[2,2],"datatype":"\#(type)""#,
    ] {
      let input = try #require(try Self.parse(Self.tensor(tensor)).inputs.first)
      let values: [Double] =
        switch input.elements {
        case .float32(let values): values.map(Double.init)
        case .float64(let values): values
        default: []
        }
      try #require(values.count == 4)
      #expect(values[0].isNaN && values[1] == .infinity && values[2] == -.infinity && values[3].isNaN)
    }
  }

  /// Some clients write null where others write nothing.
  @Test func nullIsNothing() throws {
    let body = try Self.parse(
      #"{"id":null,"parameters":null,"outputs":null,"inputs":[{"name":"x","shape":[1],"datatype":"INT8","data":[1],"#
        + #""parameters":null}]}"#)
    #expect(body.id == nil && body.outputs == nil && body.inputs.first?.elements == .int8([1]))
    let outputs = try Self.parse(
      #"{"inputs":[],"outputs":[{"name":"y","parameters":null}],"parameters":{"priority":null,"timeout":5}}"#)
    #expect(outputs.outputs == [.init(name: "y", isBinary: nil)] && outputs.timeoutMicroseconds == 5)
    let noData = Self.problem(Self.tensor(#""shape":[1],"datatype":"INT8","data":null"#))
    #expect(noData?.contains("data is missing") == true)
    let noShape = Self.problem(Self.tensor(#""shape":null,"datatype":"INT8","data":[1]"#))
    #expect(noShape?.contains("shape is missing") == true)
  }

  @Test func everyTypeIsReadFromBytes() throws {
    func element(_ type: String, _ bytes: [UInt8]) throws -> HostTensor.Element? {
      let json = Self.tensor(#""shape":[1],"datatype":"\#(type)","parameters":{"binary_data_size":\#(bytes.count)}"#)
      return try Self.parse(json, binary: bytes).inputs.first?.elements
    }
    #expect(try element("BOOL", [1]) == .bool([1]))
    #expect(try element("UINT8", [200]) == .uint8([200]))
    #expect(try element("INT8", [200]) == .int8([-56]))
    #expect(try element("UINT16", [0, 0xFF]) == .int32([0xFF00]))
    #expect(try element("INT16", [0, 0xFF]) == .int16([-256]))
    #expect(try element("UINT32", [0, 0, 0, 0xFF]) == .int64([0xFF00_0000]))
    #expect(try element("INT32", [0, 0, 0, 0xFF]) == .int32([-16_777_216]))
    #expect(try element("INT64", [1, 0, 0, 0, 0, 0, 0, 0x80]) == .int64([Int64.min + 1]))
    #expect(try element("UINT64", [1, 2, 0, 0, 0, 0, 0, 0]) == .int64([513]))
    #expect(try element("FP32", [0, 0, 0xC0, 0x3F]) == .float32([1.5]))
    #expect(try element("FP64", [0, 0, 0, 0, 0, 0, 0xF8, 0x3F]) == .float64([1.5]))
    #expect(try element("FP16", [0, 0x3E]) == .float16([0x3E00]))
    #expect(try element("BF16", [0xC0, 0x3F]) == .bfloat16([0x3FC0]))
    for (type, bytes) in [
      ("BOOL", [2]), ("INT32", [0, 0, 0]), ("UINT64", [0, 0, 0, 0, 0, 0, 0, 0x80]), ("BYTES", [0]),
    ] as [(String, [UInt8])] {
      #expect(throws: InferenceError.self) { try element(type, bytes) }
    }
  }

  @Test func bytesFollowTheJSONInItsOrder() throws {
    let json = """
      {"inputs":[{"name":"a","shape":[2],"datatype":"UINT8","parameters":{"binary_data_size":2}},\
      {"name":"b","shape":[1],"datatype":"UINT8","data":[9]},\
      {"name":"c","shape":[1],"datatype":"UINT8","parameters":{"binary_data_size":1}}]}
      """
    let inputs = try Self.parse(json, binary: [1, 2, 3]).inputs
    #expect(inputs.map(\.elements) == [.uint8([1, 2]), .uint8([9]), .uint8([3])])
    #expect(Self.problem(json, binary: [1, 2]) != nil)
    #expect(Self.problem(json, binary: [1, 2, 3, 4]) != nil)
    #expect(Self.problem(json) != nil)
    let both = Self.tensor(#""shape":[1],"datatype":"UINT8","data":[1],"parameters":{"binary_data_size":1}"#)
    #expect(Self.problem(both, binary: [1]) != nil)
  }

  /// JSON objects have no order: data may come before the type and the shape that it is read by.
  @Test func anyOrderOfNamesWillDo() throws {
    let fields = [#""name":"x""#, #""shape":[2,2]"#, #""datatype":"INT32""#, #""data":[[1,2],[3,4]]"#]
    func orders(_ rest: [String]) -> [[String]] {
      rest.isEmpty
        ? [[]]
        : rest.indices.flatMap { index -> [[String]] in
          var others = rest
          let first = others.remove(at: index)
          return orders(others).map { [first] + $0 }
        }
    }
    for order in orders(fields) {
      let body = try Self.parse(#"{"inputs":[{\#(order.joined(separator: ","))}],"id":"q"}"#)
      #expect(
        body.inputs == [NamedTensor(name: "x", datatype: .int32, shape: [2, 2], elements: .int32([1, 2, 3, 4]))])
    }
    for missing in fields.indices where missing > 0 {
      var some = fields
      some.remove(at: missing)
      #expect(Self.problem(#"{"inputs":[{\#(some.joined(separator: ","))}]}"#)?.contains("missing") == true)
    }
  }

  @Test func dataAreFlatOrOfTheShape() throws {
    func problem(_ shape: String, _ data: String) -> String? {
      Self.problem(Self.tensor(#""shape":\#(shape),"datatype":"INT64","data":\#(data)"#))
    }
    for (shape, data) in [
      ("[2,2]", "[1,2,3,4]"), ("[2,2]", "[[1,2],[3,4]]"), ("[1,1,2]", "[[[1,2]]]"), ("[1,1,2]", "[1,2]"), ("[]", "[1]"),
      ("[0]", "[]"), ("[2,0]", "[[],[]]"), ("[2,0]", "[]"),
    ] {
      #expect(problem(shape, data) == nil, "\(shape) \(data)")
    }
    for (shape, data) in [
      ("[2,2]", "[1,2,3]"), ("[2,2]", "[1,2,3,4,5]"), ("[2,2]", "[[1,2,3],[4]]"), ("[2,2]", "[[1,2]]"),
      ("[2,2]", "[[1,2],3,4]"),
      ("[2,2]", "[1,[2,3],4]"), ("[2,2]", "[[[1,2],[3,4]]]"), ("[2]", "[[1,2]]"), ("[]", "[1,2]"), ("[]", "[[1]]"),
      ("[4]", "[]"), ("[1,1,2]", "[[1,2]]"), ("[-1]", "[1]"), ("[1.5]", "[1]"), ("[9223372036854775807,2]", "[1]"),
      ("[4294967296,4294967296]", "[1]"), ("[1,1,1,1,1,1,1,1,1]", "[1]"), ("[0,9223372036854775807]", "[]"),
      ("2", "[1,2]"),
      ("[1]", "1"), ("[2,2]", #"{"a":1}"#),
    ] {
      #expect(problem(shape, data) != nil, "\(shape) \(data)")
    }
  }

  @Test func parametersAreRead() throws {
    let body = try Self.parse(
      #"""
      {"id":"é","parameters":{"priority":2,"timeout":1500,"binary_data_output":true,"timings":true,"sequence_id":"s",
      "sequence_start":true,"sequence_end":false,"mine":{"deep":[1,{"x":null}]}},"unknown":[[1]],
      "outputs":[{"name":"a","parameters":{"binary_data":false}},{"name":"b"}],
      "inputs":[{"name":"x","shape":[1],"datatype":"INT8","data":[1],"more":0}]}
      """#)
    #expect(body.id == "é" && body.priorityLevel == 2 && body.timeoutMicroseconds == 1500)
    #expect(body.wantsBinaryOutputs && body.wantsTimings)
    #expect(body.outputs == [.init(name: "a", isBinary: false), .init(name: "b", isBinary: nil)])
    for parameters in [
      #"{"priority":-1}"#, #"{"priority":"1"}"#, #"{"timeout":1.5}"#, #"{"binary_data_output":1}"#,
      #"{"sequence_id":[]}"#,
      #"{"timeout":1,"timeout":2}"#, "[]",
    ] {
      #expect(Self.problem(#"{"inputs":[],"parameters":\#(parameters)}"#) != nil, "\(parameters)")
    }
  }

  /// Bodies with bytes changed, cut or repeated are refused or read, and nothing else happens.
  @Test func damagedBodiesAreHarmless() {
    var random = RandomStream(seed: 3, stream: "bodies", index: 0)
    let json = Array(
      (#"{"id":"1","inputs":[{"name":"a","shape":[1,4],"datatype":"INT32","parameters":{"binary_data_size":16}},"#
        + #"{"name":"b","shape":[2,2],"datatype":"FP32","data":[[1,2e3],[-3.5,4]]}],"outputs":[{"name":"o"}]}"#).utf8)
    var taken = 0
    for _ in 0..<20_000 {
      var bytes = json + Array(repeating: 1, count: 16)
      for _ in 0...random.integer(below: 3) {
        let place = random.integer(below: bytes.count)
        switch random.integer(below: 3) {
        case 0: bytes[place] = UInt8(random.integer(below: 256))
        case 1: bytes.removeSubrange(place..<min(bytes.count, place + 1 + random.integer(below: 8)))
        default: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 8)], at: place)
        }
        if bytes.isEmpty { break }
      }
      do {
        let body = try InferenceBody(ByteBuffer(bytes: bytes), jsonBytes: min(json.count, bytes.count))
        for input in body.inputs { #expect(input.shape.reduce(1, *) == input.elements.count) }
        taken += 1
      } catch {
        #expect(error.kind == .invalidArgument)
      }
    }
    #expect(taken > 100)
  }
}
