import Dispatch
import Foundation

/// Reads a descriptor to its end on a thread of its own and hands out lines, without their ends.
final class LineReader: Sendable {
  /// Longer lines are handed out in pieces: what a child prints must not exhaust this process.
  static let longestLineBytes = 64 << 20

  private let ended = OneShot<Void>()

  /// Takes over `descriptor` and closes it at the end.
  init(descriptor: Int32, onLine: @escaping @Sendable (String) -> Void) {
    let ended = self.ended
    let thread = Thread {
      Self.readLines(descriptor, onLine)
      close(descriptor)
      ended.settle(())
    }
    thread.stackSize = 512 << 10
    thread.start()
  }

  /// Returns when the writing side is closed and every line was handed out, or after `limit`: a process that left its
  /// parent's group may hold the writing side open for ever.
  func finished(within limit: Duration = .seconds(5)) async {
    let ended = self.ended
    DispatchQueue.global().asyncAfter(deadline: .now() + (limit / .seconds(1))) { ended.settle(()) }
    await ended.value()
  }

  private static func readLines(_ descriptor: Int32, _ onLine: (String) -> Void) {
    var line: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    func flush() {
      onLine(String(decoding: line, as: UTF8.self))
      line.removeAll(keepingCapacity: true)
    }
    while true {
      let count = read(descriptor, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { break }
      var rest = chunk[..<count]
      while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
        line += rest[..<end]
        flush()
        rest = rest[(end + 1)...]
      }
      line += rest
      if line.count >= longestLineBytes { flush() }
    }
    if !line.isEmpty { flush() }
  }
}

/// The last lines of a log file.
enum LogTail {
  /// - Returns: at most `count` lines out of the last 64 KiB; none where the file cannot be read.
  static func read(_ path: String, last count: Int) -> [String] {
    guard let file = FileHandle(forReadingAtPath: path) else { return [] }
    defer { try? file.close() }
    guard let size = try? file.seekToEnd() else { return [] }
    try? file.seek(toOffset: size > 65_536 ? size - 65_536 : 0)
    guard let data = try? file.readToEnd() else { return [] }
    let lines = String(decoding: data, as: UTF8.self).split(whereSeparator: \.isNewline).map(String.init)
    return Array(lines.suffix(count))
  }
}
