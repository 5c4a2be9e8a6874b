"""Writes small models of several architectures; called by scripts/zoo/make."""
import argparse
import hashlib
import os
import sys
import warnings

import torch
from torch import nn

VOCABULARY = 3000
POSITIONS = 256
ITEMS = 5000


class Layer(nn.Module):
    """One layer of an encoder, as BERT has it."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x, bias):
        rows, length, width = x.shape
        def split(y):
            return y.view(rows, length, self.heads, width // self.heads).transpose(1, 2)
        scores = split(self.query(x)) @ split(self.key(x)).transpose(2, 3) / (width // self.heads) ** 0.5
        mixed = torch.softmax(scores + bias, dim=-1) @ split(self.value(x))
        x = self.first(x + self.out(mixed.transpose(1, 2).reshape(rows, length, width)))
        return self.second(x + self.down(nn.functional.gelu(self.up(x))))


class Bert(nn.Module):
    """A classifier of token ids; padding is masked and so changes nothing."""

    def __init__(self, width=128, layers=2):
        super().__init__()
        self.words, self.places = nn.Embedding(VOCABULARY, width), nn.Embedding(POSITIONS, width)
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(Layer(width, 2) for _ in range(layers))
        self.pooler, self.classifier = nn.Linear(width, width), nn.Linear(width, 3)

    def forward(self, input_ids, attention_mask):
        places = torch.arange(input_ids.size(1), device=input_ids.device)
        x = self.norm(self.words(input_ids) + self.places(places))
        bias = (1.0 - attention_mask[:, None, None, :].to(x.dtype)) * -10000.0
        for layer in self.layers:
            x = layer(x, bias)
        return self.classifier(torch.tanh(self.pooler(x[:, 0])))


class Recommender(nn.Module):
    """DLRM-like: features, a bag of items of any length, and what they have to do with each other."""

    def __init__(self, width=32):
        super().__init__()
        self.bottom = nn.Sequential(nn.Linear(13, 64), nn.ReLU(), nn.Linear(64, width), nn.ReLU())
        self.bag = nn.EmbeddingBag(ITEMS, width, mode="sum")
        self.top = nn.Sequential(nn.Linear(2 * width + 1, 128), nn.ReLU(), nn.Linear(128, 1))

    def forward(self, dense, items):
        left, right = self.bottom(dense), self.bag(items)
        crossed = (left * right).sum(dim=1, keepdim=True)
        return torch.sigmoid(self.top(torch.cat([left, right, crossed], dim=1)))


class Images(nn.Module):
    """A convolutional classifier of images of 32 × 32."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(32 * 8 * 8, 64), nn.ReLU(), nn.Linear(64, 10))

    def forward(self, image):
        return self.head(self.features(image))


class Features(nn.Module):
    """A multilayer perceptron."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 1))

    def forward(self, features):
        return self.layers(features)


class Sequences(nn.Module):
    """An LSTM over sequences of any length, which answers with one row."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(24, 64, batch_first=True)
        self.head = nn.Linear(64, 4)

    def forward(self, sequence):
        return self.head(self.lstm(sequence)[0][:, -1])


class TwoTower(nn.Module):
    """Two inputs; the places of both in one space are the two outputs."""

    def __init__(self):
        super().__init__()
        self.user = nn.Sequential(nn.Linear(48, 128), nn.ReLU(), nn.Linear(128, 32))
        self.item = nn.Sequential(nn.Linear(20, 128), nn.ReLU(), nn.Linear(128, 32))

    def forward(self, user, item):
        return (nn.functional.normalize(self.user(user), dim=1), nn.functional.normalize(self.item(item), dim=1))


