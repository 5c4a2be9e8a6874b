import NIOCore
import PlannerCore
import ServerContract
import Serving

/// An answer of the Open Inference Protocol as bytes: JSON, and after it those outputs that go in the binary form.
struct InferenceAnswerText {
  var body: ByteBuffer
  /// Bytes of JSON; nil where there is nothing else.
  var jsonBytes: Int?

  /// - Parameter isBinary: whether the output at an index goes as bytes.
  init(_ answer: InferenceAnswer, wantsTimings: Bool, isBinary: (Int) -> Bool) {
    let elements = answer.outputs.reduce(0) { $0 + $1.elements.count }
    let text = JSONText(capacity: 256 + 12 * elements) { text in
      text.member("model_name", answer.modelName)
      text.member("model_version", answer.modelVersion)
      if let id = answer.id { text.member("id", id) }
      text.member("outputs", list: answer.outputs.indices) { text, index in
        Self.write(answer.outputs[index], isBinary: isBinary(index), to: &text)
      }
      if wantsTimings {
        text.member("parameters") { text in
          Self.write(AnswerTimings(answer, finished: WorkerPool.monotonicNow()), to: &text)
        }
      }
    }
    let binary = answer.outputs.indices.filter(isBinary)
    body = ByteBufferAllocator().buffer(
      capacity: text.bytes.count + binary.reduce(0) { $0 + answer.outputs[$1].elements.byteCount })
    body.writeBytes(text.bytes)
    for index in binary { answer.outputs[index].elements.withUnsafeBytes { _ = body.writeBytes($0) } }
    jsonBytes = binary.isEmpty ? nil : text.bytes.count
  }

  private static func write(_ output: NamedTensor, isBinary: Bool, to text: inout JSONText) {
    text.object { text in
      text.member("name", output.name)
      text.member("datatype", output.datatype.rawValue)
      text.member("shape", list: output.shape) { $0.number($1) }
      if isBinary {
        text.member("parameters") { $0.member("binary_data_size", output.elements.byteCount) }
      } else {
        text.key("data")
        text.elements(output.elements)
      }
    }
  }

  /// Seconds by part, and counts: what the header says, within the answer.
  private static func write(_ timings: AnswerTimings, to text: inout JSONText) {
    for part in timings.parts {
      text.key(part.name + "_seconds")
      text.seconds(part.length)
    }
    text.member("batch_size", timings.batchSize)
    text.member("variant", timings.variant.rawValue)
  }
}
