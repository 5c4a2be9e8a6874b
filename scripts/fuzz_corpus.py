"""Writes the starting inputs of the fuzzer; called by scripts/make-fuzz-corpus."""
import json
import pathlib
import struct
import sys

import torch

corpus = pathlib.Path(sys.argv[1])
SHAPED = {"name": "input_ids", "shape": [1, 3], "datatype": "INT64"}


def write(target: str, name: str, content) -> None:
    folder = corpus / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def request(method: str, path: str, body: bytes | str = b"", *headers: str) -> bytes:
    body = body if isinstance(body, bytes) else body.encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def binary_tensor(ids: list[int]) -> tuple[str, bytes]:
    data = struct.pack(f"<{len(ids)}q", *ids)
    tensor = {**SHAPED, "shape": [1, len(ids)], "parameters": {"binary_data_size": len(data)}}
    outputs = [{"name": "start_logits", "parameters": {"binary_data": True}}]
    return json.dumps({"inputs": [tensor], "outputs": outputs}), data


def http() -> None:
    for name, path in {
        "root": "/", "ping": "/ping", "metrics": "/metrics", "server": "/v2", "live": "/v2/health/live",
        "ready": "/v2/health/ready", "model": "/v2/models/model0", "model-ready": "/v2/models/model0/ready",
        "version": "/v2/models/model0/versions/1", "config": "/v2/models/model0/config",
        "statistics": "/v2/models/model0/stats", "all-statistics": "/v2/models/stats",
        "predict": "/predictions/model0?seq_0=what%20is%20it&seq_1=a+small+engine", "defaults": "/predictions/model1",
        "unknown": "/predictions/model9", "outside": "/v2/models/..%2f..%2fetc/ready",
    }.items():
        write("http", name, request("GET", path))
    write("http", "form", request("POST", "/predictions/model0", "seq_0=who&seq_1=me",
                                  "Content-Type: application/x-www-form-urlencoded"))
    write("http", "short-json", request("POST", "/predictions/model0", '{"input_ids":[[1,2,3]]}',
                                        "Content-Type: application/json"))
    body = json.dumps({"id": "7", "inputs": [{**SHAPED, "data": [1, 2, 3]}]})
    write("http", "infer", request("POST", "/v2/models/model0/infer", body, "Content-Type: application/json"))
    head, data = binary_tensor([1, 2, 3])
    write("http", "infer-binary", request("POST", "/v2/models/model0/infer", head.encode() + data,
                                          f"Inference-Header-Content-Length: {len(head)}"))
    write("http", "index", request("POST", "/v2/repository/index", "{}"))
    write("http", "load", request("POST", "/v2/repository/models/model0/load", "{}"))
    write("http", "unload", request("POST", "/v2/repository/models/model1/unload", "{}"))
    chunked = request("POST", "/predictions/model0", b"", "Transfer-Encoding: chunked")
    write("http", "chunked", chunked + b"5\r\nseq_0\r\n2\r\n=a\r\n0\r\n\r\n")
    write("http", "pipelined", request("GET", "/") + request("GET", "/ping") + request("GET", "/v2"))
    write("http", "half", b"POST /v2/models/model0/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")


