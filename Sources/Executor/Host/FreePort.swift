import Foundation

/// Asks the system about TCP ports.
public enum FreePort {
  /// A port that is free at this moment.
  ///
  /// - Throws: `ExecutorError.portInUse` where `host` is no address of this machine.
  public static func find(host: String = "127.0.0.1") throws(ExecutorError) -> Int {
    try bind(host: host, port: 0)
  }

  /// - Throws: `ExecutorError.portInUse` unless a server could listen on `port` now.
  public static func require(host: String = "127.0.0.1", port: Int) throws(ExecutorError) {
    guard (0...65535).contains(port) else {
      throw .portInUse(host: host, port: port, reason: "a port is a number from 0 to 65535")
    }
    _ = try bind(host: host, port: port)
  }

  private static func bind(host: String, port: Int) throws(ExecutorError) -> Int {
    func refuse(_ reason: String) -> ExecutorError { .portInUse(host: host, port: port, reason: reason) }
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
    var found: UnsafeMutablePointer<addrinfo>?
    let problem = getaddrinfo(host, "\(port)", &hints, &found)
    guard problem == 0, let address = found else { throw refuse(String(cString: gai_strerror(problem))) }
    defer { freeaddrinfo(found) }
    let socket = Foundation.socket(address.pointee.ai_family, address.pointee.ai_socktype | O_CLOEXEC, 0)
    guard socket >= 0 else { throw refuse(systemMessage(errno)) }
    defer { close(socket) }
    // As servers do: a port whose last connections are still fading away is free.
    var yes: Int32 = 1
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
    guard Foundation.bind(socket, address.pointee.ai_addr, address.pointee.ai_addrlen) == 0, listen(socket, 1) == 0
    else { throw refuse(systemMessage(errno)) }
    var bound = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let asked = withUnsafeMutablePointer(to: &bound) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket, $0, &length) }
    }
    guard asked == 0 else { throw refuse(systemMessage(errno)) }
    // The port lies at the same place in both address families.
    return withUnsafeBytes(of: &bound) { Int($0[2]) << 8 | Int($0[3]) }
  }
}