class FixedLength(nn.Module):
    """Its trace has 16 steps as a constant: it fails at every other length."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(12, 12)

    def forward(self, steps):
        shares = torch.softmax(torch.arange(int(steps.size(1)), dtype=torch.float32), dim=0)
        return torch.bmm(shares.expand(steps.size(0), 1, shares.size(0)), self.mix(steps))


class Patience(nn.Module):
    """Computes the longer the larger its values are, as code with early exits does."""

    def __init__(self):
        super().__init__()
        self.step = nn.Linear(8, 8)

    def forward(self, signal):
        rounds = int(signal.abs().sum() * 20.0) % 400
        for _ in range(rounds):
            signal = torch.tanh(self.step(signal))
        return signal


def ids(*shape):
    return torch.randint(0, 100, shape)


KINDS = {
    "bert": (Bert, lambda: (ids(2, 16), torch.ones(2, 16, dtype=torch.int64))),
    "dlrm": (Recommender, lambda: (torch.randn(2, 13), ids(2, 6))),
    "cnn": (Images, lambda: (torch.randn(2, 3, 32, 32),)),
    "mlp": (Features, lambda: (torch.randn(2, 64),)),
    "lstm": (Sequences, lambda: (torch.randn(2, 10, 24),)),
    "twotower": (TwoTower, lambda: (torch.randn(2, 48), torch.randn(2, 20))),
}
ODD = {
    "fixedlength": (FixedLength, lambda: (torch.randn(2, 16, 12),)),
    "patience": (Patience, None),
}


def counts(text, kinds):
    if text.isdigit():
        return {kind: int(text) for kind in kinds}
    chosen = {}
    for part in text.split(","):
        kind, _, count = part.partition("=")
        if kind not in kinds or not count.isdigit():
            sys.exit(f"scripts/zoo/make: --count: '{part}' is not KIND=N; kinds: {', '.join(kinds)}")
        chosen[kind] = int(count)
    return chosen


def compiled(kind):
    """One model in TorchScript; the others of its kind are this one with other weights."""
    make, example = {**KINDS, **ODD}[kind]
    model = make().eval()
    with torch.no_grad():
        return torch.jit.script(model) if example is None else torch.jit.trace(model, example())


def draw(model, seed):
    """Gives the model weights of its own, of the size that layers are initialized with."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.normal_(0, 1.0 / weight.shape[-1] ** 0.5, generator=generator)
            elif name.endswith("weight"):
                weight.uniform_(0.9, 1.1, generator=generator)
            else:
                weight.uniform_(-0.1, 0.1, generator=generator)


def main():
    parser = argparse.ArgumentParser(prog="scripts/zoo/make", description="Make models of several architectures.")
    parser.add_argument("--out", required=True, help="folder to write to")
    parser.add_argument("--count", default="1", help="models of each kind, or KIND=N,… for those kinds alone")
    parser.add_argument("--seed", type=int, default=1, help="the same seed writes the same weights")
    parser.add_argument("--odd", action="store_true", help="also one model that takes one length alone, and one whose "
                        "time depends on its values")
    arguments = parser.parse_args()
    chosen = counts(arguments.count, list(KINDS) + list(ODD)) if "=" in arguments.count else counts(
        arguments.count, list(KINDS))
    if arguments.odd:
        chosen.update({kind: chosen.get(kind, 1) for kind in ODD})
    torch.set_num_threads(1)
    # A constant in a trace is what one of the odd ones is made for.
    warnings.simplefilter("ignore", torch.jit.TracerWarning)
    os.makedirs(arguments.out, exist_ok=True)
    for kind, count in chosen.items():
        torch.manual_seed(arguments.seed)
        model = compiled(kind)
        for index in range(count):
            digest = hashlib.sha256(f"{arguments.seed} {kind} {index}".encode()).digest()
            draw(model, int.from_bytes(digest[:7], "little"))
            path = os.path.join(arguments.out, f"{kind}-{index:03d}.pt")
            model.save(path + ".tmp")
            os.replace(path + ".tmp", path)
    print(f"{sum(chosen.values())} models of {len(chosen)} architectures written to {arguments.out}")


if __name__ == "__main__":
    main()
