import Crypto
import Foundation
import PlannerFiles
import ServerContract

/// What was built, for whoever reports it.
public struct BuiltImage: Encodable, Sendable {
  public struct Layer: Encodable, Sendable {
    public var title: String
    public var digest: ContentDigest
    /// Digest of the layer before it was compressed.
    public var diffID: ContentDigest
    public var compressedBytes: Int
    public var uncompressedBytes: Int
    public var files: Int
  }

  /// Files that come from one package, or from none.
  public struct Part: Encodable, Sendable {
    public var name: String
    public var version: String?
    public var bytes: Int
  }

  public var file: String
  public var fileBytes: Int
  /// Digest of the manifest, by which registries know the image.
  public var digest: ContentDigest
  public var name: String
  public var platform: String
  public var created: String
  public var compressedBytes: Int
  public var uncompressedBytes: Int
  public var layers: [Layer]
  /// What takes most room, the largest first.
  public var parts: [Part]
  /// Libraries that others name and nobody uses, left out.
  public var unusedLibraries: [String]
  /// Name of the BLAS that the server finds; null for the system's own.
  public var blas: String?
}

/// Builds images without a daemon, without root, and without running any of what is put into them.
public enum ImageBuild {
  /// - Parameters:
  ///   - path: of the archive to write.
  ///   - sbomPath: of a copy of the list of parts; nil for none.
  ///   - onStep: is told what begins.
  /// - Throws: `ImageError`; `FileError`; `CancellationError`.
  public static func run(
    _ recipe: ImageRecipe, to path: String, sbomPath: String? = nil, onStep: @Sendable (String) -> Void = { _ in }
  ) async throws -> BuiltImage {
    onStep("looking for the libraries of \(recipe.server)")
    var contents = try ImageGathering(recipe).gather()
    let created = timestamp(recipe.time)
    let sbom = try JSONFile.encode(SPDXDocument(contents, recipe: recipe, created: created))
    contents.layers[contents.layers.count - 1].entries.append(
      .text(String(ImageFacts.sbomPath.dropFirst()), sbom))
    try Task.checkCancellation()

    onStep("compressing \(contents.layers.count) layers")
    let folder = try BlobFolder(beside: path)
    let layers = try await pack(contents.layers, time: recipe.time, into: folder)
    let configuration = try OCIJSON.write(configuration(recipe, contents, layers, created: created))
    let config = Descriptor(
      mediaType: MediaType.configuration, digest: ContentDigest(of: configuration), size: configuration.count)
    try Data(configuration).write(to: URL(fileURLWithPath: folder.file(config.digest)))
    let manifest = ImageManifest(
      config: config,
      layers: layers.map { Descriptor(mediaType: MediaType.layer, digest: $0.digest, size: $0.compressedBytes) },
      annotations: labels(recipe, created: created).merging([ImageFacts.nameAnnotation: recipe.name.fullName]) { $1 })
    let manifestBytes = try OCIJSON.write(manifest)

    onStep("writing \(path)")
    let size = try ImageArchive.write(
      manifestBytes, manifest, name: recipe.name,
      platform: Descriptor.Platform(architecture: recipe.machine.architecture, os: "linux"), to: path
    ) { folder.file($0) }
    if let sbomPath { try AtomicFile.write(sbom, to: sbomPath) }
    return BuiltImage(
      file: path, fileBytes: size, digest: ContentDigest(of: manifestBytes), name: recipe.name.description,
      platform: recipe.machine.platform, created: created,
      compressedBytes: layers.reduce(0) { $0 + $1.compressedBytes },
      uncompressedBytes: layers.reduce(0) { $0 + $1.uncompressedBytes }, layers: layers, parts: parts(contents),
      unusedLibraries: contents.unusedLibraries, blas: contents.blas)
  }

  // MARK: Layers

  private static func pack(
    _ layers: [LayerContents], time: Int, into folder: BlobFolder
  ) async throws -> [BuiltImage.Layer] {
    try await withThrowingTaskGroup(of: (Int, BuiltImage.Layer).self) { group in
      for (number, layer) in layers.enumerated() {
        group.addTask { (number, try pack(layer, time: time, into: folder)) }
      }
      var packed: [Int: BuiltImage.Layer] = [:]
      for try await (number, layer) in group { packed[number] = layer }
      return layers.indices.compactMap { packed[$0] }
    }
  }

