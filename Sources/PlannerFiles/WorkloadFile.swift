import Foundation
import PlannerCore

/// Reads workload files (YAML; the format is in docs/files.md): groups of models, or the flat form of one group, whose
/// keys each fall back to the guidance's case.
public enum WorkloadFile {
  /// Keys of the file that are those of its one group, where it has no `groups`.
  private static let flatKeys = [
    "family", "vocabulary", "models", "tokens", "input", "ratePerModelPerSecond", "arrivals",
  ]

  /// - Throws: `FileError` with everything that is wrong in the file and in those that it names.
  public static func read(_ path: String) throws(FileError) -> Workload {
    let (reader, top) = try YAMLReader.open(path)
    top.allow(["name", "source", "targetP99", "proxy"] + flatKeys + ["groups"])
    var workload = top.node("groups") == nil ? flat(top, path) : grouped(top, path)
    if top.flag("proxy") { workload?.isProxied = true }
    try reader.check()
    // Without a problem there is a group.
    guard let workload else { throw FileError(.badData, [FileProblem(file: path, message: "has no group")]) }
    return workload
  }

  private static func flat(_ top: YAMLMap, _ path: String) -> Workload? {
    var workload = Workload.guidance
    workload.name = top.text("name") ?? path
    workload.groups[0].name = workload.name
    workload.source = top.text("source") ?? path
    // Any name may be planned that a profile or a publication knows; the planner says which those are.
    workload.architecture = top.text("family") ?? workload.architecture
    workload.models = top.integer("models", in: WorkloadLimits.models, fallback: workload.models)
    workload.tokens = top.integer("tokens", in: WorkloadLimits.flatTokens, fallback: workload.tokens)
    if top.node("vocabulary") != nil {
      workload.vocabulary = top.integer("vocabulary", in: WorkloadLimits.vocabulary, fallback: 200)
    }
    if top.node("ratePerModelPerSecond") != nil {
      workload.ratePerModelPerSecond = top.number("ratePerModelPerSecond", above: 0) ?? workload.ratePerModelPerSecond
    }
    workload.input = top.choice("input", [RequestInput.text, .tokens], fallback: workload.input)
    workload.arrivals = ArrivalReader.plain(top, "arrivals", fallback: workload.arrivals)
    workload.targetP99Seconds = WorkloadGroupReader.target(top) ?? workload.targetP99Seconds
    return workload
  }

  private static func grouped(_ top: YAMLMap, _ path: String) -> Workload? {
    let reader = top.reader
    for key in flatKeys where top.node(key) != nil {
      reader.report(top.node(key), key, "stands beside groups", "write it in each group, or leave groups out")
    }
    let maps = top.maps("groups")
    if maps.count > WorkloadLimits.groups {
      reader.report(top.node("groups"), "groups", "has \(maps.count) groups; at most \(WorkloadLimits.groups) are read")
      return nil
    }
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    let target = WorkloadGroupReader.target(top)
    var groups: [ModelGroup] = []
    var groupNames: Set<String> = []
    var modelNames: Set<String> = []
    for map in maps {
      let group = WorkloadGroupReader(map: map, folder: folder, usualTarget: target).group()
      if !groupNames.insert(group.name).inserted {
        let node = map.node("name") ?? map.node
        reader.report(node, map.key("name"), "'\(group.name)' is there twice", "give one of them another")
      }
      if let shared = group.modelNames?.first(where: { !modelNames.insert($0).inserted }) {
        reader.report(map.node, map.key("names"), "'\(shared)' is a model of another group, too")
      }
      groups.append(group)
    }
    let models = groups.reduce(0) { $0 + $1.models }
    let most = WorkloadLimits.models.upperBound
    if models > most {
      reader.report(top.node("groups"), "groups", "has \(models) models in all; at most \(most) are read")
    }
    guard !groups.isEmpty else { return nil }
    return Workload(name: top.text("name") ?? path, groups: groups, source: top.text("source") ?? path)
  }
}

extension YAMLMap {
  /// True or false; false where the key is missing, or wrong and reported.
  func flag(_ key: String) -> Bool {
    guard let node = node(key) else { return false }
    switch node.scalar?.string {
    case "true": return true
    case "false": return false
    default:
      reader.report(node, self.key(key), "is neither true nor false")
      return false
    }
  }

  /// One of named values; `fallback` where the key is missing, or wrong and reported.
  func choice<Value: RawRepresentable<String>>(_ key: String, _ values: [Value], fallback: Value) -> Value {
    guard let text = text(key) else { return fallback }
    if let value = values.first(where: { $0.rawValue == text }) { return value }
    reader.report(
      node(key), self.key(key), "'\(text)' is not known", "use \(values.map(\.rawValue).joined(separator: ", "))")
    return fallback
  }
}
