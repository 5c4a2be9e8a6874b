import Foundation

/// What is fuzzed. The weight is its share of the runs: those that take long have fewer.
enum TargetKind: String, CaseIterable, Sendable {
  case http
  case json
  case tensors
  case tokenizer
  case vocabulary
  case manifest
  case accesslog
  case workload
  case models
  // They break in a known way: the tests of this program look for them.
  case plantedCrash = "planted-crash"
  case plantedHang = "planted-hang"
  case plantedGrowth = "planted-growth"
  case plantedLaw = "planted-law"

  static let usual: [TargetKind] = [
    .http, .json, .tensors, .tokenizer, .vocabulary, .manifest, .accesslog, .workload, .models,
  ]

  var weight: Int {
    switch self {
    case .http, .json, .tensors: 10
    case .tokenizer: 40
    case .vocabulary: 15
    case .manifest, .accesslog, .workload: 14
    default: 1
    }
  }

  func make(corpus: String) async throws -> any FuzzTarget {
    switch self {
    case .http, .json, .tensors: try await ServerTarget(kind: self)
    case .tokenizer: try TokenizerTarget()
    case .vocabulary: VocabularyTarget()
    case .manifest: try ManifestTarget()
    case .accesslog: try AccessLogTarget()
    case .workload: try WorkloadTarget()
    case .models: try ModelTarget()
    case .plantedCrash, .plantedHang, .plantedGrowth, .plantedLaw: PlantedTarget(kind: self)
    }
  }

  /// Words of the format, for the mutator.
  var words: [String] {
    switch self {
    case .http: Self.httpWords + Self.jsonWords
    case .json, .tensors: Self.jsonWords
    case .tokenizer, .vocabulary: Self.textWords
    case .manifest: Self.jsonWords + Self.manifestWords
    case .accesslog: Self.logWords
    case .workload: Self.workloadWords
    case .models: Self.modelWords
    case .plantedCrash, .plantedHang, .plantedGrowth, .plantedLaw: ["BUG"]
    }
  }

  private static let httpWords = [
    "GET ", "POST ", "HEAD ", "PUT ", "\r\n", "\r\n\r\n", " HTTP/1.1\r\n", " HTTP/1.0\r\n", "Host: x\r\n",
    "Content-Length: ", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n", "5\r\nhello\r\n",
    "Connection: close\r\n", "Connection: keep-alive\r\n", "Expect: 100-continue\r\n", "Upgrade: websocket\r\n",
    "Content-Type: application/json\r\n", "Content-Type: application/x-www-form-urlencoded\r\n",
    "Inference-Header-Content-Length: ", "Content-Encoding: gzip\r\n", "Authorization: Bearer ",
    "/predictions/", "/v2/", "/v2/models/", "/infer", "/ready", "/config", "/stats", "/versions/1",
    "/v2/repository/index", "/v2/repository/models/model0/load", "/v2/health/live", "/metrics", "/ping", "model0",
    "?seq_0=", "&seq_1=", "%", "%00", "%2e%2e%2f", "../", "..", "//", "+", "\u{0}",
  ]
  private static let jsonWords = [
    "{", "}", "[", "]", ":", ",", "null", "true", "false", "\"\"", "\\u0000", "\\ud800", "\\udc00", "\\\"",
    "\"id\":", "\"inputs\":", "\"outputs\":", "\"name\":", "\"shape\":", "\"datatype\":", "\"data\":",
    "\"parameters\":", "\"binary_data_size\":", "\"binary_data\":", "\"binary_data_output\":", "\"priority\":",
    "\"timeout\":", "\"sequence_id\":", "\"INT64\"", "\"INT32\"", "\"FP32\"", "\"FP16\"", "\"BF16\"", "\"BOOL\"",
    "\"BYTES\"", "\"input_ids\"", "\"attention_mask\"", "\"token_type_ids\"", "1e5", "-", "0x", "\u{feff}",
  ]
  private static let manifestWords = [
    "\"kind\":", "\"repository\"", "\"schemaVersion\":", "\"models\":", "\"file\":", "\"vocabulary\":",
    "\"maxTokens\":", "\"precision\":", "\"fp32\"", "\"bf16\"", "\"int8\"", "\"../x.pt\"", "\"/etc/passwd\"",
    "\"vocabularyFile\":", "\"lowercases\":", "\"fileBytes\":",
  ]
  private static let logWords = [
    "\n", "\r\n", ",", "\"", "\"\"", "[", "] \"", "27/Nov/2026:10:00:00 +0000", "2026-11-27T10:00:00.5Z", "-0730",
    "POST ", "GET ", "/v2/models/", "/infer", "/versions/", "/v1/models/", ":predict", "/predictions/", "?", "%41", "%",
    "%00",
    " HTTP/1.1\" ", "200", "404", "1e9", "-1", "nan", "seconds,model\n", "\u{1f}\u{8b}\u{8}", "\u{0}", "::1",
  ]
  private static let workloadWords = [
    "groups:", "\n  - ", "name: ", "architecture: ", "models: ", "names: ", "size: ", "rate: ", "{total: 9}",
    "{perModel: ", "popularity: ", "{zipf: ", "{file: shares.csv}", "{histogram: sizes.csv}", "arrivals: ",
    "{process: gamma, cv: 2}",
    "targetP99: ", "10ms", "precisions: ", "[fp32]", "replicas: ", "input: ", "tensors", "text", "\"?\"", "nan",
    "1e308", "-1", "0", "&a ", "*a", "!!int ", "? ", "|\n", "[", "]", "{", "}", "#", "\"\\u0000\"",
  ]
  private static let textWords = [
    "[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]", "##", "\n", "\r\n", "\t", " ", "\u{301}", "\u{323}", "\u{fffd}",
    "\u{200d}", "\u{feff}", "\u{4f60}", "\u{1f600}", "\u{ac00}", "\u{1d165}", "\u{130}", "\u{df}", "\u{0}", "\u{7f}",
    "\u{85}", "\u{2028}", "\u{e000}", "\u{10ffff}", "ing", "the", "!", ",",
  ]
  private static let modelWords = [
    "PK\u{3}\u{4}", "PK\u{1}\u{2}", "PK\u{5}\u{6}", "ctorch\n", "torch\n", "(", ")", ".", "t", "R", "K\u{0}", "K\u{1}",
    "N", "0", "}", "]", "Q", "u", "s", "b", "forward", "self", "return", "torch.", "prim.", "Tensor", "int", "=",
    "CONSTANTS.c0", "__torch__.", "_rebuild_tensor_v2", "FloatStorage", "LongStorage", "while", "-1",
  ]
}