  private static func pack(
    _ layer: LayerContents, time: Int, into folder: BlobFolder
  ) throws -> BuiltImage.Layer {
    let temporary = folder.path + "/" + UUID().uuidString
    let output = try AtomicOutput(temporary)
    var (packedHash, plainHash) = (SHA256(), SHA256())
    var plainBytes = 0
    let gzip = Gzip { bytes in
      packedHash.update(bufferPointer: bytes)
      try output.write(bytes)
    }
    let tar = TarWriter(time: time) { bytes in
      plainHash.update(bufferPointer: bytes)
      plainBytes += bytes.count
      try gzip.write(bytes)
    }
    var files = 0
    for entry in layer.complete {
      try Task.checkCancellation()
      try tar.entry(entry.header, entry.bytes ?? [])
      if entry.bytes != nil { files += 1 }
    }
    try tar.finish()
    try gzip.finish()
    try output.finish()
    let digest = ContentDigest(packedHash.finalize())
    guard rename(temporary, folder.file(digest)) == 0 else { throw InputFile.failure(folder.file(digest), errno) }
    return BuiltImage.Layer(
      title: layer.title, digest: digest, diffID: ContentDigest(plainHash.finalize()), compressedBytes: output.count,
      uncompressedBytes: plainBytes, files: files)
  }

  // MARK: Descriptions

  private static func labels(_ recipe: ImageRecipe, created: String) -> [String: String] {
    [
      "org.opencontainers.image.title": "model-server",
      "org.opencontainers.image.description": "Serves a repository of PyTorch models over HTTP and gRPC.",
      "org.opencontainers.image.version": recipe.version,
      "org.opencontainers.image.created": created,
      "org.opencontainers.image.licenses": "Apache-2.0",
    ]
  }

  private static func configuration(
    _ recipe: ImageRecipe, _ contents: ImageContents, _ layers: [BuiltImage.Layer], created: String
  ) -> ImageConfiguration {
    var arguments = ServerArguments()
    arguments.add(.repository, ImageFacts.modelsFolder)
    arguments.add(.host, "0.0.0.0")
    arguments.add(.port, ImageFacts.port)
    var labels = labels(recipe, created: created)
    labels[ImageFacts.blasLabel] = contents.blas
    return ImageConfiguration(
      created: created, architecture: recipe.machine.architecture,
      config: .init(
        user: "\(ImageFacts.userID):\(ImageFacts.userID)", exposedPorts: ["\(ImageFacts.port)/tcp": .init()],
        environment: ["PATH=/usr/bin", "HOME=/tmp", "XDG_CACHE_HOME=\(ImageFacts.cacheFolder)"],
        entrypoint: [ImageFacts.serverPath], arguments: arguments.words, workingFolder: "/", labels: labels,
        stopSignal: "SIGTERM"),
      rootfs: .init(layers: layers.map(\.diffID)),
      history: layers.map { .init(created: created, by: "planner image build", comment: $0.title) })
  }

  private static func parts(_ contents: ImageContents) -> [BuiltImage.Part] {
    var sizes: [String: Int] = [:]
    for entry in contents.layers.flatMap(\.entries) {
      let isServer = "/" + entry.path == ImageFacts.serverPath
      let name =
        entry.package
        ?? (isServer ? "model-server" : entry.path.contains(".so") ? "swift-runtime" : "image files")
      sizes[name, default: 0] += entry.bytes?.count ?? 0
    }
    let versions = Dictionary(uniqueKeysWithValues: contents.packages.map { ($0.package.name, $0.package.version) })
    return sizes.map { BuiltImage.Part(name: $0.key, version: versions[$0.key], bytes: $0.value) }
      .sorted { ($1.bytes, $0.name) < ($0.bytes, $1.name) }
  }

  /// Seconds since 1970 as RFC 3339 writes them, in UTC.
  static func timestamp(_ seconds: Int) -> String {
    let formatter = ISO8601DateFormatter()
    formatter.timeZone = TimeZone(secondsFromGMT: 0)
    return formatter.string(from: Date(timeIntervalSince1970: Double(seconds)))
  }
}
