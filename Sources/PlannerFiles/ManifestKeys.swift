import Foundation
import PlannerCore

/// Finds keys in a model repository's manifest that mean nothing to this program: most are misspelt.
///
/// They are no error, as in all of the project's JSON: a newer program may have written them.
public enum ManifestKeys {
  static let ofManifest = [
    "schemaVersion", "kind", "seed", "vocabularyFile", "lowercases", "pairTruncation", "models",
  ]
  static let ofModel = [
    "name", "file", "family", "precision", "vocabulary", "maxTokens", "inputs", "inputTensors", "outputTensors",
    "requestTensors", "fileBytes", "sha256", "agreement",
  ]
  static let ofTensor = ["name", "datatype", "shape", "below"]

  /// What is said of keys that are not known, in the order of the models; nothing of text that is no manifest.
  public static func unknown(in text: String, path: String) -> [FileProblem] {
    guard let manifest = try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] else { return [] }
    var problems = check(manifest, "", ofManifest, path)
    for (index, model) in ((manifest["models"] as? [Any]) ?? []).enumerated() {
      guard let model = model as? [String: Any] else { continue }
      problems += check(model, "models[\(index)].", ofModel, path)
      for list in ["inputTensors", "outputTensors", "requestTensors"] {
        for (place, tensor) in ((model[list] as? [Any]) ?? []).enumerated() {
          guard let tensor = tensor as? [String: Any] else { continue }
          problems += check(tensor, "models[\(index)].\(list)[\(place)].", ofTensor, path)
        }
      }
    }
    return problems
  }

  private static func check(
    _ object: [String: Any], _ place: String, _ known: [String], _ path: String
  ) -> [FileProblem] {
    object.keys.sorted().filter { !known.contains($0) }.map { key in
      let meant = known.filter { distance($0.lowercased(), key.lowercased()) <= 2 }
        .min { distance($0, key) < distance($1, key) }
      return FileProblem(
        file: path, key: place + key, message: "is not a known key, and is ignored",
        remedy: meant.map { "did you mean \($0)?" } ?? "known here: \(known.joined(separator: ", "))")
    }
  }

  /// Letters to add, drop or change to make one word of the other.
  private static func distance(_ one: String, _ other: String) -> Int {
    let other = Array(other)
    var row = Array(0...other.count)
    for (place, letter) in one.enumerated() {
      var diagonal = row[0]
      row[0] = place + 1
      for column in other.indices {
        let change = diagonal + (letter == other[column] ? 0 : 1)
        diagonal = row[column + 1]
        row[column + 1] = min(change, row[column] + 1, diagonal + 1)
      }
    }
    return row[other.count]
  }
}
