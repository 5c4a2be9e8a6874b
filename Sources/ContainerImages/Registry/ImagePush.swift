import APIClient
import Foundation
import NIOCore
import Synchronization

/// Sends an image to a registry: contents first, each only where it is not there yet, then the manifest that names
/// them.
public final class ImagePush: Sendable {
  private let archive: ImageArchive
  private let reference: ImageReference
  private let source: String?
  private let client: RegistryClient
  private let counts = Mutex(Counts())

  private struct Counts {
    var transferredBytes = 0
    var transferred = 0
    var present = 0
    var mounted = 0
  }

  /// How many contents are sent at once.
  static let atOnce = 3
  static let mostTriesOfOne = 6
  static let stall = StallLimit(seconds: 120)

  /// - Parameters:
  ///   - file: of the image.
  ///   - source: another repository of the same registry that may have some of the contents; nil for none.
  /// - Returns: what was sent.
  /// - Throws: `ImageError`; `CancellationError`.
  public static func run(
    _ file: String, to reference: ImageReference, access: RegistryAccess, source: String? = nil,
    onProgress: @escaping @Sendable (TransferProgress) -> Void = { _ in }
  ) async throws -> ImageTransfer {
    let archive = try ImageArchive(reading: file)
    if let digest = reference.digest, digest != archive.manifestDescriptor.digest {
      throw ImageError(
        .usage, "\(file) is \(archive.manifestDescriptor.digest) and not \(digest); leave the digest out")
    }
    let client = RegistryClient(reference, access: access, actions: "pull,push", source: source)
    let push = ImagePush(archive: archive, reference: reference, source: source, client: client)
    do {
      let transfer = try await push.run(onProgress)
      await client.shutdown()
      return transfer
    } catch {
      await client.shutdown()
      throw client.failure(error)
    }
  }

  private init(archive: ImageArchive, reference: ImageReference, source: String?, client: RegistryClient) {
    self.archive = archive
    self.reference = reference
    self.source = source
    self.client = client
  }

  private func run(_ onProgress: @escaping @Sendable (TransferProgress) -> Void) async throws -> ImageTransfer {
    let blobs = archive.manifest.blobs
    let tally = ProgressTally(total: blobs.reduce(0) { $0 + $1.size }, onProgress)
    try await concurrently(blobs, limit: Self.atOnce) { [self] blob in
      try archive.check(blob)
      try await send(blob, tally)
    }
    try await sendManifest()
    let counts = counts.withLock { $0 }
    let digest = archive.manifestDescriptor.digest
    return ImageTransfer(
      reference: reference.description, pinned: reference.pinned(to: digest).description, digest: digest,
      file: archive.file.path, imageBytes: blobs.reduce(archive.manifestBytes.count) { $0 + $1.size },
      transferredBytes: counts.transferredBytes, transferred: counts.transferred, present: counts.present,
      mounted: counts.mounted)
  }

  private func sendManifest() async throws {
    let bytes = archive.manifestBytes
    let type = archive.manifest.mediaType ?? archive.manifestDescriptor.mediaType
    let response = try await client.send(
      RegistryRequest(
        method: "PUT", location: try await client.location("manifests/\(reference.selector)"),
        headers: [("content-type", type)], body: { .bytes(bytes) }, accepts: [201]))
    if let said = response.headers["docker-content-digest"], said != "\(archive.manifestDescriptor.digest)" {
      throw ImageError.badData(
        "\(reference.registry) took \(reference) for \(quotable(said)), which it is not; does a proxy "
          + "change what is sent?"
      )
    }
  }

  // MARK: One content

  private func send(_ blob: Descriptor, _ tally: ProgressTally) async throws {
    if try await isThere(blob) {
      counts.withLock { $0.present += 1 }
      tally.add(blob.size)
      return
    }
    guard let upload = try await begin(blob) else {
      counts.withLock { $0.mounted += 1 }
      tally.add(blob.size)
      return
    }
    try await send(blob, to: upload, tally)
    counts.withLock {
      $0.transferred += 1
      $0.transferredBytes += blob.size
    }
  }

  private func isThere(_ blob: Descriptor) async throws -> Bool {
    let response = try await client.send(
      RegistryRequest(
        method: "HEAD", location: try await client.location("blobs/\(blob.digest)"), accepts: [200, 404]))
    return response.status == 200
  }

  /// Begins an upload, or has the content taken over from another repository; then there is nothing to send.
  private func begin(_ blob: Descriptor) async throws -> RegistryLocation? {
    var location = try await client.location("blobs/uploads/")
    if let source { location = location.adding("mount", "\(blob.digest)").adding("from", source) }
    let response = try await client.send(
      RegistryRequest(
        method: "POST", location: location, accepts: [201, 202]))
    return response.status == 201 ? nil : try await client.location(in: response)
  }

