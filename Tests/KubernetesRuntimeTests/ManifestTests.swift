import Executor
import Foundation
import KubernetesRuntime
import Testing
import Yams

/// What a deployment is written as.
@Suite struct ManifestTests {
  @Test func nodesAreNamedAndReachedAsInTheGuidance() throws {
    let manifests = try DeploymentManifests(shop(), usual())
    #expect(manifests.objects("Deployment").map { $0.at("metadata.name")?.text } == ["shop-0", "shop-1"])
    let services = manifests.objects("Service")
    #expect(services.map { $0.at("metadata.name")?.text } == ["shop-0", "shop-1"])
    for service in services {
      #expect(service.at("metadata.namespace") == "mpi" && service.at("spec.type") == "ClusterIP")
      #expect(service.at("spec.ports.0.port") == 8080)
    }
    // Each Service leads to the pods of its own Deployment, and a Deployment to its own pods.
    for (service, deployment) in zip(services, manifests.objects("Deployment")) {
      let labels = try #require(deployment.at("spec.template.metadata.labels")?.members)
      for selector in [service.at("spec.selector"), deployment.at("spec.selector.matchLabels")] {
        let selector = try #require(selector?.members)
        #expect(!selector.isEmpty && selector.allSatisfy { labels[$0.key] == $0.value })
      }
    }
    let selectors = Set(services.map { $0.at("spec.selector") })
    #expect(selectors.count == 2)
  }

  @Test func memoryIsAskedForAndLimitedAsPlannedAndCPUsAreNotLimited() throws {
    let manifests = try DeploymentManifests(shop(1), usual())
    let resources = try #require(manifests.objects("Deployment")[0].at("spec.template.spec.containers.0.resources"))
    // 20 GiB are needed, the server's own memory among them; an eighth more is what no figure counts.
    #expect(resources.at("requests.memory") == "23040Mi" && resources.at("limits.memory") == "23040Mi")
    #expect(resources.at("limits.cpu") == nil && resources.at("requests.cpu") == "6000m")
    // The eighth is taken as far as the machine has it, and what is needed in any case.
    for (mebibytes, asked) in [(30 << 10, "23040Mi"), (21 << 10, "21504Mi"), (20 << 10, "20480Mi"), (5, "20480Mi")] {
      let room = usual { $0.machines = ["c7g.4xlarge": .init(milliCPU: 16000, memoryBytes: Int64(mebibytes) << 20)] }
      let pod = try DeploymentManifests(shop(1), room).objects("Deployment")[0]
      #expect(pod.at("spec.template.spec.containers.0.resources.requests.memory")?.text == asked)
    }
    // Parts of a MiB are a whole one, and nothing that a plan says overflows.
    let odd: [(Int64, String?)] = [((1 << 20) + 1, "258Mi"), (.max, "8796093022207Mi"), (0, nil), (-1, nil)]
    for (bytes, asked) in odd {
      let pod = try DeploymentManifests(shop(1) { $0.memoryBytes = bytes }, usual()).objects("Deployment")[0]
      #expect(pod.at("spec.template.spec.containers.0.resources.requests.memory")?.text == asked)
    }
    // Where it is known what a pod may use, the request is all that the workers need, and no more than there is.
    let known = usual { $0.machines = ["c7g.4xlarge": .init(milliCPU: 7500, memoryBytes: 30 << 30)] }
    let limited = try DeploymentManifests(shop(1), known).objects("Deployment")[0]
    #expect(limited.at("spec.template.spec.containers.0.resources.requests.cpu") == "7500m")
    let unknown = try DeploymentManifests(shop(1) { $0.memoryBytes = nil }, usual()).objects("Deployment")[0]
    #expect(unknown.at("spec.template.spec.containers.0.resources.limits") == nil)
  }

