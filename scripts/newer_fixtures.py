"""Writes small models of PyTorch 2.13 and what it answers, for Tests/EngineTests; called by scripts/make-newer-fixtures."""
import base64
import json
import sys
import warnings

import torch
import torch.nn.functional as F
from transformers import BertConfig, BertForQuestionAnswering, ViTConfig, ViTForImageClassification

warnings.filterwarnings("ignore")
folder = sys.argv[1]


def coded(tensor):
    tensor = tensor.detach().contiguous()
    kind = {torch.float32: "float32", torch.int64: "int64", torch.bool: "bool"}[tensor.dtype]
    return {"shape": list(tensor.shape), "type": kind, "data": base64.b64encode(tensor.numpy().tobytes()).decode()}


def outputs_of(answer):
    if isinstance(answer, torch.Tensor):
        return [answer]
    return [one for part in (answer.values() if hasattr(answer, "values") else answer) for one in outputs_of(part)]


def save(answers_name, model, modules, cases):
    """Writes `modules`, traces or scripts of `model` by their names, and what `model` answers to each case."""
    with torch.no_grad():
        answers = [outputs_of(model(*case)) for case in cases]
        for name, module in modules.items():
            torch.jit.save(module, f"{folder}/newer-{name}.torchscript")
            for case, answer in zip(cases, answers):
                for one, other in zip(outputs_of(module(*case)), answer):
                    assert one.shape == other.shape and torch.allclose(one, other, 0, 1e-5), name
    with open(f"{folder}/newer-{answers_name}.json", "w") as file:
        json.dump([{"inputs": [coded(one) for one in case], "outputs": [coded(one) for one in answer]}
                   for case, answer in zip(cases, answers)], file, sort_keys=True)


def shaken(module):
    """Freshly made models have biases of 0 and scales of 1, which would hide a swapped pair."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return module.eval()


def texts(vocabulary, with_types):
    cases = []
    for batch, tokens, padding in [(1, 5, 0), (1, 16, 0), (1, 40, 6), (2, 24, 9), (3, 7, 2)]:
        ids = torch.randint(0, vocabulary, (batch, tokens))
        mask = torch.ones_like(ids)
        if padding:
            mask[-1, -padding:] = 0
        types = torch.zeros_like(ids)
        types[:, tokens // 2:] = 1
        cases.append((ids, mask, types) if with_types else (ids, mask))
    return cases


def forms(q, k, v, allowed, added):
    """Every form of `scaled_dot_product_attention`; q [batch, 4, rows, 4], k and v [batch, 4, keys, 4], `allowed`
    [batch, 1, rows, keys] with a row that allows nothing, `added` [rows, keys]."""
    removed = torch.zeros_like(added).masked_fill(~allowed[0, 0], float("-inf"))
    by_row = q.transpose(1, 2).contiguous().transpose(1, 2)
    return (
        F.scaled_dot_product_attention(q, k, v),
        F.scaled_dot_product_attention(by_row, k, v, scale=0.3),
        F.scaled_dot_product_attention(q, k, v, is_causal=True),
        F.scaled_dot_product_attention(q, k, v, allowed),
        F.scaled_dot_product_attention(q, k, v, allowed.expand(-1, 4, -1, -1)),
        F.scaled_dot_product_attention(q, k, v, allowed[0, 0]),
        F.scaled_dot_product_attention(q, k, v, allowed[:, :, :1]),
        F.scaled_dot_product_attention(q, k, v, added),
        F.scaled_dot_product_attention(q, k, v, removed, 0.0, False, scale=0.7),
        F.scaled_dot_product_attention(q, k, v, added, is_causal=True),
        F.scaled_dot_product_attention(q, k, v, added[None, None] - 3.4028234663852886e38),
        F.scaled_dot_product_attention(q, k[:, :2], v[:, :2], enable_gqa=True),
        F.scaled_dot_product_attention(q, k[:, :1], v[:, :1], allowed, enable_gqa=True, scale=0.4),
        F.scaled_dot_product_attention(q[:, 0], k[:, 0], v[:, 0]),
        F.scaled_dot_product_attention(q[:, 0], k[:, 0], v[:, 0], allowed[:, 0], is_causal=False),
        F.scaled_dot_product_attention(q[:, 0], k[:, 0], v[:, 0], is_causal=True),
        F.scaled_dot_product_attention(q[0], k[0, :2], v[0, :2], enable_gqa=True),
        F.scaled_dot_product_attention(q[0, 0], k[0, 0], v[0, 0], allowed[0, 0]),
        F.scaled_dot_product_attention(q[None], k[None], v[None], allowed),
        F.scaled_dot_product_attention(q, k, v[..., :3], allowed),
        F.scaled_dot_product_attention(q, k[:, :1], v[:, :1]),
        F.scaled_dot_product_attention(q, k[:1], v[:1]),
        F.scaled_dot_product_attention(q.double(), k.double(), v.double(), allowed).float(),
        F.scaled_dot_product_attention(q, k[:, :, :0], v[:, :, :0]),
        F.rms_norm(q, [4]),
        F.rms_norm(v, [v.size(2), 4], v[0, 0], 1e-3),
    )


class Forms(torch.nn.Module):
    def forward(self, q, k, v, allowed, added):
        return forms(q, k, v, allowed, added)


class FormsInALoop(torch.nn.Module):
    """What is within a loop is not rewritten: the operators themselves are run."""

    def forward(self, q, k, v, allowed, added):
        answer = [q]
        for _ in range(1 + q.size(0) * 0):
            answer = list(forms(q, k, v, allowed, added))
        return answer


class Padded(torch.nn.Module):
    """torch.nn's encoder, whose fused layers take nested tensors where a mask is given."""

    def __init__(self, activation, norm_first):
        super().__init__()
        self.words = torch.nn.Embedding(50, 16)
        layer = torch.nn.TransformerEncoderLayer(
            16, 2, 32, activation=activation, norm_first=norm_first, batch_first=True)
        self.encoder = torch.nn.TransformerEncoder(layer, 2)

    def forward(self, ids, mask):
        x = self.words(ids)
        alone = self.encoder(x)
        return self.encoder(x, src_key_padding_mask=mask == 0), alone


