/// What a request carries: text, which the server has to tokenize, token ids, or tensors of any other kind.
public enum RequestInput: String, Codable, CaseIterable, Sendable { case text, tokens, tensors }
