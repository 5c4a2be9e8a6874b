"""Traces a Hugging Face folder to a model repository; called by scripts/trace."""
import argparse
import json
import os
import shutil
import sys

import torch
from transformers import AutoModel, AutoModelForQuestionAnswering, AutoTokenizer

parser = argparse.ArgumentParser(prog="scripts/trace", description="Trace a Hugging Face folder to a model repository.")
parser.add_argument("--model", required=True, help="folder with config.json, weights and vocab.txt")
parser.add_argument("--out", required=True, help="repository to write")
parser.add_argument("--task", choices=["qa", "embedding"], default="qa")
parser.add_argument("--sequence-length", type=int, default=128, help="length of the example that is traced")
parser.add_argument("--name", default="model0")
arguments = parser.parse_args()

if not os.path.isfile(os.path.join(arguments.model, "config.json")):
    sys.exit(f"scripts/trace: {arguments.model} holds no config.json; name a Hugging Face model folder")
tokenizer = AutoTokenizer.from_pretrained(arguments.model, local_files_only=True)
kind = AutoModelForQuestionAnswering if arguments.task == "qa" else AutoModel
model = kind.from_pretrained(arguments.model, local_files_only=True, torchscript=True).eval()
limit = model.config.max_position_embeddings
example = tokenizer(
    "What does the little engine say", "The little engine says: I think I can", max_length=arguments.sequence_length,
    padding="max_length", truncation=True, return_tensors="pt")
inputs = (example["input_ids"], example["attention_mask"], example["token_type_ids"])


class Positional(torch.nn.Module):
    """Fixes the order of the inputs, which differs between model classes."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, input_ids, attention_mask, token_type_ids):
        output = self.inner(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
        return (output[0],) if arguments.task == "embedding" else (output[0], output[1])


with torch.no_grad():
    traced = torch.jit.trace(Positional(model).eval(), inputs, strict=False)
    shorter = tuple(tensor[:, :9] for tensor in inputs)
    difference = (traced(*shorter)[0] - Positional(model)(*shorter)[0]).abs().max().item()
if difference > 1e-4:
    sys.exit(f"scripts/trace: the traced model differs by {difference} at another length; it was traced with a fixed one")

os.makedirs(arguments.out, exist_ok=True)
path = os.path.join(arguments.out, arguments.name + ".pt")
traced.save(path + ".tmp")
os.replace(path + ".tmp", path)
vocabulary = os.path.join(arguments.model, "vocab.txt")
if os.path.isfile(vocabulary):
    shutil.copyfile(vocabulary, os.path.join(arguments.out, "vocab.txt"))
manifest = {
    "kind": "repository", "schemaVersion": 1, "lowercases": bool(getattr(tokenizer, "do_lower_case", True)),
    "models": [{
        "name": arguments.name, "file": arguments.name + ".pt", "family": model.config.model_type, "precision": "fp32",
        "vocabulary": model.config.vocab_size, "maxTokens": limit,
        "inputs": ["input_ids", "attention_mask", "token_type_ids"], "fileBytes": os.path.getsize(path)}]}
if os.path.isfile(vocabulary):
    manifest["vocabularyFile"] = "vocab.txt"
with open(os.path.join(arguments.out, "manifest.json.tmp"), "w") as file:
    json.dump(manifest, file, indent=2, sort_keys=True)
os.replace(os.path.join(arguments.out, "manifest.json.tmp"), os.path.join(arguments.out, "manifest.json"))
print(f"{path}: traced, largest difference at another length {difference:.1e}")
