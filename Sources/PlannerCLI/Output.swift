import Foundation
import Reporting
import Synchronization

/// Where things are printed: results to standard output, progress and problems to standard error.
enum Output {
  private static let problem = Mutex<Int32?>(nil)

  /// Why a result could not be written to standard output; nil where it was, or where its reader had seen enough and
  /// closed the pipe.
  static var resultProblem: String? { problem.withLock { $0 }.map { String(cString: strerror($0)) } }

  static func result(_ text: String) {
    write(text.hasSuffix("\n") ? text : text + "\n", to: 1)
  }

  /// A line that another program wrote: on a terminal without what would steer it, else as it is.
  static func foreign(_ line: String) -> String { isTerminal(1) ? TextWidth.printable(line) : line }

  /// Lines of which another program has written parts.
  static func foreignText(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { foreign(String($0)) }.joined(separator: "\n")
  }

  static func note(_ text: String) {
    clearProgress()
    write(text + "\n", to: 2)
  }

  /// A line that the next one overwrites; on anything but a terminal it is left out.
  static func progress(_ text: String) {
    guard isTerminal(2) else { return }
    write("\r\u{1B}[2K" + text, to: 2)
  }

  static func clearProgress() {
    if isTerminal(2) { write("\r\u{1B}[2K", to: 2) }
  }

  static func isTerminal(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 }

  /// Columns of the terminal, or 100 where there is none.
  static var width: Int {
    var size = winsize()
    if ioctl(1, UInt(TIOCGWINSZ), &size) == 0, size.ws_col >= 40 { return Int(size.ws_col) }
    return ProcessInfo.processInfo.environment["COLUMNS"].flatMap { Int($0) }.map { max(40, $0) } ?? 100
  }

  /// Style of what goes to standard output.
  static var style: TextStyle { TextStyle(width: width, isStyled: isTerminal(1)) }

  private static func write(_ text: String, to descriptor: Int32) {
    let bytes = Array(text.utf8)
    var offset = 0
    while offset < bytes.count {
      let written = bytes.withUnsafeBytes {
        Foundation.write(descriptor, $0.baseAddress! + offset, bytes.count - offset)
      }
      if written < 0, errno == EINTR { continue }
      if written <= 0 {
        let number = errno
        if descriptor == 1, number != EPIPE { problem.withLock { $0 = number } }
        return
      }
      offset += written
    }
  }
}
