"""Makes the models of the bench, with the same weights for every contender: one traced file that the guidance's server
and ours load, the same model as ONNX for the peers, and variants of it. Kept in the cache folder.

Called as a program, `models.py FAMILY COUNT FOLDER` makes one set: torch is needed here and nowhere else."""
import json
import os
import pathlib
import shutil
import subprocess
import sys

import settings

SHAPES = {
    "bert-tiny": {"num_hidden_layers": 2, "hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 512},
    "bert-base": {"num_hidden_layers": 12, "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072},
}
INPUTS = ["input_ids", "attention_mask"]
SEED = 20230614


def folder_of(family: str, count: int = 1, precision: str = "fp32") -> pathlib.Path:
    """A model repository of `count` different models; model0.pt and model0.onnx hold the same weights."""
    kept = settings.CACHE / "bench-models"
    original = kept / f"{family}-{count}-fp32"
    if not (original / "manifest.json").exists():
        command = [sys.executable, __file__, family, str(count), str(original)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return original if precision == "fp32" else variant_of(original, family, count, precision)


def variant_of(original: pathlib.Path, family: str, count: int, precision: str) -> pathlib.Path:
    """The same models in another precision, converted by model-server."""
    folder = original.with_name(f"{family}-{count}-{precision}")
    if not (folder / "manifest.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(settings.VOCABULARY, folder / "vocab.txt")
        manifest = json.loads((original / "manifest.json").read_text())
        for model in manifest["models"]:
            out = folder / model["file"]
            subprocess.run(
                [settings.binaries() / "model-server", "convert", "--model", original / model["file"], "--out", out,
                 "--precision", precision], check=True, stdout=subprocess.DEVNULL,
                env={**os.environ, **settings.our_environment()})
            model.update(precision=precision, fileBytes=out.stat().st_size)
        write_manifest(folder, manifest)
    return folder


def synthesized(family: str, count: int, folder: pathlib.Path) -> pathlib.Path:
    """A repository of models that planner writes, for rows without peers: a vocabulary of 2,000, some 3 MB each."""
    planner = settings.binaries() / "planner"
    subprocess.run(
        [planner, "model", "synth", "--family", family, "--count", str(count), "--vocab", "2000", "--out", folder,
         "--json"], check=True, stdout=subprocess.DEVNULL)
    return folder


def vocabulary_size() -> int:
    return len(settings.VOCABULARY.read_text(encoding="utf-8").splitlines())


def make(family: str, count: int, folder: pathlib.Path) -> None:
    import torch
    from transformers import BertConfig, BertForQuestionAnswering

    class QuestionAnswering(torch.nn.Module):
        """Ids and mask in, start and end logits out, as the guidance's tracer makes it."""

        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, input_ids, attention_mask):
            return self.inner(input_ids, attention_mask)

    torch.manual_seed(SEED)
    config = BertConfig(vocab_size=vocabulary_size(), torchscript=True, **SHAPES[family])
    model = QuestionAnswering(BertForQuestionAnswering(config)).eval()
    example = (torch.randint(0, config.vocab_size, (1, 128)), torch.ones(1, 128, dtype=torch.long))
    folder.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        torch.onnx.export(
            model, example, str(folder / "model0.onnx"), input_names=INPUTS, output_names=["start", "end"],
            dynamic_axes={name: {0: "batch", 1: "tokens"} for name in INPUTS + ["start", "end"]}, opset_version=14)
        traced = torch.jit.trace(model, example, strict=False)
        for index in range(count):
            traced.save(str(folder / f"model{index}.pt"))
            # The next one differs in every weight.
            for parameter in traced.parameters():
                parameter.mul_(1 + 1e-3 * torch.randn(parameter.shape[-1:]))
    shutil.copyfile(settings.VOCABULARY, folder / "vocab.txt")
    models = [{
        "name": f"model{index}", "file": f"model{index}.pt", "family": family, "precision": "fp32",
        "vocabulary": config.vocab_size, "maxTokens": config.max_position_embeddings, "inputs": INPUTS,
        "fileBytes": (folder / f"model{index}.pt").stat().st_size} for index in range(count)]
    write_manifest(folder, {
        "kind": "repository", "schemaVersion": 1, "lowercases": True, "vocabularyFile": "vocab.txt", "models": models})


def write_manifest(folder: pathlib.Path, manifest: dict) -> None:
    unfinished = folder / "manifest.json.tmp"
    unfinished.write_text(json.dumps(manifest, indent=2, sort_keys=True))
    os.replace(unfinished, folder / "manifest.json")


if __name__ == "__main__":
    make(sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3]))
