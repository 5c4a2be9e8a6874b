import Executor
import Foundation

/// What of a node cannot be put into a container, found before anything is started.
enum DesiredNodeCheck {
  /// - Parameter isLocal: containers see this machine's folders.
  /// - Throws: `RuntimeError` that names the node.
  static func check(_ node: DesiredNode, isLocal: Bool) throws(RuntimeError) {
    let settings = node.settings
    func refuse(_ message: String, _ remedy: String) -> RuntimeError {
      RuntimeError(.unavailable, "\(node.id): \(message)", remedy: remedy)
    }
    for name in settings.environment.keys.sorted() {
      let value = settings.environment[name] ?? ""
      guard !name.isEmpty, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "=") }),
        !value.utf8.contains(0)
      else {
        throw refuse("its environment has a variable that is none", "write the plan again with planner optimize")
      }
    }
    guard settings.models.allSatisfy({ !$0.isEmpty && !$0.utf8.contains { $0 < 0x20 } }) else {
      throw refuse("the name of one of its models has a control character", "rename the model")
    }
    if settings.repository.contains("://") { return }
    guard settings.repository.hasPrefix("/"), !settings.repository.utf8.contains(0) else {
      throw refuse("its repository '\(EngineText.plain(settings.repository))' is no full path", "name a folder")
    }
    guard isLocal else { return }
    try checkReadable(settings.repository, refuse)
    for folder in try LinkedFolders.of(settings.repository) { try checkReadable(folder, refuse) }
  }

  /// The server reads as a user of its own, who is neither the files' owner nor in their group.
  private static func checkReadable(
    _ folder: String, _ refuse: (String, String) -> RuntimeError
  ) throws(RuntimeError) {
    var facts = stat()
    guard stat(folder, &facts) == 0, facts.st_mode & S_IFMT == S_IFDIR else {
      throw refuse("there is no folder \(folder)", "name the models' folder")
    }
    guard facts.st_mode & 0o5 == 0o5 else {
      throw refuse(
        "the server's user \(ContainerPlan.user) may not read \(folder)", "allow it with: chmod -R o+rX \(folder)")
    }
  }
}
