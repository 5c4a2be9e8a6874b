import Synchronization

/// Spreads models over a server's devices: a model lives on one of them, whose queue is its own.
///
/// The next model goes where the fewest bytes are, so that devices fill alike.
package final class DeviceBalance: Sendable {
  /// `cpu`, `cuda:1`, `neuron:0`; one for each queue.
  package let devices: [String]
  private let bytes: Mutex<[Int64]>

  package init(devices: [String]) {
    precondition(!devices.isEmpty)
    self.devices = devices
    bytes = Mutex(Array(repeating: 0, count: devices.count))
  }

  /// A model's place, as long as it is held.
  package final class Place: Sendable {
    /// Which of the devices.
    package let index: Int
    private let bytes: Int64
    private let balance: DeviceBalance

    fileprivate init(index: Int, bytes: Int64, balance: DeviceBalance) {
      self.index = index
      self.bytes = bytes
      self.balance = balance
    }

    package var device: String { balance.devices[index] }

    deinit { balance.bytes.withLock { $0[index] -= bytes } }
  }

  package func place(bytes size: Int64) -> Place {
    let index = bytes.withLock { bytes in
      let index = bytes.indices.min { bytes[$0] < bytes[$1] } ?? 0
      bytes[index] += size
      return index
    }
    return Place(index: index, bytes: size, balance: self)
  }
}
