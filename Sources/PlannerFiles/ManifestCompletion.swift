import PlannerCore

/// Writes what was found out into a manifest, beside what somebody wrote there, which stays as it is.
public enum ManifestCompletion {
  /// The manifest's text with what it lacked.
  ///
  /// A key that is there, known or not, is not touched; models that are not there are added at the end.
  ///
  /// - Parameters:
  ///   - text: of the file as it is; nil makes a new one.
  ///   - found: what is known of the models, by name, in the order in which new ones are added.
  /// - Throws: `FileError`, or `DecodingError` where the text is no JSON.
  public static func complete(_ text: String?, with found: RepositoryManifest) throws -> String {
    var members = try text.flatMap { try JSONTree(parsing: $0).members } ?? [:]
    guard var known = try JSONTree(found).members else { return text ?? "" }
    let entries = known.removeValue(forKey: "models")?.elements ?? []
    members.merge(known) { written, _ in written }
    var models = members["models"]?.elements ?? []
    for entry in entries {
      guard let own = entry.members, let name = own["name"] else { continue }
      if let place = models.firstIndex(where: { $0.members?["name"] == name }) {
        models[place] = .object((models[place].members ?? [:]).merging(own) { written, _ in written })
      } else {
        models.append(entry)
      }
    }
    members["models"] = .array(models)
    return try JSONFile.encode(JSONTree.object(members))
  }
}
