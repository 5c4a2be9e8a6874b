/// What a profile was made for.
public struct ProfilePurpose: Codable, Hashable, Sendable {
  /// Name of the workload whose architectures and sizes were measured.
  public var workload: String?
  /// Folder of the models that were measured.
  public var repository: String?

  public init(workload: String?, repository: String?) {
    self.workload = workload
    self.repository = repository
  }
}
