import ContainerImages
import Executor
import PlannerCore

/// Where a pod finds the models that a node's repository names.
enum ModelPlace: Hashable {
  /// A folder of the server's own image.
  case folder(String)
  /// A folder of a volume that the cluster's users claim: `pvc://CLAIM/FOLDER`.
  case claim(String, folder: String)
  /// A folder of another image, which the cluster mounts: `image://REFERENCE`, with `#FOLDER` behind it where it is not
  /// the image's root.
  case image(String, folder: String)
  /// An address that the server pulls from by itself.
  case remote(String)

  static let mountPath = "/models"
  static let cachePath = "/var/cache/models"

  /// - Throws: `RuntimeError` where a pod cannot have it.
  init(_ repository: String) throws {
    func refuse(_ reason: String, _ remedy: String) -> RuntimeError {
      RuntimeError(.unavailable, "the repository '\(repository)' \(reason)", remedy: remedy)
    }
    guard repository.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7f }) else {
      throw refuse("has a control character in its name", "rename it")
    }
    if repository.hasPrefix("s3://") || repository.hasPrefix("https://") {
      self = .remote(repository)
    } else if repository.hasPrefix("pvc://") {
      let parts = repository.dropFirst(6).split(separator: "/", maxSplits: 1).map(String.init)
      guard let claim = parts.first, KubernetesName.isSubdomain(claim) else {
        throw refuse("names no claim", "write pvc://CLAIM/FOLDER")
      }
      self = .claim(claim, folder: try Self.folder(parts.count > 1 ? parts[1] : "", refuse))
    } else if repository.hasPrefix("image://") {
      let parts = repository.dropFirst(8).split(separator: "#", maxSplits: 1).map(String.init)
      guard let image = parts.first, ImageReference(image) != nil else {
        throw refuse("names no image", "write image://REGISTRY/NAME:TAG, with #FOLDER behind it if not its root")
      }
      self = .image(image, folder: try Self.folder(parts.count > 1 ? parts[1] : "", refuse))
    } else if repository.hasPrefix("/") {
      self = .folder("/" + (try Self.folder(String(repository.dropFirst()), refuse)))
    } else {
      throw refuse(
        "is a folder of this machine, and pods do not see it",
        "name a volume (pvc://CLAIM/FOLDER), an image (image://REFERENCE), an address (s3://, https://), or a folder "
          + "of the server's image by its absolute path")
    }
  }

  /// A path within something, without a way out of it.
  private static func folder(_ path: String, _ refuse: (String, String) -> RuntimeError) throws -> String {
    let parts = path.split(separator: "/").map(String.init)
    guard !parts.contains(where: { $0 == ".." || $0 == "." }) else {
      throw refuse("leads out of its place", "name the folder without . and ..")
    }
    return parts.joined(separator: "/")
  }

  /// What the server is told.
  var serverRepository: String {
    switch self {
    case .folder(let path): path
    case .claim(_, let folder), .image(_, let folder): folder.isEmpty ? Self.mountPath : "\(Self.mountPath)/\(folder)"
    case .remote(let address): address
    }
  }

  /// Volumes of the pod, each with its place in the container.
  var volumes: [(volume: ManifestValue, mount: ManifestValue)] {
    func mounted(_ source: (String, ManifestValue), at path: String, readOnly: Bool) -> (ManifestValue, ManifestValue) {
      let name: ManifestValue = readOnly ? "models" : "model-cache"
      var mount: ManifestValue = ["name": name, "mountPath": .string(path)]
      if readOnly { mount["readOnly"] = true }
      return (.object(["name": name, source.0: source.1]), mount)
    }
    switch self {
    case .folder: return []
    case .claim(let claim, _):
      let source: ManifestValue = ["claimName": .string(claim), "readOnly": true]
      return [mounted(("persistentVolumeClaim", source), at: Self.mountPath, readOnly: true)]
    case .image(let reference, _):
      let source: ManifestValue = ["reference": .string(reference), "pullPolicy": "IfNotPresent"]
      return [mounted(("image", source), at: Self.mountPath, readOnly: true)]
    case .remote: return [mounted(("emptyDir", [:]), at: Self.cachePath, readOnly: false)]
    }
  }

  var needsNetwork: Bool { if case .remote = self { true } else { false } }
}
