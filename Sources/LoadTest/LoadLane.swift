import NIOCore

/// One target of a run: its connections, and the requests that wait for one of them.
struct LoadLane {
  let target: LoadTarget
  /// Last in, first out: the connection used last is the warmest.
  var idle: [LoadConnection] = []
  var open: [ObjectIdentifier: LoadConnection] = [:]
  /// Connections that are being opened.
  var connecting = 0
  /// Numbers of requests, in the order in which they were due.
  var waiting = CircularBuffer<Int>()

  init(target: LoadTarget) { self.target = target }

  /// More requests wait than connections are being opened, and there may be one more.
  func mayOpen(cap: Int) -> Bool { connecting < waiting.count && open.count + connecting < cap }

  mutating func remove(_ connection: LoadConnection) {
    open[ObjectIdentifier(connection)] = nil
    idle.removeAll { $0 === connection }
  }
}
