import Foundation
import WebClient

/// A file that a repository is said to have.
struct WantedFile: Sendable {
  /// Relative, as `RelativePath` allows.
  var path: String
  /// Size as a manifest or a listing says; nil where neither does.
  var bytes: Int64?
  /// SHA-256 as a manifest says.
  var sha256: String?
  /// Entity tag as a listing says.
  var entityTag: String?
  /// Largest size that is taken.
  var maxBytes = Int64.max
}

/// Brings one file of a store into the cache: once, whole, checked.
struct ObjectFetch {
  let store: any ObjectStore
  let cache: CacheFolder
  let retry: RetryPolicy
  let cancellation: Cancellation
  let stallSeconds: Int

  enum Outcome: Sendable, Equatable {
    case alreadyThere
    /// Bytes that came over the network.
    case fetched(Int64)
  }

  /// How often a file is begun anew because it changed or its content was wrong.
  static let maxRestarts = 2

  /// Waits for other processes that fetch the same file.
  ///
  /// - Throws: `RemoteError`; the part that has come stays for the next time, except where the disk is full.
  func fetch(_ wanted: WantedFile, _ transfer: Transfer) throws(RemoteError) -> Outcome {
    let place = cache.place(wanted.path)
    if isCurrent(place, wanted) { return .alreadyThere }
    try cache.prepare(place)
    let lock = try FileLock(place.lock, cancellation)
    defer { withExtendedLifetime(lock) {} }
    if isCurrent(place, wanted) { return .alreadyThere }
    do throws(RemoteError) {
      return try fetchLocked(wanted, place, transfer)
    } catch {
      if DiskProblem.isFull(error) { cache.removePart(place) }
      throw error
    }
  }

  /// Whether what is in place is certainly what is wanted, without asking.
  private func isCurrent(_ place: CacheFolder.Place, _ wanted: WantedFile) -> Bool {
    guard let origin = cache.current(place) else { return false }
    if let sha256 = wanted.sha256 { return origin.sha256 == sha256 }
    guard let tag = wanted.entityTag else { return false }
    return origin.entityTag == tag && (wanted.bytes == nil || wanted.bytes == origin.bytes)
  }

  private func fetchLocked(
    _ wanted: WantedFile, _ place: CacheFolder.Place, _ transfer: Transfer
  ) throws(RemoteError) -> Outcome {
    let subject = store.subject + wanted.path
    var restarts = 0
    var failures = 0
    var furthest: Int64 = 0
    var received: Int64 = 0
    while true {
      let part = try PartFile(place.part)
      let sink = PartSink(fetch: self, wanted: wanted, place: place, part: part)
      do throws(RemoteError) {
        let start = try sink.resume()
        if !sink.isComplete {
          let call = try request(sink, start, place, transfer)
          let head = try transfer.perform(call, into: sink)
          if head.status == 304, call.headers.contains(where: { $0.0 == "If-None-Match" }) {
            cache.removePart(place)
            return .alreadyThere
          }
          guard sink.isAccepted else { throw store.problem(head, sink.refused, subject: subject) }
        }
        guard sink.isComplete, let origin = sink.origin else {
          throw RemoteError(.transient, subject, "ended before all of it had come")
        }
        try cache.finish(place, try verified(origin, wanted, place), descriptor: part.descriptor)
        return .fetched(received + sink.received)
      } catch  where error.kind == .transient {
        // An attempt that got further was no failure: a line that is often cut still gets there. Bytes that come again,
        // since their store cannot resume, are no progress.
        let reached = part.bytes
        failures = reached > furthest ? 1 : failures + 1
        furthest = max(furthest, reached)
        guard failures < retry.attempts else { throw retry.exhausted(error) }
        try retry.sleep(retry.pause(afterFailures: failures, asked: error.retryAfterSeconds), cancellation)
      } catch  where error.kind == .changed {
        cache.removePart(place)
        furthest = 0
        restarts += 1
        guard restarts <= Self.maxRestarts else { throw RemoteError(.badData, error.subject, error.message) }
      }
      received += sink.received
    }
  }

  private func request(
    _ sink: PartSink, _ start: Int64, _ place: CacheFolder.Place, _ transfer: Transfer
  ) throws(RemoteError) -> HTTPCall {
    var call = try store.get(place.relative, transfer, cancellation)
    call.limits.stallSeconds = stallSeconds
    if start > 0, let tag = sink.origin?.entityTag {
      call.headers += [("Range", "bytes=\(start)-"), ("If-Match", tag)]
    } else if sink.wanted.sha256 == nil, let known = cache.current(place), let tag = known.entityTag,
      sink.wanted.bytes == nil || sink.wanted.bytes == known.bytes
    {
      call.headers.append(("If-None-Match", tag))
    }
    return call
  }