  /// Sends a content in one part, goes on where that breaks off, and begins anew where the registry cannot go on.
  private func send(_ blob: Descriptor, to upload: RegistryLocation, _ tally: ProgressTally) async throws {
    var upload = upload
    var offset = 0
    for count in 1... {
      do {
        upload = try await sendPart(blob, from: offset, to: upload, tally)
        try await finish(blob, upload)
        return
      } catch let error as UploadBroken {
        guard count < Self.mostTriesOfOne, let pause = client.policy.pause(after: count, wanted: error.wantedSeconds)
        else { throw error.cause }
        try await Task.sleep(for: .seconds(pause))
        if let (place, received) = try? await resume(upload), received <= blob.size {
          tally.add(received - offset - error.sentBytes)
          (upload, offset) = (place, received)
        } else {
          tally.add(-offset - error.sentBytes)
          guard let place = try await begin(blob) else { return }
          (upload, offset) = (place, 0)
        }
      }
    }
  }

  private func finish(_ blob: Descriptor, _ upload: RegistryLocation) async throws {
    let response = try await client.send(
      RegistryRequest(
        method: "PUT", location: upload.adding("digest", "\(blob.digest)"), timeLimit: .seconds(300),
        accepts: [201, 404]))
    // An upload that is unknown may be one that an earlier try has finished, whose answer was lost.
    guard response.status == 404, try await !isThere(blob) else { return }
    throw UploadBroken(cause: client.refusal(response.status, response.body), wantedSeconds: nil, sentBytes: 0)
  }

  /// Why an upload did not come to its end, and may be gone on with.
  private struct UploadBroken: Error {
    var cause: any Error
    var wantedSeconds: Double?
    /// How much of the part was handed to the connection, bytes.
    var sentBytes: Int
  }

  private func sendPart(
    _ blob: Descriptor, from offset: Int, to upload: RegistryLocation, _ tally: ProgressTally
  ) async throws -> RegistryLocation {
    let range = try archive.range(of: blob)
    let rest = (range.lowerBound + offset)..<range.upperBound
    if rest.isEmpty { return upload }
    let sent = Mutex(0)
    var headers = [(name: "content-type", value: "application/octet-stream")]
    // The first part goes without a range: it is how every registry is used by docker, and some take no other.
    if offset > 0 { headers.append(("content-range", "\(offset)-\(blob.size - 1)")) }
    let prepared = headers
    do {
      let response = try await Self.stall.run { [self] pulse in
        try await client.send(
          RegistryRequest(
            method: "PATCH", location: upload, headers: prepared,
            body: {
              .parts(
                Self.pieces(of: self.archive.file, rest) { count in
                  pulse.beat()
                  sent.withLock { $0 += count }
                  tally.add(count)
                }, count: Int64(rest.count))
            },
            // The limit is one of standing still.
            timeLimit: .seconds(24 * 3600), accepts: RetryPolicy.statuses.union([202, 204, 201, 404, 416]),
            isRepeatable: false))
      }
      guard [201, 202, 204].contains(response.status) else {
        throw UploadBroken(
          cause: client.refusal(response.status, response.body), wantedSeconds: RetryPolicy.wanted(response.headers),
          sentBytes: sent.withLock { $0 })
      }
      return try await client.location(in: response)
    } catch let error as APIError where RetryPolicy.mayPass(error) {
      throw UploadBroken(cause: client.failure(error), wantedSeconds: nil, sentBytes: sent.withLock { $0 })
    }
  }

  /// How much of an upload has arrived, bytes, and where it goes on.
  private func resume(_ upload: RegistryLocation) async throws -> (RegistryLocation, Int) {
    let response = try await client.send(RegistryRequest(method: "GET", location: upload, accepts: [204]))
    guard let range = response.headers["range"] else { throw ImageError.badData("the upload is gone") }
    let bounds = range.replacingOccurrences(of: "bytes=", with: "").split(separator: "-")
    guard bounds.count == 2, bounds[0] == "0", let last = Int(bounds[1]), last >= 0, last < 1 << 50 else {
      throw ImageError.badData("the registry has a part that is not the first")
    }
    // Nothing and one byte are told alike, `0-0`; then it is begun anew.
    guard last > 0 else { throw ImageError.badData("nothing has arrived") }
    return (try await client.location(in: response), last + 1)
  }

  /// A part of a file, read no faster than it is taken.
  private static func pieces(
    of file: InputFile, _ range: Range<Int>, onPiece: @escaping @Sendable (Int) -> Void
  ) -> AsyncThrowingStream<ByteBuffer, any Error> {
    let next = Mutex(range.lowerBound)
    return AsyncThrowingStream {
      try Task.checkCancellation()
      let offset = next.withLock { $0 }
      guard offset < range.upperBound else { return nil }
      let bytes = try file.read(at: offset, count: min(InputFile.pieceBytes, range.upperBound - offset))
      next.withLock { $0 = offset + bytes.count }
      onPiece(bytes.count)
      return ByteBuffer(bytes: bytes)
    }
  }
}
