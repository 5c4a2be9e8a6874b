import Executor

/// Whether the cluster lets the user do what a deployment needs, asked before anything is done.
struct AccessCheck {
  let client: KubeClient
  let namespace: String

  private struct RulesReview: Decodable {
    struct Status: Decodable {
      struct Rule: Decodable {
        var verbs: [String]
        var apiGroups: [String]?
        var resources: [String]?
        var resourceNames: [String]?
      }
      var resourceRules: [Rule]?
      var incomplete: Bool?
    }
    var status: Status?
  }

  private struct AccessReview: Decodable {
    struct Status: Decodable { var allowed: Bool? }
    var status: Status?
  }

  /// One request tells all rules; where that is not said to be all, what is missing is asked for one by one.
  ///
  /// - Throws: `RuntimeError` that names every permission that is missing.
  func check(_ rules: [AccessManifests.Rule]) async throws {
    let review = try await client.create(
      RulesReview.self, .rulesReviews, namespace: nil,
      [
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
        "spec": ["namespace": .string(namespace)],
      ])
    var missing: [String] = []
    for rule in rules where !rule.isOptional {
      for verb in rule.verbs {
        if Self.allows(review.status?.resourceRules ?? [], rule, verb) { continue }
        if review.status?.incomplete == true, try await isAllowed(rule, verb) { continue }
        missing.append("\(verb) \(rule.name)")
      }
    }
    guard missing.isEmpty else {
      throw RuntimeError(
        .unavailable,
        "the cluster '\(client.cluster)' does not let you do all that is needed in namespace '\(namespace)'; missing: "
          + missing.joined(separator: ", "),
        remedy: "have an administrator apply the roles that `planner deploy manifests` writes into administrator/")
    }
  }

  private static func allows(_ rules: [RulesReview.Status.Rule], _ wanted: AccessManifests.Rule, _ verb: String) -> Bool
  {
    rules.contains { rule in
      func names(_ list: [String]?, _ name: String) -> Bool { list?.contains { $0 == "*" || $0 == name } == true }
      return (rule.resourceNames ?? []).isEmpty && names(rule.verbs, verb) && names(rule.apiGroups, wanted.group)
        && names(rule.resources, wanted.resource)
    }
  }

  private func isAllowed(_ rule: AccessManifests.Rule, _ verb: String) async throws -> Bool {
    let parts = rule.resource.split(separator: "/", maxSplits: 1).map(String.init)
    var attributes: ManifestValue = [
      "namespace": .string(namespace), "verb": .string(verb), "group": .string(rule.group),
      "resource": .string(parts[0]),
    ]
    if parts.count > 1 { attributes["subresource"] = .string(parts[1]) }
    let review = try await client.create(
      AccessReview.self, .accessReviews, namespace: nil,
      [
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": ["resourceAttributes": attributes],
      ])
    return review.status?.allowed == true
  }
}
