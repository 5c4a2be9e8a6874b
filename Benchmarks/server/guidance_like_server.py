"""A server that behaves as the guidance's FastAPI server does, for machines that cannot reach the original: one traced
model a name, every text padded to 128 tokens, and the forward pass inside the event loop.

Environment: MODEL_FILE (a traced model), VOCABULARY_FOLDER (with vocab.txt), NUM_MODELS."""
import os

import torch
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from transformers import BertTokenizer

QUESTION = "What does the little engine say"
CONTEXT = (
    "In the childrens story about the little engine a small locomotive is pulling a large load up a mountain. Since "
    "the load is heavy and the engine is small it is not sure whether it will be able to do the job. This is a story "
    "about how an optimistic attitude empowers everyone to achieve more. In the story the little engine says: 'I think "
    "I can' as it is pulling the heavy load all the way to the top of the mountain. On the way down it says: I thought "
    "I could.")

names = [f"model{index}" for index in range(int(os.environ.get("NUM_MODELS", "1")))]
models = {name: torch.jit.load(os.environ["MODEL_FILE"]) for name in names}
tokenizers = {name: BertTokenizer.from_pretrained(os.environ["VOCABULARY_FOLDER"]) for name in names}
app = FastAPI()


@app.get("/")
async def health():
    return {"Status": "Healthy"}


@app.get("/predictions/{name}")
async def predict(name: str, seq_0: str = QUESTION, seq_1: str = CONTEXT):
    if name not in models:
        text = f"Model {name} does not exist. Try a model name up to {names[-1]}"
        return JSONResponse({"detail": text}, status_code=404)
    tokenizer = tokenizers[name]
    encoded = tokenizer(
        seq_0, seq_1, max_length=128, padding="max_length", truncation=True, return_tensors="pt")
    starts, ends = models[name](encoded["input_ids"], encoded["attention_mask"])[:2]
    first, end = int(starts.argmax()), int(ends.argmax()) + 1
    span = encoded["input_ids"][0][first:end if end > first else None]
    return JSONResponse({"detail": tokenizer.convert_tokens_to_string(tokenizer.convert_ids_to_tokens(span))})
