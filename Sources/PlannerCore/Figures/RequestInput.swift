/// What a request carries: text, which the server has to tokenize, or token ids.
public enum RequestInput: String, Codable, CaseIterable, Sendable { case text, tokens }