  @Test func podsKeepToTheRestrictedStandard() throws {
    for object in try DeploymentManifests(shop(), usual()).objects("Deployment") {
      let pod = try #require(object.at("spec.template.spec"))
      #expect(pod.at("securityContext.runAsNonRoot") == true)
      #expect(pod.at("securityContext.seccompProfile.type") == "RuntimeDefault")
      #expect(pod.at("automountServiceAccountToken") == false && pod.at("hostNetwork") == nil)
      let container = try #require(pod.at("containers.0.securityContext"))
      #expect(container.at("allowPrivilegeEscalation") == false && container.at("readOnlyRootFilesystem") == true)
      #expect(container.at("capabilities.drop") == ["ALL"] && container.at("privileged") == nil)
      #expect(pod.at("nodeSelector") == ["node.kubernetes.io/instance-type": "c7g.4xlarge"])
      let kinds: Set = ["name", "emptyDir", "persistentVolumeClaim", "downwardAPI", "image"]
      for volume in pod.at("volumes")?.elements ?? [] {
        #expect(Set(try #require(volume.members).keys).isSubset(of: kinds))
      }
    }
  }

  @Test func probesAskTheServersOwnRoutesAndAPodHasTimeToDrain() throws {
    let old = try DeploymentManifests(shop(1), usual()).objects("Deployment")[0]
    let container = try #require(old.at("spec.template.spec.containers.0"))
    #expect(container.at("startupProbe.httpGet.path") == "/v2/health/ready")
    #expect(container.at("startupProbe.failureThreshold") == 600 && container.at("startupProbe.periodSeconds") == 1)
    #expect(container.at("readinessProbe.httpGet.path") == "/v2/health/ready")
    #expect(container.at("livenessProbe.httpGet.path") == "/v2/health/live")
    #expect(old.at("spec.template.spec.terminationGracePeriodSeconds") == 40)
    // Before 1.30 a kubelet cannot wait by itself: the server does.
    #expect(container.at("lifecycle") == nil)
    let arguments = try #require(container.at("args")?.elements).compactMap(\.text)
    #expect(arguments.firstIndex(of: "--shutdown-delay").map { arguments[$0 + 1] } == "5s")
    let new = try DeploymentManifests(shop(1), usual { $0.minorVersion = 30 }).objects("Deployment")[0]
    #expect(new.at("spec.template.spec.containers.0.lifecycle.preStop.sleep.seconds") == 5)
    #expect(new.at("spec.template.spec.containers.0.args")?.elements?.contains("--shutdown-delay") == false)
  }

  @Test func nodesWithTheSameModelsAreSpreadAndOthersAreNot() throws {
    func label(_ object: ManifestValue) -> ManifestValue? {
      object.at("spec.template.metadata.labels")?["planner/models"]
    }
    let apart = try DeploymentManifests(shop(), usual()).objects("Deployment")
    #expect(label(apart[0]) != label(apart[1]))
    let copies = try DeploymentManifests(shop { $0.models = ["b", "a"] }, usual()).objects("Deployment")
    let turned = try DeploymentManifests(shop { $0.models = ["a", "b"] }, usual()).objects("Deployment")
    #expect(label(copies[0]) == label(copies[1]) && label(copies[0]) == label(turned[0]))
    let spread = try #require(copies[0].at("spec.template.spec.topologySpreadConstraints.0"))
    #expect(spread["topologyKey"] == "kubernetes.io/hostname")
    #expect(spread.at("labelSelector.matchLabels")?["planner/models"] == label(copies[0]))
  }

  @Test func modelsComeFromVolumesImagesAndAddresses() throws {
    func pod(_ repository: String) throws -> (pod: ManifestValue, repository: String?) {
      let object = try DeploymentManifests(shop(1) { $0.repository = repository }, usual()).objects("Deployment")[0]
      let pod = try #require(object.at("spec.template.spec"))
      let arguments = pod.at("containers.0.args")?.elements?.compactMap(\.text) ?? []
      return (pod, arguments.firstIndex(of: "--repository").map { arguments[$0 + 1] })
    }
    let claim = try pod("pvc://models/team/bert")
    #expect(claim.repository == "/models/team/bert")
    #expect(claim.pod.at("volumes.0.persistentVolumeClaim") == ["claimName": "models", "readOnly": true])
    let image = try pod("image://registry.example.com/models:7#bert")
    #expect(image.repository == "/models/bert")
    #expect(image.pod.at("volumes.0.image.reference") == "registry.example.com/models:7")
    let remote = try pod("s3://bucket/bert")
    #expect(remote.repository == "s3://bucket/bert" && remote.pod.at("volumes.0.emptyDir") != nil)
    #expect(try pod("/srv/models").repository == "/srv/models")
    for wrong in [
      "models", "pvc://", "pvc://Claim/x", "pvc://a/../b", "image://", "image://a b", "/a/../b", "s3://b/\u{7}",
      "image://a#../b", "http://plain",
    ] {
      let error = refusal { try DeploymentManifests(shop(1) { $0.repository = wrong }, usual()) }
      #expect(error != nil && error?.remedy.isEmpty == false, "\(wrong)")
    }
  }

