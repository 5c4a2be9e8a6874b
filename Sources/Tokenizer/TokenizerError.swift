/// Why a vocabulary cannot be used: the file, the line (from 1) where there is one, and what to do about it.
package struct TokenizerError: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Problem: Hashable, Sendable {
    case unreadable(reason: String)
    /// Not a single token.
    case empty
    case notUTF8
    case missingSpecialTokens([String])
  }

  package var problem: Problem
  package var file: String
  package var line: Int?

  package init(_ problem: Problem, file: String, line: Int? = nil) {
    self.problem = problem
    self.file = file
    self.line = line
  }

  package var description: String {
    let place = line.map { "\(file):\($0)" } ?? file
    switch problem {
    case .unreadable(let reason):
      return "\(place): cannot be read (\(reason)); put the model's vocab.txt there, one token a line"
    case .empty:
      return "\(place): holds no token; copy the model's vocab.txt again, one token a line"
    case .notUTF8:
      return "\(place): is not UTF-8; save the vocabulary as UTF-8 text"
    case .missingSpecialTokens(let tokens):
      return "\(place): lacks \(tokens.joined(separator: ", ")); a BERT vocabulary has [PAD], [UNK], [CLS], [SEP] "
        + "and [MASK], each on a line of its own and without a byte order mark before it"
    }
  }
}
