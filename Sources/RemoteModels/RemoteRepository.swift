import Foundation
import Logging
import PlannerCore
import PlannerFiles
import Serving
import Synchronization
import WebClient

/// How a remote repository is pulled.
package struct PullOptions: Sendable {
  package enum Moment: String, Sendable, CaseIterable {
    /// Every model before the server is ready.
    case start
    /// A model when it is asked for the first time.
    case firstUse = "first-use"
  }

  package var moment = Moment.start
  /// Folder of all repositories' local copies.
  package var cache = PullOptions.defaultCache(ProcessInfo.processInfo.environment)
  /// Transfers at once.
  package var connections = 8
  package var retry = RetryPolicy()
  package var stallSeconds = 30
  /// Whether a bucket is read without signing where no credentials are found.
  package var isAnonymousAllowed = false

  package init() {}

  static func defaultCache(_ environment: [String: String]) -> String {
    if let folder = environment["XDG_CACHE_HOME"], folder.hasPrefix("/") { return folder + "/planner/models" }
    return (environment["HOME"] ?? NSHomeDirectory()) + "/.cache/planner/models"
  }
}

/// A repository at `https://` or `s3://` and its local copy.
///
/// Its calls wait for the network; they belong on threads that may wait.
package final class RemoteRepository: Sendable {
  package let address: RepositoryAddress
  package let folder: String
  private let options: PullOptions
  private let logger: Logger
  private let store: any ObjectStore
  private let cache: CacheFolder
  private let pool: TransferPool
  private let state = Mutex(State())

  private struct State {
    var entityTags: [String: String] = [:]
    /// Files that were compared with the store since this object was made.
    var checked: Set<String> = []
    /// Whether the manifest is one of an earlier pull: then so may be the files.
    var isOutOfReach = false
  }

  /// What a pull did.
  package struct Summary: Codable, Sendable, Equatable {
    package var models = 0
    package var fetched = 0
    package var fetchedBytes: Int64 = 0
    package var folder: String
    /// Why a model is not there, by name.
    package var failures: [String: String] = [:]

    /// One error for all failures, of which five are named.
    package func problem(_ address: RepositoryAddress) -> RemoteError {
      let more = failures.count > 5 ? ["and \(failures.count - 5) more"] : []
      return RemoteError(
        .unavailable, address.description,
        "\(failures.count) of \(models) models could not be pulled:\n"
          + (failures.values.sorted().prefix(5) + more).joined(separator: "\n"))
    }
  }

  /// - Throws: `RemoteError` where the address or the environment makes no sense; nothing is asked yet.
  package init(
    _ address: RepositoryAddress, options: PullOptions, environment: [String: String], logger: Logger
  ) throws(RemoteError) {
    self.address = address
    self.options = options
    self.logger = logger
    switch address {
    case .folder(let path): throw RemoteError(.badData, path, "is no remote repository")
    case .https(let base): store = HTTPSStore(base: base)
    case .s3(let bucket, let prefix):
      store = try S3Store(
        bucket: bucket, prefix: prefix, environment: environment, retry: options.retry,
        isAnonymousAllowed: options.isAnonymousAllowed)
    }
    cache = CacheFolder(cache: options.cache, store: store)
    folder = cache.path
    pool = TransferPool(limit: options.connections, authorities: Transfer.authorities(environment))
  }

  deinit { pool.close() }

  /// Whether models are pulled before a server is ready.
  package var pullsAtStart: Bool { options.moment == .start }

  /// Gives up everything that is under way.
  package func cancel() { pool.close() }

  /// Fetches what the repository says of itself, and its vocabulary: its `manifest.json`, else, of a bucket, a list
  /// of its `.pt` files.
  ///
  /// Where the store cannot be reached and an earlier pull left a manifest or models, these are used.
  /// - Throws: `RemoteError`, or `FileError` with everything that is wrong in the manifest.
  package func manifest() throws -> RepositoryManifest {
    do {
      let manifest = try freshManifest()
      state.withLock { $0.isOutOfReach = false }
      return manifest
    } catch let error as RemoteError where error.kind == .transient {
      guard let known = try? RepositoryLoader(folder: folder).manifest() else { throw error }
      logger.warning("using what an earlier pull left in \(folder): \(error)")
      state.withLock { state in
        state.entityTags = [:]
        state.isOutOfReach = true
      }
      return known
    }
  }

  /// Pulls the first `limit` models, so many at once as there are connections.
  ///
  /// A model that cannot be had does not keep the others from coming.
  /// - Parameter progress: called after each model with the number that was tried, from any thread.
  package func pull(
    _ manifest: RepositoryManifest, limit: Int? = nil, progress: @escaping @Sendable (Int) -> Void = { _ in }
  ) throws(RemoteError) -> Summary {
    let models = manifest.models.prefix(limit ?? manifest.models.count)
    let summary = Mutex(Summary(models: models.count, folder: folder))
    let done = Mutex(0)
    let group = DispatchGroup()
    for model in models {
      group.enter()
      let wanted = wanted(model)
      pool.submit { [self] transfer throws(RemoteError) in
        try fetch(wanted, transfer)
      } onEnd: { result in
        summary.withLock { summary in
          switch result {
          case .success(.alreadyThere): break
          case .success(.fetched(let bytes)):
            summary.fetched += 1
            summary.fetchedBytes += bytes
          case .failure(let error): summary.failures[model.name] = error.description
          }
        }
        progress(
          done.withLock { count in
            count += 1
            return count
          })
        group.leave()
      }
    }
    group.wait()
    if pool.cancellation.isCancelled { throw .cancelled }
    return summary.withLock { $0 }
  }

  /// Path of a model's file, which is there, whole and checked when this returns.
  package func localPath(of model: RepositoryManifest.Model) throws(RemoteError) -> String {
    let path = folder + "/" + model.file
    if state.withLock({ $0.checked.contains(model.file) }), FileSize.of(path) != nil { return path }
    let wanted = wanted(model)
    _ = try pool.run { [self] transfer throws(RemoteError) in try fetch(wanted, transfer) }
    return path
  }

  // MARK: Steps

  private func wanted(_ model: RepositoryManifest.Model) -> WantedFile {
    WantedFile(
      path: model.file, bytes: model.fileBytes > 0 ? model.fileBytes : nil, sha256: model.sha256,
      entityTag: state.withLock { $0.entityTags[model.file] })
  }

  /// Fetches a file; on one of the pool's threads.
  private func fetch(_ wanted: WantedFile, _ transfer: Transfer) throws(RemoteError) -> ObjectFetch.Outcome {
    if state.withLock({ $0.isOutOfReach }), let known = cache.current(cache.place(wanted.path)),
      wanted.sha256 == nil || wanted.sha256 == known.sha256
    {
      return .alreadyThere
    }
    let job = ObjectFetch(
      store: store, cache: cache, retry: options.retry, cancellation: pool.cancellation,
      stallSeconds: options.stallSeconds)
    let outcome = try job.fetch(wanted, transfer)
    state.withLock { _ = $0.checked.insert(wanted.path) }
    if case .fetched(let bytes) = outcome { logger.info("pulled \(wanted.path), \(bytes) bytes") }
    return outcome
  }

  private func freshManifest() throws -> RepositoryManifest {
    let (manifest, files) = try read()
    for model in manifest.models where !RelativePath.isSafe(model.file) {
      throw RemoteError(
        .badData, store.subject, "names a file that no folder should have: \(model.file.prefix(100).debugDescription)")
    }
    let tags = files.reduce(into: [String: String]()) { $0[$1.name] = $1.entityTag }
    state.withLock { state in
      state.entityTags = tags
      state.checked = []
    }
    if let file = manifest.vocabularyFile {
      guard RelativePath.isSafe(file) else {
        throw RemoteError(.badData, store.subject, "names a vocabulary that no folder should have")
      }
      let bytes = files.first { $0.name == file }?.bytes
      let wanted = WantedFile(path: file, bytes: bytes, entityTag: tags[file], maxBytes: 64 << 20)
      _ = try pool.run { [self] transfer throws(RemoteError) in try fetch(wanted, transfer) }
    }
    try keep(manifest, isWritten: files.isEmpty)
    return manifest
  }

  private func read() throws -> (RepositoryManifest, [ListedFile]) {
    let (store, retry, cancellation) = (store, options.retry, pool.cancellation)
    let subject = store.subject + RepositoryManifest.fileName
    let text = try pool.run { transfer throws(RemoteError) -> Data? in
      try retry.run(cancellation) { () throws(RemoteError) -> Data? in
        let call = try store.get(RepositoryManifest.fileName, transfer, cancellation)
        let (head, body) = try transfer.text(call)
        if head.status == 200 { return body }
        if head.status == 404, store is S3Store, AWSProblem.code(body) != "NoSuchBucket" { return nil }
        throw store.problem(head, body, subject: subject)
      }
    }
    if let text {
      guard let text = String(validating: text, as: UTF8.self) else {
        throw RemoteError(.badData, subject, "is not UTF-8 text")
      }
      return (try RepositoryFile.decode(text, path: subject), [])
    }
    guard let bucket = store as? S3Store else { throw RemoteError(.unavailable, subject, "is not there") }
    let files = try pool.run { transfer throws(RemoteError) in
      try bucket.list(transfer, cancellation, retry).filter { RelativePath.isSafe($0.name) }
    }
    let models = files.filter { $0.name.hasSuffix(".pt") }
    guard !models.isEmpty else {
      throw RemoteError(
        .unavailable, store.subject, "holds neither a \(RepositoryManifest.fileName) nor a .pt file")
    }
    let manifest = RepositoryLoader.manifest(
      ofFiles: models.map { ($0.name, $0.bytes) }, hasVocabulary: files.contains { $0.name == "vocab.txt" })
    return (manifest, files)
  }

  /// Beside the models, for the time when the store is out of reach; a list of files is no manifest.
  private func keep(_ manifest: RepositoryManifest, isWritten: Bool) throws {
    let (cache, cancellation) = (cache, pool.cancellation)
    let text = Array(try JSONFile.encode(manifest).utf8)
    try pool.run { _ throws(RemoteError) in
      let place = cache.place(RepositoryManifest.fileName)
      try cache.prepare(place)
      let lock = try FileLock(place.lock, cancellation)
      defer { withExtendedLifetime(lock) {} }
      if isWritten {
        try cache.write(text, to: place.part)
        guard rename(place.part, place.final) == 0 else { throw DiskProblem.error(place.final, errno) }
      } else {
        unlink(place.final)
      }
    }
  }
}
