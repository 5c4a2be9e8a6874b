"""Compares a served embedding model with transformers; called by scripts/check-trace-minilm."""
import json
import sys
import urllib.request

import torch
from transformers import AutoModel, AutoTokenizer

folder, port = sys.argv[1], sys.argv[2]
tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
model = AutoModel.from_pretrained(folder, local_files_only=True).eval()
texts = [
    "The little engine says: I think I can.", "A", "Inference at the edge of memory bandwidth", "Grüße aus Köln",
    "one two three four five six seven eight nine ten " * 12]


def pooled(hidden):
    mean = hidden.mean(dim=1)
    return torch.nn.functional.normalize(mean, dim=1)


worst = 0.0
for text in texts:
    encoded = tokenizer(text, return_tensors="pt", truncation=True, max_length=256)
    with torch.no_grad():
        expected = pooled(model(**encoded)[0])
    ids = encoded["input_ids"][0].tolist()
    body = {"inputs": [{"name": "input_ids", "shape": [1, len(ids)], "datatype": "INT64", "data": ids}]}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v2/models/model0/infer", json.dumps(body).encode(), {"Content-Type": "application/json"})
    output = json.load(urllib.request.urlopen(request))["outputs"][0]
    served = pooled(torch.tensor(output["data"]).reshape(output["shape"]))
    worst = max(worst, (served - expected).abs().max().item())
print(f"largest difference of {len(texts)} embeddings: {worst:.2e} (allowed 1e-4)")
sys.exit(worst > 1e-4)