torch.manual_seed(7)
model = shaken(BertForQuestionAnswering(BertConfig(
    vocab_size=100, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
    max_position_embeddings=64, return_dict=False)))
cases = texts(100, True)
save("bert", model, {"bert": torch.jit.trace(model, cases[1])}, cases)

torch.manual_seed(8)
model = shaken(ViTForImageClassification(ViTConfig(
    hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=16, patch_size=8,
    num_labels=5)))
cases = [(torch.randn(batch, 3, 16, 16),) for batch in (1, 3)]
save("vit", model, {"vit": torch.jit.trace(model, cases[0], strict=False)}, cases)

torch.manual_seed(9)
cases = []
for batch, rows, keys in [(1, 1, 1), (2, 5, 7), (1, 26, 19), (2, 3, 17)]:
    allowed = torch.rand(batch, 1, rows, keys) < 0.6
    allowed[:, :, :, 0] = True
    allowed[0, :, -1] = False
    q, k, v = torch.randn(batch, 4, rows, 4), torch.randn(batch, 4, keys, 4), torch.randn(batch, 4, keys, 4)
    cases.append((q, k, v, allowed, torch.randn(rows, keys)))
save("forms", Forms(), {"forms": torch.jit.script(Forms()), "forms-in-a-loop": torch.jit.script(FormsInALoop())}, cases)

torch.manual_seed(10)
model, cases = shaken(Padded("relu", False)), texts(50, False)
with torch.no_grad():
    modules = {"encoder-traced": torch.jit.trace(model, cases[2]), "encoder-scripted": torch.jit.script(model)}
save("encoder", model, modules, cases)
torch.manual_seed(11)
model, cases = shaken(Padded("gelu", True)), texts(50, False)
with torch.no_grad():
    modules = {"encoder-first": torch.jit.trace(model, cases[2])}
save("encoder-first", model, modules, cases)


class Unknown(torch.nn.Module):
    def forward(self, x):
        return torch.nonzero_static(x, size=2)


class Arguments(torch.nn.Module):
    def forward(self, x):
        return torch.std(x, correction=1.5)


for name, module in [("unknown", Unknown()), ("arguments", Arguments())]:
    torch.jit.save(torch.jit.trace(module, torch.ones(3)), f"{folder}/newer-{name}.torchscript")
module = torch.nn.Linear(2, 2)
module.register_buffer("codes", torch.ones(4).to(torch.float8_e4m3fn))
torch.jit.save(torch.jit.trace(module, torch.ones(2)), f"{folder}/newer-type.torchscript")
print("written to", folder)
