import Foundation

/// The socket by which a proxy of this machine is asked how it is.
struct AdminSocket {
  static let name = "admin.sock"
  /// Longest answer that is waited for, bytes.
  private static let mostBytes = 1 << 20
  private static let patienceSeconds = 5

  /// Folder that the socket lies in.
  let folder: String

  /// The process that answers, and how it describes itself; nil where none does.
  func identity() -> (process: ProcessIdentity, description: String)? {
    guard let answer = ask("show info") else { return nil }
    var facts: [Substring: String] = [:]
    for line in answer.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1)
      if parts.count == 2 { facts[parts[0]] = parts[1].trimmingCharacters(in: .whitespaces) }
    }
    guard let pid = facts["Pid"].flatMap({ Int32($0) }), let process = ProcessIdentity(of: pid) else { return nil }
    return (process, facts["description"] ?? "")
  }

  /// The answer to one command; nil where nobody answers.
  private func ask(_ command: String) -> String? {
    let place = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard place >= 0 else { return nil }
    defer { close(place) }
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var limit = timeval(tv_sec: Self.patienceSeconds, tv_usec: 0)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
    }
    // A socket's address has 107 characters, fewer than paths of temporary folders may have.
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: "/proc/self/fd/\(place)/\(Self.name)".utf8) }
    let isConnected = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
      }
    }
    let bytes = Array("\(command)\n".utf8)
    guard isConnected, send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
      return nil
    }
    var answer: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16 << 10)
    while answer.count < Self.mostBytes {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return count == 0 ? String(decoding: answer, as: UTF8.self) : nil }
      answer += buffer[..<count]
    }
    return nil
  }
}
