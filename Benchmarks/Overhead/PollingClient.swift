import CLinux
import Foundation
import LoadTest
import PlannerCore

/// Sends a schedule over loopback from one thread that never sleeps: it looks for requests that are due and for answers
/// in turn, with plain sockets.
///
/// It runs at idle priority, so that a server on the same CPU goes first whenever it has something to do. A client that
/// slept would let a virtual CPU halt, and each request would then also be charged the hypervisor's waking of it.
struct PollingClient {
  struct Sample {
    /// From the intended time of sending to the answer's last byte, seconds.
    var latencySeconds = 0.0
    /// How late it was sent, seconds.
    var lagSeconds = 0.0
    /// The answer's head, as it came.
    var head: [UInt8] = []
  }

  struct Failure: Error, CustomStringConvertible {
    var description: String
  }

  private struct Connection {
    var socket: Int32
    /// The request that waits for an answer here.
    var request: Int?
    var received: [UInt8] = []
  }

  private static let timeLimitSeconds = 10.0

  private var connections: [Connection] = []
  private var idle: [Int] = []
  /// Connections with a request under way, in no order.
  private var busy: [Int] = []
  private var buffer = [UInt8](repeating: 0, count: 16 << 10)

  init(port: Int, connections count: Int = 16) throws {
    for index in 0..<count {
      connections.append(Connection(socket: try Self.connect(port)))
      idle.append(index)
    }
  }

  /// Runs on the calling thread, which is bound to `cpu` where one is named and stays at idle priority afterwards.
  mutating func run(dueSeconds: [Double], request: [UInt8], cpu: Int?) throws -> [Sample] {
    if let cpu {
      let status = withUnsafePointer(to: Int32(cpu)) { cl_set_thread_affinity($0, 1) }
      guard status == 0 else { throw Failure(description: "cannot run on CPU \(cpu): error \(status)") }
    }
    let status = cl_set_idle_priority()
    guard status == 0 else { throw Failure(description: "cannot run at idle priority: error \(status)") }
    var samples = [Sample](repeating: Sample(), count: dueSeconds.count)
    var next = 0
    let start = Self.now() + 0.02
    while next < dueSeconds.count || !busy.isEmpty {
      let time = Self.now() - start
      if next < dueSeconds.count, dueSeconds[next] <= time, let index = idle.popLast() {
        samples[next].lagSeconds = time - dueSeconds[next]
        connections[index].request = next
        try send(request, on: connections[index].socket)
        busy.append(index)
        next += 1
      }
      try receive(dueSeconds, start, &samples)
    }
    return samples
  }

  /// Looks once at every connection that waits for an answer.
  private mutating func receive(_ due: [Double], _ start: Double, _ samples: inout [Sample]) throws {
    var place = 0
    while place < busy.count {
      let index = busy[place]
      guard let request = connections[index].request else { preconditionFailure("a busy connection has a request") }
      let count = recv(connections[index].socket, &buffer, buffer.count, Int32(MSG_DONTWAIT))
      if count > 0 {
        connections[index].received += buffer[..<count]
        let latency = Self.now() - start - due[request]
        if let head = try Self.completeHead(connections[index].received) {
          samples[request].latencySeconds = latency
          samples[request].head = Array(head)
          connections[index].received.removeAll(keepingCapacity: true)
          connections[index].request = nil
          busy.swapAt(place, busy.count - 1)
          busy.removeLast()
          idle.append(index)
          continue
        }
      } else if count == 0 || (errno != EAGAIN && errno != EINTR) {
        throw Failure(description: "the server closed a connection in the middle of a request")
      } else if Self.now() - start - due[request] > Self.timeLimitSeconds {
        throw Failure(description: "a request was not answered within \(Self.timeLimitSeconds) s")
      }
      place += 1
    }
  }

  /// The head of an answer that is there in full; nil where more must come.
  private static func completeHead(_ received: [UInt8]) throws -> ArraySlice<UInt8>? {
    var end = 3
    while end < received.count,
      !(received[end] == 10 && received[end - 1] == 13 && received[end - 2] == 10 && received[end - 3] == 13)
    { end += 1 }
    guard end < received.count else { return nil }
    let head = received[...end]
    guard head.starts(with: "HTTP/1.1 200 ".utf8) else {
      throw Failure(description: "the server answered: \(String(decoding: received.prefix(300), as: UTF8.self))")
    }
    guard let length = field("content-length", of: head).flatMap(Int.init) else {
      throw Failure(description: "an answer does not say how long it is")
    }
    return received.count >= end + 1 + length ? head : nil
  }

  /// The value of a header field, whose name is given in small letters.
  static func field(_ name: String, of head: ArraySlice<UInt8>) -> String? {
    let name = Array(name.utf8)
    for line in head.split(separator: UInt8(ascii: "\n")) where line.count > name.count {
      // Small letters have this bit, and so have hyphens.
      guard line.dropFirst(name.count).first == UInt8(ascii: ":"), zip(line, name).allSatisfy({ $0 | 0x20 == $1 })
      else { continue }
      let value = line.dropFirst(name.count + 1)
      return String(decoding: value, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }
    return nil
  }

  private func send(_ bytes: [UInt8], on socket: Int32) throws {
    let count = Glibc.send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    guard count == bytes.count else { throw Failure(description: "a request could not be sent: error \(errno)") }
  }

  private static func connect(_ port: Int) throws -> Int32 {
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
    let status = withUnsafePointer(to: address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard socket >= 0, status == 0 else { throw Failure(description: "cannot connect to port \(port): error \(errno)") }
    var on: Int32 = 1
    setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    return socket
  }

  private static func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
