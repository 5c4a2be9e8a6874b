import Foundation
import PlannerFiles

/// An image in one file: an OCI image layout as a tar archive, and beside its index the `manifest.json` by which
/// `docker load` and older `podman load` find the same contents.
///
/// The bytes are a function of manifest and contents alone: an image that was sent to a registry and fetched again is
/// the same file.
package struct ImageArchive {
  package static let layoutFile = "oci-layout"
  package static let indexFile = "index.json"
  package static let dockerFile = "manifest.json"
  private static let layout = #"{"imageLayoutVersion":"1.0.0"}"#
  package static let mostIndexBytes = 4 << 20

  package let file: InputFile
  private var entries: [String: TarReader.Entry] = [:]
  package let manifestDescriptor: Descriptor
  package let manifestBytes: [UInt8]
  package let manifest: ImageManifest

  /// Reads which image an archive holds, and checks that all of its contents are there. Their digests are checked where
  /// they are read.
  ///
  /// - Throws: `ImageError` that names the file.
  package init(reading path: String) throws(ImageError) {
    file = try InputFile(path)
    let tar = try TarReader(file)
    for entry in tar.entries {
      let name = entry.path.hasPrefix("./") ? String(entry.path.dropFirst(2)) : entry.path
      entries[name] = entry
    }
    guard entries[Self.layoutFile] != nil, let place = entries[Self.indexFile] else {
      throw .badData(
        "\(path) is no OCI image layout (it has no index.json); name what planner image build or pull wrote, or "
          + "skopeo copy … oci-archive:FILE")
    }
    guard place.size <= Self.mostIndexBytes else { throw .badData("\(path): its index is too large") }
    let index = try OCIJSON.read(
      ImageIndex.self, try file.read(at: place.offset, count: place.size), source: "\(path): index.json",
      what: "an index of images")
    guard index.manifests.count == 1, MediaType.manifests.contains(index.manifests[0].mediaType) else {
      throw .badData("\(path) holds \(index.manifests.count) images, or an index of them; name a file with one image")
    }
    manifestDescriptor = index.manifests[0]
    let found = try Self.entry(manifestDescriptor, in: entries, of: path)
    guard found.size <= ImageManifest.mostBytes else { throw .badData("\(path): its manifest is too large") }
    manifestBytes = try file.read(at: found.offset, count: found.size)
    guard ContentDigest(of: manifestBytes) == manifestDescriptor.digest else {
      throw .badData("\(path): its manifest was changed: it is not what its digest says; build or fetch it again")
    }
    manifest = try ImageManifest(reading: manifestBytes, source: path)
    for blob in manifest.blobs { _ = try range(of: blob) }
  }

  private static func entry(
    _ blob: Descriptor, in entries: [String: TarReader.Entry], of path: String
  ) throws(ImageError) -> TarReader.Entry {
    guard let entry = entries[blob.digest.path] else {
      throw .badData("\(path) lacks \(blob.digest), which its manifest names; build or fetch it again")
    }
    guard entry.size == blob.size else {
      throw .badData("\(path): \(blob.digest) has \(entry.size) bytes where its manifest says \(blob.size)")
    }
    return entry
  }

  /// Where a content's bytes are in the file.
  package func range(of blob: Descriptor) throws(ImageError) -> Range<Int> {
    let entry = try Self.entry(blob, in: entries, of: file.path)
    return entry.offset..<entry.offset + entry.size
  }

  /// - Throws: `ImageError` (`badData`) where a content is not what its digest says.
  package func check(_ blob: Descriptor) throws {
    guard try file.digest(try range(of: blob)) == blob.digest else {
      throw ImageError.badData(
        "\(file.path): \(blob.digest) was changed: its bytes are not what its digest says; build or fetch it again")
    }
  }

  // MARK: Writing

  /// Writes an archive, whole or not at all.
  ///
  /// - Parameters:
  ///   - name: what the image is called where its manifest does not say.
  ///   - blob: path of the file that holds a content.
  /// - Returns: size of the file, bytes.
  package static func write(
    _ manifestBytes: [UInt8], _ manifest: ImageManifest, name: ImageReference, platform: Descriptor.Platform?,
    to path: String, blob: (ContentDigest) -> String
  ) throws -> Int {
    let output = try AtomicOutput(path)
    // Times are those of the layers' files; the archive around them needs none.
    let tar = TarWriter(time: 0) { try output.write($0) }
    let name = manifest.name.flatMap { ImageReference($0) } ?? name
    let descriptor = Descriptor(
      mediaType: manifest.mediaType ?? MediaType.manifest, digest: ContentDigest(of: manifestBytes),
      size: manifestBytes.count,
      annotations: [
        "io.containerd.image.name": name.fullName, "org.opencontainers.image.ref.name": name.tag ?? "latest",
      ], platform: platform)
    let index = ImageIndex(mediaType: MediaType.index, manifests: [descriptor])
    try tar.entry(.init(path: layoutFile), Array(layout.utf8))
    try tar.entry(.init(path: indexFile), try OCIJSON.write(index))
    try tar.entry(.init(path: dockerFile), try OCIJSON.write([DockerManifest(manifest, name: name)]))
    try tar.entry(.init(path: "blobs", kind: .folder, mode: 0o755))
    try tar.entry(.init(path: "blobs/sha256", kind: .folder, mode: 0o755))
    try tar.entry(.init(path: descriptor.digest.path), manifestBytes)
    for content in manifest.blobs.sorted(by: { $0.digest < $1.digest }) {
      let source = try InputFile(blob(content.digest))
      guard source.size == content.size else {
        throw ImageError.badData("\(source.path) was changed while the image was written; start again")
      }
      try tar.begin(.init(path: content.digest.path, size: content.size))
      try source.forEachPiece(0..<source.size) { try tar.content($0) }
      try tar.pad(after: source.size)
    }
    try tar.finish()
    try output.finish()
    return output.count
  }

  /// An image as `docker load` finds it.
  private struct DockerManifest: Encodable {
    var config: String
    var names: [String]
    var layers: [String]

    enum CodingKeys: String, CodingKey {
      case config = "Config"
      case names = "RepoTags"
      case layers = "Layers"
    }

    init(_ manifest: ImageManifest, name: ImageReference) {
      config = manifest.config.digest.path
      names = name.tag.map { ["\(name.familiarName):\($0)"] } ?? []
      layers = manifest.layers.map(\.digest.path)
    }
  }
}
