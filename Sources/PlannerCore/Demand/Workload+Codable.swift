private enum GroupKey: String, CodingKey {
  case name, architecture = "family", vocabulary, precisions, models, tokens, input, ratePerModelPerSecond, arrivals,
    targetP99Seconds
}

extension ModelGroup: Codable {
  public init(from decoder: any Decoder) throws {
    let box = try decoder.container(keyedBy: GroupKey.self)
    self.init(
      name: try box.decode(String.self, forKey: .name),
      architecture: try box.decode(String.self, forKey: .architecture),
      vocabulary: try box.decodeIfPresent(Int.self, forKey: .vocabulary),
      precisions: try box.decodeIfPresent([Precision].self, forKey: .precisions),
      models: try box.decode(Int.self, forKey: .models),
      requests: RequestMix(
        tokens: try box.decode(Int.self, forKey: .tokens), input: try box.decode(RequestInput.self, forKey: .input)),
      ratePerModelPerSecond: try box.decode(Double.self, forKey: .ratePerModelPerSecond),
      arrivals: try box.decode(ArrivalProcess.self, forKey: .arrivals),
      targetP99Seconds: try box.decode(Double.self, forKey: .targetP99Seconds))
  }

  public func encode(to encoder: any Encoder) throws {
    var box = encoder.container(keyedBy: GroupKey.self)
    try box.encode(name, forKey: .name)
    try box.encode(architecture, forKey: .architecture)
    try box.encodeIfPresent(vocabulary, forKey: .vocabulary)
    try box.encodeIfPresent(precisions, forKey: .precisions)
    try box.encode(models, forKey: .models)
    try box.encode(requests.tokens, forKey: .tokens)
    try box.encode(requests.input, forKey: .input)
    try box.encode(ratePerModelPerSecond, forKey: .ratePerModelPerSecond)
    try box.encode(arrivals, forKey: .arrivals)
    try box.encode(targetP99Seconds, forKey: .targetP99Seconds)
  }
}

/// A workload of one group that has the workload's name is written flat, as in version 1; any other with `groups`.
extension Workload: Codable {
  private enum Key: String, CodingKey { case name, source, groups }

  public init(from decoder: any Decoder) throws {
    let box = try decoder.container(keyedBy: Key.self)
    let groups = try box.decodeIfPresent([ModelGroup].self, forKey: .groups) ?? [try ModelGroup(from: decoder)]
    guard !groups.isEmpty else {
      throw DecodingError.dataCorruptedError(forKey: .groups, in: box, debugDescription: "is empty")
    }
    self.init(
      name: try box.decode(String.self, forKey: .name), groups: groups,
      source: try box.decode(String.self, forKey: .source))
  }

  public func encode(to encoder: any Encoder) throws {
    var box = encoder.container(keyedBy: Key.self)
    try box.encode(source, forKey: .source)
    if groups.count == 1, groups[0].name == name {
      try groups[0].encode(to: encoder)
    } else {
      try box.encode(name, forKey: .name)
      try box.encode(groups, forKey: .groups)
    }
  }
}