  @Test func whatIsAskedForIsAddedAndNothingElse() throws {
    let plain = try DeploymentManifests(shop(), usual())
    #expect(
      plain.objects.map { $0["kind"]?.text ?? "" } == [
        "Namespace", "PodDisruptionBudget", "NetworkPolicy", "Service", "Deployment", "Service", "Deployment",
      ])
    #expect(plain.objects("PodDisruptionBudget")[0].at("spec.maxUnavailable") == 1)
    let all = try DeploymentManifests(
      shop(),
      usual {
        $0.monitor = true
        $0.roleARN = "arn:aws:iam::123456789012:role/models"
        $0.exposure = .ingress(domain: "models.example.com", className: "nginx")
        $0.tolerations = [.init(key: "dedicated", value: "models", effect: "NoSchedule")]
        $0.imagePullSecrets = ["registry"]
      })
    #expect(all.objects("ServiceMonitor").count == 1)
    #expect(
      all.objects("ServiceAccount")[0].at("metadata.annotations") == [
        "eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/models"
      ])
    #expect(
      all.objects("Ingress").map { $0.at("spec.rules.0.host") } == [
        "shop-0.models.example.com", "shop-1.models.example.com",
      ])
    let pod = try #require(all.objects("Deployment")[0].at("spec.template.spec"))
    #expect(pod["serviceAccountName"] == "shop" && pod.at("imagePullSecrets.0.name") == "registry")
    #expect(
      pod.at("tolerations.0") == ["key": "dedicated", "operator": "Equal", "value": "models", "effect": "NoSchedule"])
    let balanced = try DeploymentManifests(shop(), usual { $0.exposure = .loadBalancer })
    #expect(balanced.objects("Service").allSatisfy { $0.at("spec.type") == "LoadBalancer" })
  }

  /// Pods reach nothing but what models are pulled from, and that only where they are pulled.
  @Test func thePolicyOfTheNetworkIsNarrow() throws {
    let remote = try DeploymentManifests(shop(), usual()).objects("NetworkPolicy")[0]
    #expect(remote.at("spec.policyTypes") == ["Ingress", "Egress"] && remote.at("spec.egress")?.elements?.count == 2)
    let local = try DeploymentManifests(shop { $0.repository = "pvc://models" }, usual()).objects("NetworkPolicy")[0]
    #expect(local.at("spec.egress") == [] && local.at("spec.ingress.0.ports.0.port") == 8080)
  }

  @Test func equalDeploymentsAreEqualBytesAndTheRestStaysWhereOneNodeChanges() throws {
    let one = try DeploymentManifests(shop(3), usual())
    #expect(one.text == (try DeploymentManifests(shop(3), usual())).text)
    var changed = shop(3)
    changed.nodes[1].settings.models.append("another")
    let two = try DeploymentManifests(changed, usual())
    let differing = zip(one.files, two.files).filter { $0.0 != $0.1 }.map(\.0.name)
    #expect(differing == ["shop-1.yaml"])
    // The Service and the selector stay, so that the cluster replaces the pod in place.
    #expect(one.objects("Service") == two.objects("Service"))
    let selectors = [one, two].map { $0.objects("Deployment")[1].at("spec.selector") }
    #expect(selectors[0] == selectors[1])
  }

  // MARK: Hostile values

  static let hostile = [
    "a: b", "- x", "$(cat /etc/passwd)", "`id`", "${HOME}", "$$(A)", "'; rm -rf /; '", "\"}],\"kind\":\"Secret\"",
    "\\n---\\nkind: Secret",
    "{{ .Values }}", "yes", "1e3", "0x10", "null", "~", "&a", "*a", "!!binary x", "# no", "ü\u{2028}ß", "%",
  ]

  /// Names come back letter for letter from the YAML, by a reader that is not the writer.
  @Test func namesOfModelsAreDataHoweverTheyRead() throws {
    let manifests = try DeploymentManifests(shop(1) { $0.models = Self.hostile }, usual())
    let documents = try Yams.compose_all(yaml: manifests.text).map { $0 }
    #expect(documents.count == manifests.objects.count)
    let deployment = try #require(documents.last)
    let list = deployment["spec"]?["template"]?["metadata"]?["annotations"]?["planner/models"]?.string
    #expect(list == Self.hostile.joined(separator: "\n") + "\n")
    for wrong in ["", "a\nb", "a\0", "\u{1b}[2J", "\u{7f}"] {
      let error = refusal { try DeploymentManifests(shop(1) { $0.models = [wrong] }, usual()) }
      #expect(error?.remedy == "rename the model", "\(wrong.debugDescription)")
    }
    let long = refusal {
      try DeploymentManifests(shop(1) { $0.models = (0..<20_000).map { "a-model-named-\($0)" } }, usual())
    }
    #expect(long?.message.contains("KiB") == true)
  }

  /// The API would put variables where `$(NAME)` stands.
  @Test func argumentsAndVariablesStayAsTheyAre() throws {
    let manifests = try DeploymentManifests(
      shop(1) {
        $0.environment = ["A": "$(B)", "B": "x$", "C": "$$(A)"]
        $0.extraArguments = ["--x", "$(HOSTNAME)"]
      }, usual())
    let container = try #require(manifests.objects("Deployment")[0].at("spec.template.spec.containers.0"))
    #expect(container["env"]?.elements?.compactMap { $0["value"]?.text } == ["$$(B)", "x$$", "$$$$(A)"])
    #expect(container["args"]?.elements?.last == "$$(HOSTNAME)")
    #expect(container["command"] == nil)
    for name in ["", "A=B", "A B", "1A", "A\n"] {
      let error = refusal { try DeploymentManifests(shop(1) { $0.environment = [name: "x"] }, usual()) }
      #expect(error != nil, "\(name)")
    }
  }

  @Test func valuesThatNoClusterTakesAreRefusedByName() {
    let wrong: [(String, (inout KubernetesOptions) -> Void)] = [
      ("Mpi", { $0.namespace = "Mpi" }), ("a/b", { $0.namespace = "a/b" }), ("a b", { $0.image = "a b" }),
      ("-x", { $0.image = "-x" }), ("x\n", { $0.imagePullSecrets = ["x\n"] }), ("X", { $0.serviceAccount = "X" }),
      ("role", { $0.roleARN = "role" }), ("a..b", { $0.exposure = .ingress(domain: "a..b", className: nil) }),
      ("a b", { $0.tolerations = [.init(key: "a b")] }),
      ("k", { $0.tolerations = [.init(key: "k", effect: "Never")] }),
    ]
    for (value, change) in wrong {
      let error = refusal { try DeploymentManifests(shop(), usual(change)) }
      #expect(error?.message.contains(value.trimmingCharacters(in: .newlines)) == true, "\(value)")
    }
    let type = refusal { try DeploymentManifests(shop(type: "c7g 4xlarge"), usual()) }
    #expect(type?.message.contains("c7g 4xlarge") == true)
    let name = DeploymentID("a" + String(repeating: "b", count: 39))!
    let long = DesiredDeployment(
      name, nodes: [DesiredNode(NodeID("c" + String(repeating: "d", count: 39))!, shop(1).nodes[0].settings)])
    #expect(refusal { try DeploymentManifests(long, usual()) }?.message.contains("characters") == true)
  }

  // MARK: Rights

  @Test func rightsAreWrittenOutAndNarrow() throws {
    let rules = try DeploymentManifests(shop(), usual()).administratorFile.objects
    #expect(
      rules.compactMap { $0["kind"]?.text } == [
        "Namespace", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding",
      ])
    for role in rules where role["kind"]?.text?.hasSuffix("Role") == true {
      for rule in role["rules"]?.elements ?? [] {
        for key in ["verbs", "resources", "apiGroups"] {
          #expect(rule[key]?.elements?.isEmpty == false && rule[key]?.elements?.contains("*") == false)
        }
        #expect(rule["resources"]?.elements?.contains("secrets") == false)
        #expect(
          rule["verbs"]?.elements?.contains {
            ["escalate", "bind", "impersonate"].contains($0.text)
          } == false)
      }
    }
    #expect(rules[1].at("metadata.namespace") == "mpi" && rules[3].at("metadata.namespace") == nil)
  }
}
