private enum GroupKey: String, CodingKey {
  case name, architecture = "family", vocabulary, precisions, models, modelNames, tokens, sizes, input,
    ratePerModelPerSecond, popularity, arrivals, targetP99Seconds, leastReplicas, isProxied = "proxied"
}

/// A group whose models are all asked alike, with requests of one size, has the keys of version 1 and no more.
extension ModelGroup: Codable {
  public init(from decoder: any Decoder) throws {
    let box = try decoder.container(keyedBy: GroupKey.self)
    let sizes =
      try box.decodeIfPresent(RequestSizes.self, forKey: .sizes)
      ?? .fixed(try box.decode(Int.self, forKey: .tokens))
    self.init(
      name: try box.decode(String.self, forKey: .name),
      architecture: try box.decode(String.self, forKey: .architecture),
      vocabulary: try box.decodeIfPresent(Int.self, forKey: .vocabulary),
      precisions: try box.decodeIfPresent([Precision].self, forKey: .precisions),
      models: try box.decode(Int.self, forKey: .models),
      modelNames: try box.decodeIfPresent([String].self, forKey: .modelNames),
      requests: RequestMix(
        sizes: sizes, input: try box.decode(RequestInput.self, forKey: .input),
        isProxied: try box.decodeIfPresent(Bool.self, forKey: .isProxied) ?? false),
      ratePerModelPerSecond: try box.decode(Double.self, forKey: .ratePerModelPerSecond),
      popularity: try box.decodeIfPresent(Popularity.self, forKey: .popularity) ?? .uniform,
      arrivals: try box.decode(ArrivalProcess.self, forKey: .arrivals),
      targetP99Seconds: try box.decode(Double.self, forKey: .targetP99Seconds),
      leastReplicas: try box.decodeIfPresent(Int.self, forKey: .leastReplicas) ?? 1)
  }

  public func encode(to encoder: any Encoder) throws {
    var box = encoder.container(keyedBy: GroupKey.self)
    try box.encode(name, forKey: .name)
    try box.encode(architecture, forKey: .architecture)
    try box.encodeIfPresent(vocabulary, forKey: .vocabulary)
    try box.encodeIfPresent(precisions, forKey: .precisions)
    try box.encode(models, forKey: .models)
    try box.encodeIfPresent(modelNames, forKey: .modelNames)
    if let tokens = requests.sizes.only {
      try box.encode(tokens, forKey: .tokens)
    } else {
      try box.encode(requests.sizes, forKey: .sizes)
    }
    try box.encode(requests.input, forKey: .input)
    if requests.isProxied { try box.encode(true, forKey: .isProxied) }
    try box.encode(ratePerModelPerSecond, forKey: .ratePerModelPerSecond)
    if popularity != .uniform { try box.encode(popularity, forKey: .popularity) }
    try box.encode(arrivals, forKey: .arrivals)
    try box.encode(targetP99Seconds, forKey: .targetP99Seconds)
    if leastReplicas != 1 { try box.encode(leastReplicas, forKey: .leastReplicas) }
  }
}

/// In JSON: `{"distribution": "none"}`, `{"distribution": "fixed", "size": 40}`, `{"distribution": "lognormal", "mean":
/// 40, "cv": 0.8, "max": 128}` or `{"distribution": "histogram", "bins": [{"size": 8, "weight": 0.5}, …]}`.
extension RequestSizes: Codable {
  private enum Key: String, CodingKey { case distribution, size, mean, cv, max, bins }

  public init(from decoder: any Decoder) throws {
    let box = try decoder.container(keyedBy: Key.self)
    let name = try box.decode(String.self, forKey: .distribution)
    switch name {
    case "none": self = .none
    case "fixed": self = .fixed(try box.decode(Int.self, forKey: .size))
    case "lognormal":
      self = .lognormal(
        mean: try box.decode(Double.self, forKey: .mean), cv: try box.decode(Double.self, forKey: .cv),
        max: try box.decode(Int.self, forKey: .max))
    case "histogram": self = .histogram(try box.decode([SizeWeight].self, forKey: .bins))
    default:
      throw DecodingError.dataCorruptedError(
        forKey: .distribution, in: box,
        debugDescription: "'\(name)' is not known; use none, fixed, lognormal or histogram")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var box = encoder.container(keyedBy: Key.self)
    switch self {
    case .none: try box.encode("none", forKey: .distribution)
    case .fixed(let size):
      try box.encode("fixed", forKey: .distribution)
      try box.encode(size, forKey: .size)
    case .lognormal(let mean, let cv, let max):
      try box.encode("lognormal", forKey: .distribution)
      try box.encode(mean, forKey: .mean)
      try box.encode(cv, forKey: .cv)
      try box.encode(max, forKey: .max)
    case .histogram(let bins):
      try box.encode("histogram", forKey: .distribution)
      try box.encode(bins, forKey: .bins)
    }
  }
}

/// A popularity in JSON is `"uniform"`, `{"zipf": 1.1}` or `{"shares": [0.7, 0.3]}`.
extension Popularity: Codable {
  private enum Key: String, CodingKey { case zipf, shares }

  public init(from decoder: any Decoder) throws {
    if let container = try? decoder.singleValueContainer(), let name = try? container.decode(String.self) {
      guard name == "uniform" else {
        throw DecodingError.dataCorruptedError(
          in: container, debugDescription: "'\(name)' is not a popularity; use uniform, zipf or shares")
      }
      self = .uniform
      return
    }
    let box = try decoder.container(keyedBy: Key.self)
    if let exponent = try box.decodeIfPresent(Double.self, forKey: .zipf) {
      self = .zipf(exponent: exponent)
    } else {
      self = .shares(try box.decode([Double].self, forKey: .shares))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    switch self {
    case .uniform:
      var container = encoder.singleValueContainer()
      try container.encode("uniform")
    case .zipf(let exponent):
      var box = encoder.container(keyedBy: Key.self)
      try box.encode(exponent, forKey: .zipf)
    case .shares(let shares):
      var box = encoder.container(keyedBy: Key.self)
      try box.encode(shares, forKey: .shares)
    }
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
