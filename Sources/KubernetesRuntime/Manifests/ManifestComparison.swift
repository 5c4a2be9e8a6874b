/// Lays an object as a cluster has it beside the same object as it would be: no more of either than what is applied and
/// what would become different, so that values of others are never shown.
package enum ManifestComparison {
  /// What the API notes of its own accord.
  private static let noted: Set = [
    "creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid",
  ]

  /// - Parameters:
  ///   - live: as it is.
  ///   - merged: as it would be.
  ///   - applied: what is applied to it.
  package static func relevant(
    live: ManifestValue, merged: ManifestValue, applied: ManifestValue
  ) -> (before: ManifestValue, after: ManifestValue) {
    let pair = pruned(withoutNotes(live), withoutNotes(merged), applied)
    return (pair.before ?? [:], pair.after ?? [:])
  }

  /// Whether an object has every value of a manifest already, whatever else it has.
  package static func holds(_ object: ManifestValue, _ manifest: ManifestValue) -> Bool {
    switch (object, manifest) {
    case (.object(let has), .object(let wanted)):
      wanted.allSatisfy { key, value in has[key].map { holds($0, value) } ?? false }
    case (.array(let has), .array(let wanted)):
      has.count == wanted.count && zip(has, wanted).allSatisfy { holds($0, $1) }
    default: object == manifest
    }
  }

  private static func withoutNotes(_ object: ManifestValue) -> ManifestValue {
    var object = object
    object["status"] = nil
    if let metadata = object["metadata"]?.members {
      object["metadata"] = .object(metadata.filter { !noted.contains($0.key) })
    }
    if let annotations = object["metadata"]?["annotations"]?.members {
      object["metadata"]?["annotations"] = .object(annotations.filter { !$0.key.contains("kubernetes.io/") })
    }
    return object
  }

  private typealias Pair = (before: ManifestValue?, after: ManifestValue?)

  private static func pruned(_ live: ManifestValue?, _ merged: ManifestValue?, _ applied: ManifestValue?) -> Pair {
    if applied == nil, live == merged { return (nil, nil) }
    switch (live, merged) {
    case (.object(let before), .object(let after)):
      var pair: ([String: ManifestValue], [String: ManifestValue]) = ([:], [:])
      for key in Set(before.keys).union(after.keys).sorted() {
        let part = pruned(before[key], after[key], applied?[key])
        pair.0[key] = part.before
        pair.1[key] = part.after
      }
      return (.object(pair.0), .object(pair.1))
    case (.array(let before), .array(let after)):
      guard let names = names(before, after) else { return (live, merged) }
      let parts = names.map { name in
        pruned(element(name, of: before), element(name, of: after), applied?.elements.flatMap { element(name, of: $0) })
      }
      return (.array(parts.compactMap(\.before)), .array(parts.compactMap(\.after)))
    default: return (live, merged)
    }
  }

  /// Names of the elements of lists whose elements have some, in their order; nil of other lists.
  private static func names(_ before: [ManifestValue], _ after: [ManifestValue]) -> [String]? {
    let names = (before + after).map { $0["name"]?.text }
    guard names.allSatisfy({ $0 != nil }) else { return nil }
    var seen: Set<String> = []
    return names.compactMap(\.self).filter { seen.insert($0).inserted }
  }

  private static func element(_ name: String, of list: [ManifestValue]) -> ManifestValue? {
    list.first { $0["name"]?.text == name }
  }
}
