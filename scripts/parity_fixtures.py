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



class Forms(torch.nn.Module):
    """Every way to write a product by a weight, and what must not be taken for something else."""

    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(50, 48)
        self.shared = torch.nn.Linear(48, 48)
        self.turned = torch.nn.Parameter(0.1 * torch.randn(48, 70))
        self.turned_bias = torch.nn.Parameter(0.1 * torch.randn(70))
        self.narrow = torch.nn.Parameter(0.1 * torch.randn(48, 70))
        self.plain = torch.nn.Parameter(0.1 * torch.randn(48, 48))
        self.norm = torch.nn.LayerNorm(48)
        self.register_buffer("offset", torch.arange(3))

    def forward(self, ids, mask):
        x = self.table(ids)
        x = self.shared(self.shared(x))  # one module, called twice
        tokens = x.size(1)
        flat = x.view(-1, 48)
        wide = torch.addmm(self.turned_bias, flat, self.turned)  # inputs first, as GPT-2 keeps them
        wide = torch.nn.functional.gelu(wide, approximate="tanh")  # not the exact one
        back = torch.matmul(wide, self.narrow.t()).view(-1, tokens, 48)
        total = x + back
        before = total * 2
        total.add_(1)  # written between its making and its use
        y = self.norm(total) + before
        q, k, v = [torch.matmul(y, self.plain).view(-1, tokens, 4, 12).permute(0, 2, 1, 3) * s for s in (1, 2, 3)]
        scores = torch.matmul(q, k.transpose(-1, -2)) * 0.125 + (1 - mask[:, None, None, :].float()) * -1e4
        weights = torch.softmax(scores, -1)
        context = torch.matmul(weights, v).permute(0, 2, 1, 3).reshape(-1, tokens, 48)
        seen = torch.matmul(torch.softmax(torch.matmul(q, k.transpose(-1, -2)) / 3.5, -1), v).mean((1, 2))
        logits = torch.nn.functional.linear(context, self.table.weight)  # tied to the embedding
        return logits, seen + self.offset.sum(), weights.sum((1, 3))


class Embeddings(torch.nn.Module):
    """Sums of looked up rows that are normalized, and what only looks like one."""

    def __init__(self):
        super().__init__()
        self.words = torch.nn.Embedding(50, 24)
        self.positions = torch.nn.Embedding(40, 24)
        self.norm = torch.nn.LayerNorm(24)
        self.register_buffer("places", torch.arange(40)[None])

    def forward(self, ids, mask):
        tokens = ids.size(1)
        places = self.places[:, :tokens]
        in_place = self.words(ids)
        in_place += self.positions(places)
        sums = [
            in_place,
            self.words(ids) + self.positions(places) + self.positions(mask),
            self.words(ids) + self.positions.weight[:tokens],
            self.words(ids) + self.positions(places[0]),  # ids without a batch
            torch.add(self.words(ids), self.positions(places), alpha=2),
            self.words(ids) + self.positions(places) * 3,
            mask[:, :, None] + self.words(ids),
        ]
        outputs = [self.norm(total) for total in sums]
        shared = self.words(ids)
        outputs.append(self.norm(shared + self.positions(places)) + shared)
        kept = self.words(ids)
        total = self.words(ids) + kept
        kept.add_(1)  # written between its use and the norm
        outputs.append(self.norm(total) + kept)
        return tuple(outputs)


def save(name, module, sizes):
    """The module traced, with cases of what it answers, one for each batch and length."""
    cases = []
    with torch.no_grad():
        example = (torch.randint(0, 50, (1, 9)), torch.ones(1, 9, dtype=torch.long))
        traced = torch.jit.trace(module, example)
        for batch, tokens in sizes:
            ids = torch.randint(0, 50, (batch, tokens))
            mask = torch.ones_like(ids)
            mask[-1, -2:] = 0
            cases.append({
                "batch": batch, "ids": ids.flatten().tolist(), "mask": mask.flatten().tolist(),
                "outputs": [output.flatten().tolist() for output in module(ids, mask)]})
    traced.save(f"{folder}/traced-{name}.torchscript")
    with open(f"{folder}/{name}.json", "w") as file:
        json.dump({"cases": cases}, file, indent=None, sort_keys=True)


torch.manual_seed(5)
save("forms", Forms().eval(), [(1, 9), (1, 33), (3, 17)])
torch.manual_seed(6)
save("embeddings", Embeddings().eval(), [(1, 9), (3, 5)])
print("written to", folder)
