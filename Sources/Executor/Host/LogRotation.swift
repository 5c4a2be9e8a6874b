import Foundation

/// Keeps a log from growing for ever: beside `x.log` there are at most `x.log.1` and `x.log.2`, the older ones.
enum LogRotation {
  static let mostBytes = 10 << 20
  static let older = 2

  /// Names of a log and of the older parts of it.
  static func files(_ path: String) -> [String] { [path] + (1...older).map { "\(path).\($0)" } }

  /// Puts a log that has anything in it aside, before its next writer begins one anew.
  static func rotate(_ path: String) {
    guard size(path) > 0 else { return }
    shift(path)
    rename(path, "\(path).1")
  }

  /// Puts what a log has aside where it is large, and cuts it to nothing under its writer, which appends. Lines that
  /// are written between the two steps are lost.
  static func cut(_ path: String, mostBytes: Int = mostBytes) {
    guard size(path) > mostBytes else { return }
    shift(path)
    let aside = "\(path).1"
    guard (try? FileManager.default.copyItem(atPath: path, toPath: aside)) != nil else {
      unlink(aside)
      return
    }
    truncate(path, 0)
  }

  static func remove(_ path: String) { for file in files(path) { unlink(file) } }

  private static func shift(_ path: String) {
    for number in stride(from: older, to: 1, by: -1) { rename("\(path).\(number - 1)", "\(path).\(number)") }
    unlink("\(path).1")
  }

  private static func size(_ path: String) -> Int {
    var facts = stat()
    return stat(path, &facts) == 0 ? Int(facts.st_size) : 0
  }
}
