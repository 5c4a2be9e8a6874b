import Foundation

/// Writes TorchScript archives whose code the test chooses: models that hang, crash or take all memory.
enum CraftedModel {
  /// Loops for ever in its forward pass.
  static let hangsInForward = forward("while True:\n      x = torch.add(x, x)")
  /// Loops for ever while its state is restored.
  static let hangsInLoad =
    header + body("pass")
    + [
      "  def __getstate__(self: __torch__.M) -> int:", "    return 1", "  def __setstate__(self: __torch__.M,",
      "    state: int) -> NoneType:", "    n = state", "    while True:", "      n = torch.add(n, 1)",
      "    self.training = bool(n)", "    return None", "",
    ].joined(separator: "\n")
  /// Deeper than the compiler's stack.
  static let crashesInLoad = forward(
    "y = " + String(repeating: "(", count: 400_000) + "1" + String(repeating: ")", count: 400_000))
  /// Takes more memory than there is.
  static let takesAllMemory = forward("x = torch.add(x, torch.ones([8589934592]))")
  /// Adds nothing and answers with its input.
  static let good = forward("pass")

  private static let header = """
    class M(Module):
      __parameters__ = []
      __buffers__ = []
      training : bool

    """

  private static func body(_ statement: String) -> String {
    let head = "  def forward(self: __torch__.M,\n    x: Tensor,\n    mask: Tensor,\n    types: Tensor) -> Tensor:\n"
    return head + "    \(statement)\n    return x\n"
  }

  private static func forward(_ statement: String) -> String { header + body(statement) }

  static func write(_ code: String, to path: String) throws {
    // A module M, restored from the number 1 or with the attribute training = False.
    var pickle: [UInt8] = [0x80, 2] + Array("c__torch__\nM\n".utf8) + [0x29, 0x81]
    if code.contains("__setstate__") {
      pickle += Array("K\u{1}b.".utf8)
    } else {
      pickle += Array("}(X".utf8) + [8, 0, 0, 0] + Array("training".utf8) + [0x89] + Array("ub.".utf8)
    }
    let records: [(String, [UInt8])] = [
      ("archive/data.pkl", pickle), ("archive/code/__torch__.py", Array(code.utf8)),
      ("archive/constants.pkl", [0x80, 2, 0x29, 0x2e]), ("archive/version", Array("3\n".utf8)),
    ]
    var bytes: [UInt8] = []
    var directory: [UInt8] = []
    for (name, data) in records {
      let offset = bytes.count
      var common = number(0, 2) + number(0, 2) + number(0, 4)
      common += number(Int(checksum(data)), 4) + number(data.count, 4) + number(data.count, 4)
      common += number(name.utf8.count, 2)
      // An extra field fills up to a multiple of 64 bytes, as the library's own writer does.
      let padding = (64 - (offset + 34 + name.utf8.count) % 64) % 64
      bytes += number(0x0403_4b50, 4) + number(20, 2) + common + number(4 + padding, 2)
      bytes += Array(name.utf8) + number(0x4246, 2) + number(padding, 2)
      bytes += Array(repeating: 0x5a, count: padding) + data
      directory += number(0x0201_4b50, 4) + number(20, 2) + number(20, 2) + common
      directory += number(0, 2) + number(0, 2) + number(0, 2) + number(0, 2) + number(0, 4)
      directory += number(offset, 4) + Array(name.utf8)
    }
    let start = bytes.count
    bytes += directory
    bytes += number(0x0605_4b50, 4) + number(0, 4) + number(records.count, 2) + number(records.count, 2)
    bytes += number(directory.count, 4) + number(start, 4) + number(0, 2)
    try Data(bytes).write(to: URL(fileURLWithPath: path))
  }

  private static func number(_ value: Int, _ bytes: Int) -> [UInt8] {
    (0..<bytes).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  /// CRC-32 (ISO 3309).
  private static func checksum(_ data: [UInt8]) -> UInt32 {
    var value = ~UInt32(0)
    for byte in data {
      value ^= UInt32(byte)
      for _ in 0..<8 { value = value & 1 == 1 ? (value >> 1) ^ 0xEDB8_8320 : value >> 1 }
    }
    return ~value
  }
}