def json_bodies() -> None:
    bodies = {
        "short": {"input_ids": [[1, 2, 3], [4, 5, 6]], "attention_mask": [[1, 1, 1], [1, 1, 0]]},
        "flat": {"id": "a", "inputs": [{**SHAPED, "data": [1, 2, 3]}]},
        "nested": {"inputs": [{**SHAPED, "data": [[1, 2, 3]]}], "outputs": [{"name": "start_logits"}]},
        "floats": {"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [0.5, -1e-3, 3, 4e5]}]},
        "texts": {"inputs": [{"name": "x", "shape": [2], "datatype": "BYTES", "data": ["a\u00e9\n", "\\\""]}]},
        "truths": {"inputs": [{"name": "x", "shape": [2], "datatype": "BOOL", "data": [True, False]}]},
        "parameters": {
            "id": "b", "parameters": {"priority": 1, "timeout": 5000, "sequence_id": 7, "other": {"a": [None]}},
            "inputs": [{**SHAPED, "data": [1, 2, 3], "parameters": {}}]},
    }
    for name, body in bodies.items():
        write("json", name, json.dumps(body))


def tensors() -> None:
    """Two bytes with the length of the JSON part, then it, then the tensors' bytes."""
    for name, ids in {"ids": [1, 2, 3], "one": [5]}.items():
        head, data = binary_tensor(ids)
        write("tensors", name, struct.pack("<H", len(head)) + head.encode() + data)
    two = [{"name": name, "shape": [1, 2], "datatype": kind, "parameters": {"binary_data_size": size}}
           for name, kind, size in [("a", "INT32", 8), ("b", "FP16", 4), ("c", "BOOL", 2)]]
    head = json.dumps({"inputs": two})
    write("tensors", "kinds", struct.pack("<H", len(head)) + head.encode() + bytes(14))
    texts = struct.pack("<I", 2) + b"ab" + struct.pack("<I", 0)
    head = json.dumps({"inputs": [{
        "name": "x", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": len(texts)}}]})
    write("tensors", "texts", struct.pack("<H", len(head)) + head.encode() + texts)


def texts() -> None:
    """Two bytes of settings, then text."""
    samples = {
        "english": "What does the little engine say? The little engine says: I think I can.",
        "accents": "Ångström naïve cafe\u0301 ŒUVRE ẛ\u0323 \u1e9b\u0323", "han": "你好，世界 한국어 ひらがな パ",
        "emoji": "👩\u200d🚀 ❤\ufe0f 🇩🇪 \U0001fa77", "controls": "a\u0000b\u200bc\ufeffd\u00ade\u2028f\tg",
        "special": "[CLS] [SEP][MASK] ##ing [sep] [UNK", "long": "a" * 120 + " " + "xy" * 60,
    }
    for name, text in samples.items():
        for settings, limit in ((0, 128), (3, 16), (6, 64)):
            write("tokenizer", f"{name}-{settings}", bytes([settings, limit]) + text.encode())
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    write("vocabulary", "small", "\n".join(special + ["the", "little", "##s", "e", "##ngine", "!"]) + "\n")
    write("vocabulary", "crlf", "\r\n".join(special + ["a", "é", "##é"]))
    write("vocabulary", "no-special", "a\nb\n")


def manifests() -> None:
    model = {
        "name": "m0", "file": "m0.pt", "family": "bert-tiny", "precision": "fp32", "vocabulary": 100, "maxTokens": 16,
        "inputs": ["input_ids", "attention_mask"], "fileBytes": 1000}
    manifest = {"kind": "repository", "schemaVersion": 1, "lowercases": True, "seed": 1, "vocabularyFile": "vocab.txt"}
    write("manifest", "two", json.dumps({**manifest, "models": [model, {**model, "name": "m1", "file": "a/m1.pt"}]}))
    write("manifest", "outside", json.dumps({**manifest, "models": [{**model, "file": "../m0.pt"}]}))
    write("manifest", "empty", json.dumps({**manifest, "models": []}))


def logs() -> None:
    write("accesslog", "csv", 'seconds,model,size\n0,a,3\n0.5,"b,c",40\n7,a,9\n')
    write(
        "accesslog", "common",
        '1.2.3.4 - - [27/Nov/2026:10:00:00 +0000] "POST /v2/models/m/infer HTTP/1.1" 200 99 "-" "curl"\n'
        '::1 - u [27/Nov/2026:10:00:09 -0130] "GET /predictions/m%20x?seq_0=a HTTP/2.0" 503 9 "-" "a \\"b\\""\n')
    write(
        "accesslog", "envoy",
        '[2016-04-15T20:17:00.310Z] "POST /v1/models/m:predict HTTP/2" 204 - 154 0 226 100 "-" "-"\n'
        '[2016-04-15T22:18:00+02:00] "POST /predictions/n HTTP/2" 0 DC 1\n')


def workloads() -> None:
    write("workload", "flat", "name: w\nfamily: minilm\nmodels: 60\ntokens: 16\nratePerModelPerSecond: 0.9\n")
    write(
        "workload", "groups",
        "name: w\ntargetP99: 10ms\ngroups:\n"
        "  - {name: g, architecture: x, models: 3, size: 40, rate: {perModel: 0.5}}\n"
        "  - {architecture: y, rate: {total: 9, popularity: {file: shares.csv}}, size: {histogram: sizes.csv}, "
        "replicas: 2}\n"
        "  - {name: h, architecture: z, names: [c, d], rate: {total: 9, popularity: {zipf: 1.1}}, input: tensors}\n")
    write(
        "workload", "trace",
        "groups:\n  - name: g\n    architecture: x\n    models: 2\n"
        "    size: {distribution: lognormal, mean: 40, cv: 0.8, max: 128}\n"
        "    arrivals: {process: trace, file: trace.csv}\n    precisions: [fp32]\n    targetP99: 1s\n")


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(20, 8)
        self.inner = torch.nn.Linear(8, 8)
        self.norm = torch.nn.LayerNorm(8)
        self.head = torch.nn.Linear(8, 2)

    def forward(self, input_ids, attention_mask):
        x = self.norm(self.inner(self.embedding(input_ids))) * attention_mask.unsqueeze(-1)
        return self.head(x).split(1, dim=-1)


def models() -> None:
    torch.manual_seed(5)
    example = (torch.tensor([[1, 2, 3]]), torch.ones(1, 3, dtype=torch.long))
    small = Small().eval()
    quantized = torch.quantization.quantize_dynamic(small, {torch.nn.Linear}, dtype=torch.qint8)
    folder = corpus / "models"
    folder.mkdir(parents=True, exist_ok=True)
    for name, model in {"fp32": small, "int8": quantized}.items():
        torch.jit.trace(model, example).save(str(folder / name))
    torch.jit.script(Small().bfloat16().eval()).save(str(folder / "bf16-scripted"))


if __name__ == "__main__":
    http()
    json_bodies()
    tensors()
    texts()
    manifests()
    logs()
    workloads()
    models()
