import ArgumentParser
import Executor
import Foundation
import KubernetesRuntime
import PlannerFiles

struct DeployManifestsCommand: ComputingCommand {
  static let configuration = CommandConfiguration(
    commandName: "manifests",
    abstract: "Write what would be applied to a Kubernetes cluster, without asking one.",
    discussion: """
      Without --out everything is printed, for: planner deploy manifests … | kubectl apply --server-side -f -
      With --out a Kustomize base is written, for: kubectl apply --server-side -k DIR/base
      DIR/administrator holds the roles that whoever deploys needs.
      """)

  @Argument(help: "Plan file.") var plan = "plan.json"
  @Option(
    help:
      "Where nodes find the models: s3://, https://, pvc://CLAIM/FOLDER, image://REFERENCE, or a folder of the image.")
  var models: String
  @Option(help: "The server's image, as the cluster pulls it.") var image: String
  @Option(help: "Namespace.") var namespace = "default"
  @Option(help: "Name of the deployment; default: the workload's.") var name: String?
  @Option(help: "Oldest release of Kubernetes that it is for.") var kubernetes = "1.26"
  @Option(help: "Folder to write to.") var out: String?
  @Option(
    help: ArgumentHelp(
      "Put a proxy in front, of this image of HAProxy: one address for all models.", valueName: "image"))
  var proxyImage: String?
  @Flag(help: "Print what was written as one JSON object.") var json = false
  @OptionGroup var pods: KubernetesArguments

  struct Written: Encodable {
    var deployment: String
    var namespace: String
    var nodes: Int
    var files: [String]
  }

  func validate() throws {
    if Self.minor(kubernetes) == nil {
      throw ValidationError("--kubernetes must be a release from 1.\(KubernetesOptions.oldestMinor) on, such as 1.30")
    }
    if json, out == nil { throw ValidationError("--json needs --out DIR") }
  }

  func compute() throws -> PlannerExit {
    let content = try PlanFile.read(plan)
    var options = try pods.options(namespace: namespace, image: image)
    let desired = try PlanDeployment.desired(
      content, repository: models, name: name, image: options.startedFrom)
    options.proxyImage = proxyImage
    options.minorVersion = Self.minor(kubernetes) ?? KubernetesOptions.oldestMinor
    let manifests = try DeploymentManifests(desired, options)
    guard let out else {
      Output.result(manifests.text)
      return .done
    }
    let files = try manifests.write(to: out)
    if json {
      Output.result(
        try JSONFile.encode(
          Written(
            deployment: desired.id.text, namespace: options.namespace, nodes: desired.nodes.count, files: files)))
    } else {
      Output.result("wrote \(files.count) files: kubectl apply --server-side -k \(out)/base")
    }
    return .done
  }

  private static func minor(_ text: String) -> Int? {
    guard text.hasPrefix("1."), let minor = Int(text.dropFirst(2)), minor >= KubernetesOptions.oldestMinor,
      minor < 1000
    else { return nil }
    return minor
  }
}
