import Executor
import Foundation
import Synchronization

/// The lock of a deployment: a Lease in its namespace, which its holder renews as long as it lives.
final class LeaseLock: DeploymentLock {
  /// How long a lock stands after its holder has renewed it last, seconds.
  static let durationSeconds = 15

  private let client: KubeClient
  private let namespace: String
  private let name: String
  private let holder: String
  private let state: Mutex<State>

  private struct State {
    var lease: LeaseObject
    var task: Task<Void, Never>?
    var isReleased = false
    var isLost = false
  }

  private init(_ client: KubeClient, namespace: String, name: String, holder: String, lease: LeaseObject) {
    self.client = client
    self.namespace = namespace
    self.name = name
    self.holder = holder
    state = Mutex(State(lease: lease))
  }

  /// Somebody else took the lock, because it had not been renewed in time: this process may have slept.
  var isLost: Bool { state.withLock { $0.isLost } }

  /// - Throws: `RuntimeError`: `conflict` where another holder has it; `KubeFailure`.
  static func acquire(
    _ client: KubeClient, namespace: String, deployment: DeploymentID, purpose: String
  ) async throws -> LeaseLock {
    let name = "planner-\(deployment)"
    let holder =
      "\(purpose) (\(ProcessInfo.processInfo.hostName), process "
      + "\(ProcessInfo.processInfo.processIdentifier), \(UInt32.random(in: .min ... .max)))"
    func value(_ version: String?) -> ManifestValue {
      var metadata: ManifestValue = [
        "name": .string(name), "namespace": .string(namespace),
        "labels": .strings([KubernetesName.managerLabel: KubernetesName.manager]),
      ]
      if let version { metadata["resourceVersion"] = .string(version) }
      return Self.value(metadata, holder: holder, at: client.nowSeconds)
    }
    for _ in 0..<3 {
      let lease: LeaseObject
      do {
        lease = try await client.create(LeaseObject.self, .leases, namespace: namespace, value(nil))
      } catch let failure as KubeFailure where failure.code == 409 {
        guard let found = try await client.get(LeaseObject.self, .leases, namespace: namespace, name: name) else {
          continue
        }
        guard found.metadata.isOwn else { throw stranger(name) }
        if let other = found.spec?.holderIdentity, !other.isEmpty, !hasExpired(found, now: client.nowSeconds) {
          throw held(deployment, by: other)
        }
        do {
          lease = try await client.replace(
            LeaseObject.self, .leases, namespace: namespace, value(found.metadata.resourceVersion))
        } catch let failure as KubeFailure where failure.code == 409 || failure.isNotFound {
          // Another one was quicker.
          continue
        }
      }
      let lock = LeaseLock(client, namespace: namespace, name: name, holder: holder, lease: lease)
      lock.keep()
      return lock
    }
    throw held(deployment, by: "several at the same time")
  }

  private static func value(_ metadata: ManifestValue, holder: String, at seconds: Double) -> ManifestValue {
    let now = ManifestValue.string(KubeTime.text(seconds))
    return [
      "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata,
      "spec": [
        "holderIdentity": .string(holder), "leaseDurationSeconds": .integer(durationSeconds), "acquireTime": now,
        "renewTime": now,
      ],
    ]
  }

  /// Both times are the cluster's: its own clock judges what its own clock stamped.
  static func hasExpired(_ lease: LeaseObject, now: Double) -> Bool {
    guard let renewed = lease.spec?.renewTime.flatMap(KubeTime.seconds) else { return true }
    // A second more: the cluster's clock is read from answers, which tell whole seconds.
    return now > renewed + Double(lease.spec?.leaseDurationSeconds ?? durationSeconds) + 1
  }

  private static func held(_ deployment: DeploymentID, by holder: String) -> RuntimeError {
    RuntimeError(
      .conflict, "another run is at work on deployment '\(deployment)': \(KubeFailure.oneLine(holder))",
      remedy: "wait for it to end or stop it; where it was killed, its lock ends after \(durationSeconds) s")
  }

  private static func stranger(_ name: String) -> RuntimeError {
    RuntimeError(
      .conflict, "the namespace has a Lease '\(name)' that this program did not create",
      remedy: "remove it, or deploy to another namespace")
  }

  /// Renews it three times in the time that it stands.
  private func keep() {
    let task = Task { [weak self] in
      while !Task.isCancelled {
        try? await Task.sleep(for: .seconds(Self.durationSeconds) / 3)
        guard let self, !Task.isCancelled else { return }
        await self.renew()
      }
    }
    state.withLock { $0.task = task }
  }

  private func renew() async {
    let (version, uid, isOver) = state.withLock {
      ($0.lease.metadata.resourceVersion, $0.lease.metadata.uid, $0.isReleased || $0.isLost)
    }
    guard !isOver, let version, let uid else { return }
    let metadata: ManifestValue = [
      "name": .string(name), "namespace": .string(namespace), "resourceVersion": .string(version),
      "uid": .string(uid), "labels": .strings([KubernetesName.managerLabel: KubernetesName.manager]),
    ]
    do {
      let lease = try await client.replace(
        LeaseObject.self, .leases, namespace: namespace,
        Self.value(metadata, holder: holder, at: client.nowSeconds))
      state.withLock { $0.lease = lease }
    } catch let failure as KubeFailure where failure.code == 409 || failure.isNotFound {
      state.withLock { if !$0.isReleased { $0.isLost = true } }
    } catch {
      // Tried again at the next turn; until then the lock stands.
    }
  }

  func release() async {
    let found = state.withLock { state -> (task: Task<Void, Never>?, uid: String?, isOwn: Bool)? in
      guard !state.isReleased else { return nil }
      state.isReleased = true
      return (state.task, state.lease.metadata.uid, !state.isLost)
    }
    guard let found else { return }
    found.task?.cancel()
    await found.task?.value
    guard found.isOwn else { return }
    // Of its own, so that the lock goes although the caller's task may have been cancelled.
    let removal = Task { [client, namespace, name] in
      try? await client.delete(.leases, namespace: namespace, name: name, uid: found.uid)
    }
    await removal.value
  }
}
