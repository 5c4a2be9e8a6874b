import Foundation

/// Memory that a worker shares with its supervisor, in a file: how far it is, and the input that it is trying.
///
/// Writing to it takes no system call, and what was written is there when the worker is not.
final class SharedBoard: @unchecked Sendable {
  // Written by the worker's one fuzzing thread, read by the supervisor.
  static let inputCapacity = 4 << 20
  private static let headBytes = 64
  private let base: UnsafeMutableRawPointer

  init(path: String) throws {
    let file = open(path, O_RDWR | O_CREAT, 0o600)
    guard file >= 0 else { throw CocoaError(.fileReadUnknown) }
    defer { close(file) }
    let size = Self.headBytes + Self.inputCapacity
    guard ftruncate(file, size) == 0, let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0),
      memory != MAP_FAILED
    else { throw CocoaError(.fileReadUnknown) }
    base = memory
  }

  deinit { munmap(base, Self.headBytes + Self.inputCapacity) }

  private func field(_ index: Int) -> UnsafeMutablePointer<UInt64> {
    (base + 8 * index).assumingMemoryBound(to: UInt64.self)
  }

  /// Executions that were finished.
  var finished: UInt64 {
    get { field(0).pointee }
    set { field(0).pointee = newValue }
  }

  /// Inputs whose outcome was new.
  var outcomes: UInt64 {
    get { field(1).pointee }
    set { field(1).pointee = newValue }
  }

  var input: [UInt8] {
    get {
      let count = min(Int(clamping: field(2).pointee), Self.inputCapacity)
      return Array(UnsafeRawBufferPointer(start: base + Self.headBytes, count: count))
    }
    set {
      let count = min(newValue.count, Self.inputCapacity)
      newValue.withUnsafeBytes { bytes in
        if let start = bytes.baseAddress { (base + Self.headBytes).copyMemory(from: start, byteCount: count) }
      }
      field(2).pointee = UInt64(count)
    }
  }

  /// Set by the worker once it has set itself up.
  var isReady: Bool {
    get { field(3).pointee != 0 }
    set { field(3).pointee = newValue ? 1 : 0 }
  }
}
