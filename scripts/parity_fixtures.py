"""Writes a small BERT with random weights, inputs, and what transformers answers, for Tests/EngineTests."""
import base64
import json
import sys

import torch
from transformers import BertConfig, BertForQuestionAnswering

folder = sys.argv[1]
torch.manual_seed(7)
config = BertConfig(
    vocab_size=100, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
    max_position_embeddings=64, type_vocab_size=2, torchscript=True)
model = BertForQuestionAnswering(config).eval()
with torch.no_grad():
    # Freshly made models have biases of 0 and scales of 1, which would hide a swapped pair.
    for parameter in model.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))


def numbers(tensor):
    return base64.b64encode(tensor.detach().contiguous().numpy().tobytes()).decode()


cases = []
generator = torch.Generator().manual_seed(11)
for batch, tokens, padding in [(1, 5, 0), (1, 16, 0), (1, 40, 6), (2, 24, 9)]:
    ids = torch.randint(0, 100, (batch, tokens), generator=generator)
    mask = torch.ones_like(ids)
    if padding:
        mask[-1, -padding:] = 0
    types = torch.zeros_like(ids)
    types[:, tokens // 2:] = 1
    with torch.no_grad():
        start, end = model(ids, mask, types)
    cases.append({
        "batch": batch, "tokens": tokens, "ids": ids.flatten().tolist(), "mask": mask.flatten().tolist(),
        "types": types.flatten().tolist(), "start": start.flatten().tolist(), "end": end.flatten().tolist()})

weights = {
    name: {"shape": list(parameter.shape), "float32": numbers(parameter)}
    for name, parameter in model.named_parameters()}
with open(folder + "/parity.json", "w") as file:
    json.dump({
        "layers": 2, "hidden": 32, "heads": 4, "intermediate": 64, "vocabulary": 100, "maxTokens": 64, "tokenTypes": 2,
        "weights": weights, "cases": cases}, file, indent=1, sort_keys=True)
example = (torch.randint(0, 100, (1, 12)), torch.ones(1, 12, dtype=torch.long), torch.zeros(1, 12, dtype=torch.long))
torch.jit.trace(model, example).save(folder + "/traced-bert.torchscript")
print("written to", folder)
