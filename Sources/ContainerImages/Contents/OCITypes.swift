/// Content by its digest, as manifests and indexes refer to it (OCI image format specification 1.0, "Descriptors").
package struct Descriptor: Codable, Hashable, Sendable {
  package var mediaType: String
  package var digest: ContentDigest
  package var size: Int
  package var annotations: [String: String]?
  package var platform: Platform?

  package struct Platform: Codable, Hashable, Sendable {
    package var architecture: String
    package var os: String
    package var variant: String?

    /// Whether an image of this platform is what somebody wants who says `linux/amd64`.
    package func matches(_ text: String) -> Bool { "\(os)/\(architecture)" == text }
  }
}

package enum MediaType {
  package static let index = "application/vnd.oci.image.index.v1+json"
  package static let manifest = "application/vnd.oci.image.manifest.v1+json"
  package static let configuration = "application/vnd.oci.image.config.v1+json"
  package static let layer = "application/vnd.oci.image.layer.v1.tar+gzip"
  package static let dockerList = "application/vnd.docker.distribution.manifest.list.v2+json"
  package static let dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"

  package static let indexes: Set = [index, dockerList]
  package static let manifests: Set = [manifest, dockerManifest]
  /// What this program understands of a registry's answers, as the header `Accept` lists it.
  package static let accepted = [index, manifest, dockerList, dockerManifest].joined(separator: ", ")
}

/// An image of one platform: its configuration and its layers.
package struct ImageManifest: Codable, Hashable, Sendable {
  package var schemaVersion = 2
  package var mediaType: String?
  package var config: Descriptor
  package var layers: [Descriptor]
  package var annotations: [String: String]?

  package static let mostBytes = 4 << 20
  package static let mostLayers = 1000

  /// What the image calls itself; nil where it does not say.
  package var name: String? { annotations?[ImageFacts.nameAnnotation] }
  /// Configuration and layers, each once.
  package var blobs: [Descriptor] {
    var seen: Set<ContentDigest> = []
    return (layers + [config]).filter { seen.insert($0.digest).inserted }
  }

  /// - Parameter source: where the bytes came from, for messages.
  package init(reading bytes: [UInt8], source: String) throws(ImageError) {
    self = try OCIJSON.read(ImageManifest.self, bytes, source: source, what: "a manifest of an image")
    guard layers.count <= Self.mostLayers, blobs.allSatisfy({ $0.size >= 0 }) else {
      throw .badData("\(source): the manifest's numbers make no sense")
    }
  }

  package init(config: Descriptor, layers: [Descriptor], annotations: [String: String]) {
    mediaType = MediaType.manifest
    self.config = config
    self.layers = layers
    self.annotations = annotations
  }
}

/// Images of several platforms, or those of an archive.
package struct ImageIndex: Codable, Hashable, Sendable {
  package var schemaVersion = 2
  package var mediaType: String?
  package var manifests: [Descriptor]
}

/// What a container runtime has to know to start an image (OCI image format specification 1.0, "Configuration").
package struct ImageConfiguration: Codable, Hashable, Sendable {
  package struct Run: Codable, Hashable, Sendable {
    package struct Empty: Codable, Hashable, Sendable {}
    package var user: String
    package var exposedPorts: [String: Empty]
    package var environment: [String]
    package var entrypoint: [String]
    package var arguments: [String]
    package var workingFolder: String
    package var labels: [String: String]
    package var stopSignal: String

    package enum CodingKeys: String, CodingKey {
      case user = "User"
      case exposedPorts = "ExposedPorts"
      case environment = "Env"
      case entrypoint = "Entrypoint"
      case arguments = "Cmd"
      case workingFolder = "WorkingDir"
      case labels = "Labels"
      case stopSignal = "StopSignal"
    }
  }

  package struct RootFiles: Codable, Hashable, Sendable {
    package var type = "layers"
    package var layers: [ContentDigest]

    package enum CodingKeys: String, CodingKey {
      case type
      case layers = "diff_ids"
    }
  }

  package struct Step: Codable, Hashable, Sendable {
    package var created: String
    package var by: String
    package var comment: String

    package enum CodingKeys: String, CodingKey {
      case created, comment
      case by = "created_by"
    }
  }

  package var created: String
  package var architecture: String
  package var os = "linux"
  package var config: Run
  package var rootfs: RootFiles
  package var history: [Step]
}
