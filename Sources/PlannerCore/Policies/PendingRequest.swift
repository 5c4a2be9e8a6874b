/// A request as the policies see it.
public struct PendingRequest: Hashable, Sendable {
  /// The caller's own number for the request.
  public var id: Int
  /// Index of the model that it asks for.
  public var model: Int
  /// Larger is served first; equal priorities first come, first served.
  public var priority: Int
  /// When the request came to the machine that holds it.
  public var arrival: Nanoseconds
  /// When computing the request is no longer worth starting.
  public var deadline: Nanoseconds
  /// Requests of one model with equal keys may be computed together; what the key means is decided by the caller.
  /// A request whose key is nil is computed alone, and waits for no company.
  public var batchKey: Int?

  public init(
    id: Int, model: Int, priority: Int = 0, arrival: Nanoseconds, deadline: Nanoseconds = .never, batchKey: Int? = 0
  ) {
    self.id = id
    self.model = model
    self.batchKey = batchKey
    self.priority = priority
    self.arrival = arrival
    self.deadline = deadline
  }
}
