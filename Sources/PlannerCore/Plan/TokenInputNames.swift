/// Names of the inputs of models that take token ids, as transformers and its exporters give them: what manifests,
/// requests and the server say.
public enum TokenInputNames {
  /// Ids of the tokens, 0 ..< the vocabulary's size.
  public static let ids = "input_ids"
  /// 1 for tokens, 0 for padding.
  public static let mask = "attention_mask"
  /// 0 for the first text, 1 for the second.
  public static let types = "token_type_ids"
  /// All three, in BERT's order.
  public static let all = [ids, mask, types]
}
