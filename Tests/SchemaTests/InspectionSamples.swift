/// What the command line composes of models that it looked at.
extension Samples {
  static let inspected = #"""
    {"folder": "models", "unlisted": ["new.pt"], "broken": [{"file": "cut.pt", "reason": "it is empty"}],
     "architectures": [
      {"name": "bert", "fingerprint": "0a21dbd3605609f13a703e644a2ebbbf724eb279", "precision": "fp32",
       "vocabulary": 3000, "models": 2, "modelNames": ["a", "b"], "fileBytes": 3365783, "weightBytes": 3321868,
       "inputs": [{"name": "input_ids", "datatype": "INT64", "shape": [-1, -1], "below": 3000, "isOptional": false},
                  {"name": "attention_mask", "datatype": "INT64", "shape": [-1, -1], "isOptional": true}],
       "outputs": [{"name": "output_0", "datatype": "FP32", "shape": [-1, 3]}],
       "requestTensors": [{"name": "input_ids", "datatype": "INT64", "shape": [1, -1], "below": 3000},
                          {"name": "attention_mask", "datatype": "INT64", "shape": [1, -1]}],
       "takesTokens": true, "largestSize": 256, "isLargestALimit": true,
       "failedSizes": [{"size": 3, "reason": "expected 2"}], "padding": "unchanged", "rows": "independent",
       "notes": ["an answer does not change with padding"]},
      {"name": "model-2197a4", "fingerprint": "2197a424f4defec0bd0f0f7461be2a4f410ae669", "precision": "fp32",
       "vocabulary": 0, "models": 1, "modelNames": ["c"], "fileBytes": 99552, "weightBytes": 93200, "inputs": [],
       "outputs": [], "requestTensors": [], "failedSizes": [], "notes": [], "problem": "ended with signal 11"}]}
    """#

  static let indexed = #"""
    {"folder": "models", "models": 3, "architectures": 2, "questions": ["say what it takes"],
     "contradictions": ["a: sha256 is not that of a.pt"], "broken": [{"file": "cut.pt", "reason": "it is empty"}]}
    """#
}
