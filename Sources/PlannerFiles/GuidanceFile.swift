import Foundation
import PlannerCore

/// The published cost table that plans are laid beside: JSON of kind `guidance`.
public enum GuidanceFile {
  static let embeddedName = "guidance.json (built in)"

  /// The table that ships with the program.
  ///
  /// - Throws: `FileError` if the program was built with a file that is not in order.
  public static func embedded() throws(FileError) -> GuidanceTable {
    let table = try JSONFile.decode(
      GuidanceTable.self, from: String(decoding: PackageResources.guidance_json, as: UTF8.self), path: embeddedName,
      kind: "guidance", schemaVersion: 1)
    guard table.models > 0, table.rows.allSatisfy({ $0.nodes > 0 }) else {
      throw FileError(
        .badData,
        [FileProblem(file: embeddedName, key: "rows", message: "need models and nodes", remedy: "give at least 1")])
    }
    return table
  }
}
