import Executor
import PlannerFiles

/// All objects of a deployment, as files that `kubectl apply` takes.
public struct DeploymentManifests: Sendable {
  /// A file and the objects in it.
  public struct File: Hashable, Sendable {
    public var name: String
    public var objects: [ManifestValue]
    public var text: String { YAMLText.documents(objects) }
  }

  /// Files of the Kustomize base, in the order in which they are applied.
  public let files: [File]
  /// What an administrator applies beforehand, once.
  public let administratorFile: File
  private let options: KubernetesOptions

  /// - Throws: `RuntimeError` that names the first value which a cluster would not take.
  public init(_ desired: DesiredDeployment, _ options: KubernetesOptions) throws {
    try options.check()
    self.options = options
    let fleet = FleetManifests(options: options, deployment: desired.id)
    var ofNodes = options
    if options.proxyImage != nil { ofNodes.exposure = .inside }
    let nodes = NodeManifests(options: ofNodes, deployment: desired.id)
    let needsNetwork = try desired.nodes.contains { try ModelPlace($0.settings.repository).needsNetwork }
    var files = [
      File(name: "namespace.yaml", objects: [FleetManifests.namespace(options.namespace)]),
      File(name: "fleet.yaml", objects: fleet.objects(needsNetwork: needsNetwork)),
    ]
    for node in desired.nodes {
      let name = try KubernetesName.service(node.id, of: desired.id)
      files.append(
        File(
          name: "\(name).yaml",
          objects: [try nodes.service(node.id, slot: name), try nodes.ingress(node.id)].compactMap(\.self)
            + [try nodes.deployment(node, slot: name)]))
    }
    if let image = options.proxyImage {
      let proxy = ProxyManifests(options: options, deployment: desired.id)
      files.append(File(name: "proxy.yaml", objects: try proxy.objects(desired, image: image)))
    }
    self.files = files
    administratorFile = File(
      name: "administrator.yaml",
      objects: [FleetManifests.namespace(options.namespace)] + AccessManifests.objects(options))
  }

  /// Everything of the base in one text.
  public var text: String { YAMLText.documents(files.flatMap(\.objects)) }

  /// The base's own file, by which `kubectl apply -k` finds the others.
  var kustomization: ManifestValue {
    [
      "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
      "resources": .array(files.map { .string($0.name) }),
    ]
  }

  /// Writes the base into a folder, and what is for the administrator into `administrator/` beside it.
  ///
  /// - Returns: paths of the files that were written.
  /// - Throws: `FileError`.
  public func write(to folder: String) throws(FileError) -> [String] {
    var written: [String] = []
    for file in files {
      written.append("\(folder)/base/\(file.name)")
      try AtomicFile.write(file.text, to: "\(folder)/base/\(file.name)")
    }
    written.append("\(folder)/base/kustomization.yaml")
    try AtomicFile.write(YAMLText.document(kustomization), to: "\(folder)/base/kustomization.yaml")
    written.append("\(folder)/administrator/\(administratorFile.name)")
    try AtomicFile.write(administratorFile.text, to: "\(folder)/administrator/\(administratorFile.name)")
    return written
  }
}
