import ServerContract

extension ProcessMemory {
  /// Bytes that would be free if the process ended: see `privateBytes`.
  ///
  /// - Throws: `ExecutorError.host` where there is no such process.
  public static func privateBytes(pid: Int32) throws(ExecutorError) -> Int64 {
    guard let bytes = ProcessMemory(pid: pid).privateBytes else {
      throw .host(what: "the memory of process \(pid)", reason: "there is no such process")
    }
    return bytes
  }
}
