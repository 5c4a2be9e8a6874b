import NIOCore
import PlannerCore

/// An answer of the Open Inference Protocol as bytes: JSON, and after it those outputs that go in the binary form.
struct InferenceAnswerText {
  var body: ByteBuffer
  /// Bytes of JSON; nil where there is nothing else.
  var jsonBytes: Int?

  /// - Parameter isBinary: whether the output at an index goes as bytes.
  init(_ answer: InferenceAnswer, wantsTimings: Bool, isBinary: (Int) -> Bool) {
    let elements = answer.outputs.reduce(0) { $0 + $1.elements.count }
    var text = JSONText(capacity: 256 + 12 * elements)
    text.raw("{\"model_name\":")
    text.string(answer.modelName)
    text.raw(",\"model_version\":")
    text.string(answer.modelVersion)
    if let id = answer.id {
      text.raw(",\"id\":")
      text.string(id)
    }
    text.raw(",\"outputs\":")
    text.list(answer.outputs.indices) { text, index in
      Self.write(answer.outputs[index], isBinary: isBinary(index), to: &text)
    }
    if wantsTimings {
      text.raw(",\"parameters\":{")
      Self.write(AnswerTimings(answer, finished: WorkerPool.monotonicNow()), to: &text)
      text.raw("}")
    }
    text.raw("}")
    let binary = answer.outputs.indices.filter(isBinary)
    body = ByteBufferAllocator().buffer(
      capacity: text.bytes.count + binary.reduce(0) { $0 + answer.outputs[$1].byteCount })
    body.writeBytes(text.bytes)
    for index in binary { answer.outputs[index].elements.withUnsafeBytes { _ = body.writeBytes($0) } }
    jsonBytes = binary.isEmpty ? nil : text.bytes.count
  }

  private static func write(_ output: NamedTensor, isBinary: Bool, to text: inout JSONText) {
    text.raw("{\"name\":")
    text.string(output.name)
    text.raw(",\"datatype\":")
    text.string(output.datatype.rawValue)
    text.raw(",\"shape\":")
    text.list(output.shape) { $0.number($1) }
    if isBinary {
      text.raw(",\"parameters\":{\"binary_data_size\":")
      text.number(output.byteCount)
      text.raw("}}")
    } else {
      text.raw(",\"data\":")
      text.elements(output.elements)
      text.raw("}")
    }
  }

  /// Seconds by part, and counts: what the header says, within the answer.
  private static func write(_ timings: AnswerTimings, to text: inout JSONText) {
    for part in timings.parts {
      text.raw("\"")
      text.raw(part.name)
      text.raw("_seconds\":")
      text.seconds(part.length)
      text.raw(",")
    }
    text.raw("\"batch_size\":")
    text.number(timings.batchSize)
    text.raw(",\"variant\":")
    text.string(timings.variant.rawValue)
  }
}

extension NamedTensor {
  /// In the binary form.
  fileprivate var byteCount: Int { elements.withUnsafeBytes { $0.count } }
}
