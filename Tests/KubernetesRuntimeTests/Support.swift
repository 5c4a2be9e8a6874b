import Executor
import Foundation
import KubernetesRuntime
import Synchronization

/// A deployment of `count` nodes with two models each, the guidance's way.
func shop(_ count: Int = 2, type: String? = "c7g.4xlarge", change: (inout NodeSettings) -> Void = { _ in })
  -> DesiredDeployment
{
  DesiredDeployment(
    DeploymentID("shop")!,
    nodes: (0..<count).map { index in
      var settings = NodeSettings(
        repository: "s3://bucket/models", models: ["model\(2 * index)", "model\(2 * index + 1)"], workers: 4,
        threadsPerWorker: 2, warmTokens: [16, 128], environment: ["OMP_NUM_THREADS": "2"],
        memoryBytes: 20 << 30, instanceType: type)
      change(&settings)
      return DesiredNode(NodeID(index: index), settings)
    })
}

func usual(_ change: (inout KubernetesOptions) -> Void = { _ in }) -> KubernetesOptions {
  var options = KubernetesOptions(namespace: "mpi", image: "registry.example.com/model-server:1")
  change(&options)
  return options
}

extension DeploymentManifests {
  var objects: [ManifestValue] { files.flatMap(\.objects) }

  func objects(_ kind: String) -> [ManifestValue] { objects.filter { $0["kind"]?.text == kind } }
}

extension ManifestValue {
  /// The value at keys and places of lists, such as `spec.template.spec.containers.0.args`.
  func at(_ path: String) -> ManifestValue? {
    path.split(separator: ".").reduce(Optional(self)) { value, key in
      if let index = Int(key), let elements = value?.elements {
        return elements.indices.contains(index) ? elements[index] : nil
      }
      return value?[String(key)]
    }
  }
}

/// Runs a program of others, and gives what it printed.
func output(
  of program: String, _ arguments: [String], environment: [String: String] = [:]
) async throws -> (status: ExitStatus, text: String) {
  let text = Mutex("")
  let status = try await ChildProcess.run(
    program, arguments: arguments, environment: environment,
    onStandardOutput: { line in text.withLock { $0 += line + "\n" } },
    onStandardError: { line in text.withLock { $0 += line + "\n" } })
  return (status, text.withLock { $0 })
}

func decoded<Value: Decodable>(_ json: String) throws -> Value {
  try JSONDecoder().decode(Value.self, from: Data(json.utf8))
}

func refusal(_ body: () throws -> some Any) -> RuntimeError? {
  do {
    _ = try body()
    return nil
  } catch {
    return error as? RuntimeError
  }
}
