import APIClient
import Crypto
import Foundation
import NIOCore
import Synchronization

/// Fetches an image from a registry into one file. What an earlier attempt brought, whole contents or parts, is used.
public final class ImagePull: Sendable {
  private let reference: ImageReference
  private let platform: String
  private let client: RegistryClient
  private let folder: BlobFolder
  private let counts = Mutex((bytes: 0, fetched: 0, present: 0))

  static let atOnce = 3
  static let mostTriesOfOne = 6
  static let stall = StallLimit(seconds: 120)

  /// - Parameters:
  ///   - platform: `linux/amd64` and the like, to choose among several.
  ///   - path: of the file to write; what is fetched is kept beside it until the file is whole.
  /// - Throws: `ImageError`; `FileError`; `CancellationError`.
  public static func run(
    _ reference: ImageReference, platform: String, to path: String, access: RegistryAccess,
    onProgress: @escaping @Sendable (TransferProgress) -> Void = { _ in }
  ) async throws -> ImageTransfer {
    let folder = try BlobFolder(keptAt: BlobFolder.name(beside: path) + ".parts")
    let lock = try FolderLock(folder.path)
    defer { lock.release() }
    // Kept until all of it is there, so that the next attempt goes on.
    folder.isKept = true
    let client = RegistryClient(reference, access: access, actions: "pull")
    let pull = ImagePull(reference: reference, platform: platform, client: client, folder: folder)
    do {
      let transfer = try await pull.run(to: path, onProgress)
      await client.shutdown()
      folder.isKept = false
      return transfer
    } catch {
      await client.shutdown()
      throw client.failure(error)
    }
  }

  private init(reference: ImageReference, platform: String, client: RegistryClient, folder: BlobFolder) {
    self.reference = reference
    self.platform = platform
    self.client = client
    self.folder = folder
  }

  private func run(
    to path: String, _ onProgress: @escaping @Sendable (TransferProgress) -> Void
  ) async throws -> ImageTransfer {
    let (bytes, manifest) = try await manifest()
    let tally = ProgressTally(total: manifest.blobs.reduce(0) { $0 + $1.size }, onProgress)
    try await concurrently(manifest.blobs, limit: Self.atOnce) { try await self.fetch($0, tally) }
    let found = try? OCIJSON.read(
      Descriptor.Platform.self, try InputFile.contents(folder.file(manifest.config.digest), limit: 8 << 20),
      source: "", what: "")
    _ = try ImageArchive.write(bytes, manifest, name: reference, platform: found, to: path) { folder.file($0) }
    let digest = ContentDigest(of: bytes)
    let counts = counts.withLock { $0 }
    return ImageTransfer(
      reference: reference.description, pinned: reference.pinned(to: digest).description, digest: digest, file: path,
      imageBytes: manifest.blobs.reduce(bytes.count) { $0 + $1.size }, transferredBytes: counts.bytes,
      transferred: counts.fetched, present: counts.present, mounted: 0)
  }

  // MARK: Manifest

  /// The manifest of the image for the platform, each step checked by its digest.
  private func manifest() async throws -> ([UInt8], ImageManifest) {
    let (bytes, type) = try await document(reference.selector, digest: reference.digest)
    guard MediaType.indexes.contains(type) else {
      return (bytes, try ImageManifest(reading: bytes, source: "\(reference)"))
    }
    let index = try OCIJSON.read(
      ImageIndex.self, bytes, source: "\(reference)", what: "an index of images")
    guard let chosen = index.manifests.first(where: { $0.platform?.matches(platform) == true }) else {
      let all = Set(index.manifests.compactMap { $0.platform.map { "\($0.os)/\($0.architecture)" } }).sorted()
      throw ImageError.unavailable(
        "\(reference) is not to be had for \(platform); name another with --platform: "
          + quotable(all.joined(separator: ", ")))
    }
    let (inner, _) = try await document("\(chosen.digest)", digest: chosen.digest)
    return (inner, try ImageManifest(reading: inner, source: "\(reference)"))
  }

