import Foundation
import PlannerCore

/// Reads profiles, one or a folder of them.
public enum ProfileFile {
  /// - Throws: `FileError` that names file and key.
  public static func read(_ path: String) throws(FileError) -> Profile {
    let profile = try JSONFile.read(Profile.self, from: path, kind: "profile", schemaVersion: Profile.schemaVersion)
    var problems: [FileProblem] = []
    func require(_ holds: Bool, _ key: String, _ message: String) {
      if !holds {
        problems.append(
          FileProblem(file: path, key: key, message: message, remedy: "measure it again with planner profile"))
      }
    }
    require(profile.host.cores > 0, "host.cores", "is not above 0")
    require(!profile.models.isEmpty, "models", "is empty")
    require(profile.serverMemoryBytes >= 0, "serverMemoryBytes", "is negative")
    for (index, model) in profile.models.enumerated() {
      require(model.memoryPerModelBytes > 0, "models[\(index)].memoryPerModelBytes", "is not above 0")
      for (cell, served) in model.served.enumerated() {
        require(
          served.tokens > 0 && served.workers > 0 && served.threads > 0, "models[\(index)].served[\(cell)]",
          "has a count that is not above 0")
        require(
          served.computeSeconds.mean > 0, "models[\(index)].served[\(cell)].computeSeconds", "is 0 throughout")
      }
    }
    if !problems.isEmpty { throw FileError(.badData, problems) }
    return profile
  }

  /// The folder that commands look in where none is named.
  public static let usualFolder = "profiles"

  /// All profiles of a folder, the newest measurement first; empty where there is no `usualFolder`.
  ///
  /// - Throws: `FileError` for any `.json` file in it that is no profile, and for any other folder that cannot be read.
  public static func readAll(in folder: String) throws(FileError) -> [Profile] {
    let listed = try? FileManager.default.contentsOfDirectory(atPath: folder)
    guard let names = listed ?? (folder == usualFolder ? [] : nil) else {
      throw FileError(
        .unavailable,
        [FileProblem(file: folder, message: "is no folder that can be read", remedy: "check --profiles")])
    }
    var profiles: [(name: String, profile: Profile)] = []
    var problems: [FileProblem] = []
    for name in names.sorted() where name.hasSuffix(".json") && !name.hasPrefix(".") {
      do {
        profiles.append((name, try read(folder + "/" + name)))
      } catch {
        problems += error.problems
      }
    }
    if !problems.isEmpty { throw FileError(.badData, problems) }
    return profiles.sorted { ($1.profile.measuredAt, $0.name) < ($0.profile.measuredAt, $1.name) }.map(\.profile)
  }
}