  /// Compares the whole part with everything that is known of it.
  private func verified(
    _ origin: CacheFolder.Origin, _ wanted: WantedFile, _ place: CacheFolder.Place
  ) throws(RemoteError) -> CacheFolder.Origin {
    let subject = store.subject + wanted.path
    for digest in origin.digests {
      if try digest.matches(place.part) { continue }
      throw RemoteError(.changed, subject, "what came does not have the \(digest.name) that the store names")
    }
    var checked = origin
    if let sha256 = wanted.sha256 {
      guard try Digest.sha256(sha256).matches(place.part) else {
        throw RemoteError(.changed, subject, "its SHA-256 is not the one in the manifest")
      }
      checked.sha256 = sha256
    }
    checked.bootID = nil
    return checked
  }
}

/// Writes an answer's body behind what has already come of the file.
private final class PartSink: ResponseSink {
  let wanted: WantedFile
  private let fetch: ObjectFetch
  private let place: CacheFolder.Place
  private let part: PartFile
  private(set) var origin: CacheFolder.Origin?
  /// Bytes of the file that this attempt brought.
  private(set) var received: Int64 = 0
  /// Whether the answer was the file or a piece of it.
  private(set) var isAccepted = false
  /// Start of an answer that was not.
  private(set) var refused = Data()

  private var subject: String { fetch.store.subject + wanted.path }

  init(fetch: ObjectFetch, wanted: WantedFile, place: CacheFolder.Place, part: PartFile) {
    self.fetch = fetch
    self.wanted = wanted
    self.place = place
    self.part = part
  }

  var isComplete: Bool { origin.map { $0.bytes == part.bytes } ?? false }

  /// - Returns: where to go on; 0 where nothing usable has come before.
  func resume() throws(RemoteError) -> Int64 {
    let known = fetch.cache.origin(place.partOrigin, of: place)
    if let known, part.bytes > 0, part.bytes <= known.bytes, let tag = known.entityTag, !tag.hasPrefix("W/"),
      wanted.entityTag == nil || wanted.entityTag == tag, wanted.bytes == nil || wanted.bytes == known.bytes,
      wanted.sha256 != nil || !known.digests.isEmpty || known.bootID == CacheFolder.bootID
    {
      origin = known
      return part.bytes
    }
    try part.truncate()
    return 0
  }

  func begin(_ head: HTTPHead) throws(RemoteError) {
    switch head.status {
    case 200:
      try part.truncate()
      guard let bytes = head["content-length"].flatMap({ Int64($0) }) ?? wanted.bytes, bytes >= 0 else {
        throw RemoteError(.badData, subject, "is sent without its length, and the manifest does not state it")
      }
      let isListed = wanted.entityTag == nil || wanted.entityTag == head["etag"]
      if let wantedBytes = wanted.bytes, wantedBytes != bytes, isListed {
        throw RemoteError(.badData, subject, "has \(bytes) bytes; \(wantedBytes) were announced")
      }
      guard bytes <= wanted.maxBytes else {
        throw RemoteError(.badData, subject, "has \(bytes) bytes, more than \(wanted.maxBytes)")
      }
      let known = CacheFolder.Origin(
        path: wanted.path, bytes: bytes, entityTag: head["etag"], digests: fetch.store.digests(head), sha256: nil,
        bootID: CacheFolder.bootID)
      try fetch.cache.write(known, to: place.partOrigin)
      origin = known
      isAccepted = true
    case 206:
      guard let known = origin, head["content-range"] == "bytes \(part.bytes)-\(known.bytes - 1)/\(known.bytes)" else {
        throw RemoteError(.changed, subject, "another piece came than the one asked for")
      }
      isAccepted = true
    case 412, 416:
      throw RemoteError(.changed, subject, "changes again and again while it is fetched")
    default: break
    }
  }

  func append(_ bytes: UnsafeRawBufferPointer) throws(RemoteError) {
    guard isAccepted, let origin else {
      refused.append(contentsOf: bytes.prefix(max(0, (1 << 16) - refused.count)))
      return
    }
    guard part.bytes + Int64(bytes.count) <= origin.bytes else {
      throw RemoteError(.changed, subject, "is longer than announced")
    }
    try part.append(bytes)
    received += Int64(bytes.count)
  }
}