  private func document(_ selector: String, digest: ContentDigest?) async throws -> ([UInt8], type: String) {
    let response = try await client.send(
      RegistryRequest(
        method: "GET", location: try await client.location("manifests/\(selector)"),
        headers: [("accept", MediaType.accepted)], accepts: [200]))
    guard response.body.count <= ImageManifest.mostBytes else {
      throw ImageError.badData("\(reference): the manifest is larger than \(ImageManifest.mostBytes >> 20) MiB")
    }
    if let digest, ContentDigest(of: response.body) != digest {
      throw ImageError.badData("\(reference.registry) answers with something else than \(digest)")
    }
    struct Kind: Decodable { var mediaType: String? }
    let said = response.headers["content-type"].map { String($0.prefix { $0 != ";" }) }
    let own = (try? JSONDecoder().decode(Kind.self, from: Data(response.body)))?.mediaType
    let type = own ?? said ?? ""
    guard MediaType.manifests.union(MediaType.indexes).contains(type) else {
      throw ImageError.badData("\(reference) is of a kind that is not known here, '\(quotable(type))'")
    }
    return (response.body, type)
  }

  // MARK: One content

  private func fetch(_ blob: Descriptor, _ tally: ProgressTally) async throws {
    let (part, place) = (folder.file(blob.digest) + ".part", folder.file(blob.digest))
    if let file = try? InputFile(place), file.size == blob.size, try file.digest(0..<file.size) == blob.digest {
      counts.withLock { $0.present += 1 }
      tally.add(blob.size)
      return
    }
    for count in 1... {
      do {
        try await download(blob, to: part, tally)
        break
      } catch let error as APIError where RetryPolicy.mayPass(error) {
        guard count < Self.mostTriesOfOne, let pause = client.policy.pause(after: count, wanted: nil) else {
          throw error
        }
        try await Task.sleep(for: .seconds(pause))
      }
    }
    guard rename(part, place) == 0 else { throw InputFile.failure(place, errno) }
    counts.withLock { $0.fetched += 1 }
  }

  /// Adds to what there is of a content until it is whole, and checks it.
  private func download(_ blob: Descriptor, to part: String, _ tally: ProgressTally) async throws {
    let file = try PartFile(part)
    var hash = SHA256()
    var known = min(try file.size(), blob.size)
    let begin = known
    if known == blob.size { tally.add(known) }
    if known > 0 { try InputFile(part).forEachPiece(0..<known) { hash.update(data: $0) } }
    if known < blob.size || blob.size == 0 {
      var headers: [(name: String, value: String)] = []
      if known > 0 { headers = [("range", "bytes=\(known)-\(blob.size - 1)")] }
      let answer = try await client.stream(try await client.location("blobs/\(blob.digest)"), headers: headers)
      switch answer.status {
      case 206 where known > 0: break
      case 200: (hash, known) = (SHA256(), 0)
      case let status where RetryPolicy.statuses.contains(status): throw APIError.unreachable("status \(status)")
      default: throw client.refusal(answer.status, [])
      }
      try file.cut(to: known)
      tally.add(known)
      let (start, prefix) = (known, hash)
      do {
        hash = try await Self.stall.run { [self] pulse in
          var hash = prefix
          var offset = start
          for try await piece in answer.parts {
            pulse.beat()
            guard offset + piece.readableBytes <= blob.size else {
              throw ImageError.badData("\(reference.registry) answers with more bytes than \(blob.digest) has")
            }
            try piece.withUnsafeReadableBytes { bytes in
              hash.update(bufferPointer: bytes)
              try file.write(bytes)
            }
            offset += piece.readableBytes
            counts.withLock { $0.bytes += piece.readableBytes }
            tally.add(piece.readableBytes)
          }
          return hash
        }
      } catch {
        // What has come is counted again where the next try goes on from.
        tally.add(-((try? file.size()) ?? start))
        throw error
      }
      let size = try file.size()
      guard size == blob.size else {
        tally.add(-size)
        throw APIError.unreachable("the answer broke off")
      }
    }
    guard ContentDigest(hash.finalize()) == blob.digest else {
      unlink(part)
      // What an earlier attempt had left may be what is wrong.
      if begin > 0 {
        tally.add(-blob.size)
        throw APIError.unreachable("what was there before is not of \(blob.digest)")
      }
      throw ImageError.badData(
        "\(reference.registry) answers with something else than \(blob.digest); its contents are damaged, or changed "
          + "on the way")
    }
  }
}
