import PlannerCore

/// Which model a request's target asks, of our own server and of its peers.
///
/// | protocol | paths |
/// |---|---|
/// | Open Inference Protocol (v2) | `/v2/models/NAME[/versions/V]/infer`, `…/generate`, `…/generate_stream` |
/// | TensorFlow Serving, KServe v1 | `/v1/models/NAME[/versions/V or /labels/L]:predict`, `:classify`, `:regress` |
/// | TorchServe, the guidance | `/predictions/NAME[/V]` |
enum RequestPath {
  enum Target {
    case model(UnsafeBufferPointer<UInt8>)
    case leftOut(LeftOut)
  }

  private static let v2 = Array("/v2/models/".utf8)
  private static let v1 = Array("/v1/models/".utf8)
  private static let predictions = Array("/predictions/".utf8)
  private static let call = Array("/inference.GRPCInferenceService/Model".utf8)
  private static let versions = Array("/versions/".utf8)
  private static let labels = Array("/labels/".utf8)
  private static let schemes = [Array("http://".utf8), Array("https://".utf8)]
  private static let v2Actions = ["/infer", "/generate", "/generate_stream"].map { Array($0.utf8) }
  private static let v1Verbs = ["predict", "classify", "regress"].map { Array($0.utf8) }
  private static let infers = ["Infer", "StreamInfer"].map { Array($0.utf8) }
  private static let methods = ["GET", "POST", "PUT"].map { Array($0.utf8) }

  /// - Parameters:
  ///   - method: as the request line has it.
  ///   - target: path and query, or a whole address as proxies are sent.
  static func read(_ method: UnsafeBufferPointer<UInt8>, _ target: UnsafeBufferPointer<UInt8>) -> Target {
    var path = target
    if path.first != UInt8(ascii: "/") {
      guard let scheme = schemes.first(where: { path.starts(with: $0) }),
        let slash = path[scheme.count...].firstIndex(of: UInt8(ascii: "/"))
      else { return .leftOut(.otherPath) }
      path = UnsafeBufferPointer(rebasing: path[slash...])
    }
    if let query = path.firstIndex(of: UInt8(ascii: "?")) { path = UnsafeBufferPointer(rebasing: path[..<query]) }
    let isPost = method.elementsEqual(methods[1])
    if has(path, v2) {
      guard let name = v2Name(drop(path, v2.count)) else { return .leftOut(.otherPath) }
      return isPost ? named(name) : .leftOut(.otherMethod)
    }
    if has(path, predictions) {
      let rest = drop(path, predictions.count)
      guard methods.contains(where: { method.elementsEqual($0) }) else { return .leftOut(.otherMethod) }
      guard let slash = rest.firstIndex(of: UInt8(ascii: "/")) else { return named(rest) }
      let version = rest[(slash + 1)...]
      if version.contains(UInt8(ascii: "/")) || version.isEmpty { return .leftOut(.otherPath) }
      return named(UnsafeBufferPointer(rebasing: rest[..<slash]))
    }
    if has(path, v1) {
      guard let name = v1Name(drop(path, v1.count)) else { return .leftOut(.otherPath) }
      return isPost ? named(name) : .leftOut(.otherMethod)
    }
    if has(path, call), infers.contains(where: { drop(path, call.count).elementsEqual($0) }) {
      return .leftOut(.callWithoutName)
    }
    return .leftOut(.otherPath)
  }

  private static func named(_ name: UnsafeBufferPointer<UInt8>) -> Target {
    name.isEmpty ? .leftOut(.badName) : .model(name)
  }

  private static func v2Name(_ rest: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8>? {
    guard let slash = rest.firstIndex(of: UInt8(ascii: "/")) else { return nil }
    var action = drop(rest, slash)
    if has(action, versions) {
      let version = drop(action, versions.count)
      guard let end = version.firstIndex(of: UInt8(ascii: "/")), end > 0 else { return nil }
      action = drop(version, end)
    }
    guard v2Actions.contains(where: { action.elementsEqual($0) }) else { return nil }
    return UnsafeBufferPointer(rebasing: rest[..<slash])
  }

  private static func v1Name(_ rest: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8>? {
    guard let colon = rest.lastIndex(of: UInt8(ascii: ":")) else { return nil }
    let verb = drop(rest, colon + 1)
    guard v1Verbs.contains(where: { verb.elementsEqual($0) }) else { return nil }
    let model = UnsafeBufferPointer(rebasing: rest[..<colon])
    guard let slash = model.firstIndex(of: UInt8(ascii: "/")) else { return model }
    let suffix = drop(model, slash)
    for place in [versions, labels] where has(suffix, place) {
      let version = drop(suffix, place.count)
      guard !version.isEmpty, !version.contains(UInt8(ascii: "/")) else { return nil }
      return UnsafeBufferPointer(rebasing: model[..<slash])
    }
    return nil
  }

  private static func has(_ text: UnsafeBufferPointer<UInt8>, _ prefix: [UInt8]) -> Bool {
    guard text.count >= prefix.count else { return false }
    for index in 0..<prefix.count where text[index] != prefix[index] { return false }
    return true
  }

  private static func drop(_ text: UnsafeBufferPointer<UInt8>, _ count: Int) -> UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(rebasing: text[count...])
  }

  /// Whether a request with that status was asked for what the fleet has to do, answered or not.
  ///
  /// What was turned away for want of room (429, 5xx) or left by its client (499, and 0 in Envoy's logs) was asked.
  /// What was refused as wrong (other 4xx, 404 for models that are not there among them) needs no computing, and what
  /// was sent elsewhere (3xx) is asked again there.
  static func isDemand(status: Int) -> Bool {
    (200..<300).contains(status) || (500..<600).contains(status) || [0, 429, 499].contains(status)
  }
}
