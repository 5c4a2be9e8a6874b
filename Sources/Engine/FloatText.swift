import CTorch

/// Texts of many floats at once, by the shim's writer of the shortest digits.
package enum FloatText {
  /// Appends a list in JSON of the shortest texts that read back as the same floats; what JSON has no text for becomes
  /// null.
  package static func append(_ values: [Float], to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "["))
    bytes += [UInt8](unsafeUninitializedCapacity: values.count * Int(CT_FLOAT_TEXT_CAPACITY)) { buffer, count in
      buffer.withMemoryRebound(to: CChar.self) { count = ct_floats_text(values, values.count, $0.baseAddress) }
    }
    bytes.append(UInt8(ascii: "]"))
  }
}
