"""Every call of tritonclient's HTTP client against a running server. Usage: triton_http.py PORT

The server serves model0, model1 and model2 (token ids, vocabulary of 300, fp32) and allows management.
"""

import gzip
import json
import sys
import zlib

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

port = int(sys.argv[1])
client = triton.InferenceServerClient(f"127.0.0.1:{port}")
ids = np.array([[2, 17, 256, 3], [2, 9, 41, 3]], dtype=np.int64)


def inputs(values=ids, binary=True, mask=False):
    made = [triton.InferInput("input_ids", list(values.shape), "INT64")]
    made[0].set_data_from_numpy(values, binary_data=binary)
    if mask:
        ones = np.ones(values.shape, dtype=np.int32)
        made.append(triton.InferInput("attention_mask", list(values.shape), "INT32"))
        made[1].set_data_from_numpy(ones, binary_data=not binary)
    return made


def fails(status, *parts):
    """The call in the `with` fails with that status, and says those words."""

    class Expected:
        def __enter__(self):
            return self

        def __exit__(self, kind, error, trace):
            assert kind is InferenceServerException, f"expected {status}, got {kind} {error}"
            assert error.status() == str(status), f"expected {status}, got {error.status()}: {error.message()}"
            for part in parts:
                assert part in error.message(), f"'{part}' is not in: {error.message()}"
            return True

    return Expected()


# Health and metadata.
assert client.is_server_live() and client.is_server_ready()
assert client.is_model_ready("model1") and client.is_model_ready("model1", "1")
assert not client.is_model_ready("nothing") and not client.is_model_ready("model1", "7")
server = client.get_server_metadata()
assert server["name"] == "model-server" and server["version"]
assert set(server["extensions"]) >= {
    "binary_tensor_data", "model_repository", "model_configuration", "statistics", "schedule_policy", "parameters"}
for version in ("", "1"):
    model = client.get_model_metadata("model1", version)
    assert model["name"] == "model1" and model["versions"] == ["1"] and model["platform"] == "pytorch_libtorch"
    assert {t["name"] for t in model["inputs"]} >= {"input_ids"}
    assert all(t["datatype"] == "INT64" and t["shape"] == [-1, -1] for t in model["inputs"])
    assert [t["name"] for t in model["outputs"]] == ["start_logits", "end_logits"]
    assert all(t["datatype"] == "FP32" and t["shape"] == [-1, -1] for t in model["outputs"])
    config = client.get_model_config("model1", version)
    assert config["name"] == "model1" and config["max_batch_size"] >= 0
    assert {i["name"]: i["data_type"] for i in config["input"]}["input_ids"] == "TYPE_INT64"
with fails(404, "nothing"):
    client.get_model_metadata("nothing")
with fails(404, "version"):
    client.get_model_metadata("model1", "7")

# Inference: every mix of JSON and binary gives the same numbers.
reference = client.infer("model1", inputs())
start = reference.as_numpy("start_logits")
assert start.shape == (2, 4) and start.dtype == np.float32 and np.isfinite(start).all()
assert not np.array_equal(start, reference.as_numpy("end_logits"))
for binary_in in (True, False):
    for binary_out in (True, False):
        outputs = [triton.InferRequestedOutput(n, binary_data=binary_out) for n in ("end_logits", "start_logits")]
        answer = client.infer(
            "model1", inputs(binary=binary_in, mask=True), outputs=outputs, request_id="a-1", model_version="1")
        response = answer.get_response()
        assert response["id"] == "a-1" and response["model_name"] == "model1" and response["model_version"] == "1"
        assert [o["name"] for o in response["outputs"]] == ["end_logits", "start_logits"]
        assert np.array_equal(answer.as_numpy("start_logits"), start), (binary_in, binary_out)
# One output of two, in the other form than the rest.
outputs = [triton.InferRequestedOutput("start_logits", binary_data=False), triton.InferRequestedOutput("end_logits")]
answer = client.infer("model1", inputs(), outputs=outputs)
assert np.array_equal(answer.as_numpy("start_logits"), start)
only = client.infer("model1", inputs(), outputs=[triton.InferRequestedOutput("end_logits")])
assert only.as_numpy("start_logits") is None and only.as_numpy("end_logits") is not None
# Another model answers otherwise, and integers of any width will do.
assert not np.array_equal(client.infer("model2", inputs()).as_numpy("start_logits"), start)
for kind in ("INT32", "INT16", "UINT16", "UINT32", "UINT64"):
    tensor = triton.InferInput("input_ids", [2, 4], kind)
    tensor.set_data_from_numpy(ids.astype(kind.lower()))
    assert np.array_equal(client.infer("model1", [tensor]).as_numpy("start_logits"), start), kind
# Without waiting for the answer.
pending = [client.async_infer("model1", inputs()) for _ in range(3)]
assert all(np.array_equal(p.get_result().as_numpy("start_logits"), start) for p in pending)

# Compressed bodies; an answer only if it is long.
many = np.tile(ids, (64, 1))
for algorithm in ("gzip", "deflate"):
    for values in (ids, many):
        plain = client.infer("model1", inputs(values))
        answer = client.infer(
            "model1", inputs(values), request_compression_algorithm=algorithm, response_compression_algorithm=algorithm)
        for name in ("start_logits", "end_logits"):
            assert np.array_equal(answer.as_numpy(name), plain.as_numpy(name)), algorithm

# Parameters: sequences, priority, a timeout in microseconds, one's own, and timings on request.
answer = client.infer(
    "model1", inputs(), sequence_id=7, sequence_start=True, sequence_end=True, priority=1, timeout=10_000_000,
    parameters={"mine": "x", "timings": True})
times = answer.get_response()["parameters"]
parts = ("parse", "queue", "batch_wait", "compute", "resume", "render")
total = sum(times[f"{part}_seconds"] for part in parts)
assert abs(total - times["total_seconds"]) <= 0.02 * times["total_seconds"], times
assert times["batch_size"] >= 1 and times["variant"] == "fp32" and times["compute_seconds"] > 0
assert "parameters" not in client.infer("model1", inputs()).get_response()

# What is wrong is said.
with fails(404, "nothing"):
    client.infer("nothing", inputs())
with fails(400, "no_such"):
    client.infer("model1", inputs(), outputs=[triton.InferRequestedOutput("no_such")])
with fails(400, "input_ids", "outside"):
    client.infer("model1", inputs(np.array([[300]], dtype=np.int64)))
with fails(400, "input_ids", "outside"):
    client.infer("model1", inputs(np.array([[-1]], dtype=np.int64), binary=False))
with fails(400, "tokens"):
    client.infer("model1", inputs(np.zeros((1, 5000), dtype=np.int64)))
with fails(400, "not an input"):
    client.infer("model1", [triton.InferInput("x", [1], "INT64").set_data_from_numpy(np.array([1]))])
with fails(400, "FP32"):
    client.infer(
        "model1", [triton.InferInput("input_ids", [1, 1], "FP32").set_data_from_numpy(np.ones((1, 1), np.float32))])
with fails(400, "BYTES"):
    text = triton.InferInput("input_ids", [1, 1], "BYTES")
    text.set_data_from_numpy(np.array([["a"]], dtype=object))
    client.infer("model1", [text])
with fails(400, "classification"):
    client.infer("model1", inputs(), outputs=[triton.InferRequestedOutput("start_logits", class_count=2)])

# Statistics add up.
before = client.get_inference_statistics("model0")["model_stats"]
assert len(before) == 1 and before[0]["inference_count"] == 0 and before[0]["last_inference"] == 0
for _ in range(3):
    client.infer("model0", inputs())
try:
    client.infer("model0", inputs(np.array([[300]], dtype=np.int64)))
except InferenceServerException:
    pass
after = client.get_inference_statistics("model0", "1")["model_stats"][0]
assert after["name"] == "model0" and after["version"] == "1" and after["last_inference"] > 1_600_000_000_000
assert after["inference_count"] == 6 and after["execution_count"] == 3, after
stats = after["inference_stats"]
assert stats["success"]["count"] == 3 and stats["fail"]["count"] == 1
for part in ("queue", "compute_input", "compute_infer", "compute_output"):
    assert stats[part]["count"] == 3
inside = sum(stats[part]["ns"] for part in ("queue", "compute_input", "compute_infer", "compute_output"))
assert 0 < inside <= stats["success"]["ns"]
assert after["batch_stats"] == [dict(after["batch_stats"][0], batch_size=2)]
assert after["batch_stats"][0]["compute_infer"]["count"] == 3
everything = client.get_inference_statistics()["model_stats"]
assert [m["name"] for m in everything] == ["model0", "model1", "model2"]
with fails(404, "nothing"):
    client.get_inference_statistics("nothing")

# The repository. (Loading and unloading themselves are tested where models come and go.)
index = client.get_model_repository_index()
assert [m["name"] for m in index] == ["model0", "model1", "model2"]
assert all(m["state"] == "READY" and m["version"] == "1" and m["reason"] == "" for m in index)
client.load_model("model1")
client.load_model("model1", config=json.dumps({"name": "model1"}))
assert client.is_model_ready("model1")
with fails(404, "nothing"):
    client.load_model("nothing")
with fails(404, "nothing"):
    client.unload_model("nothing")
with fails(400, "file"):
    client.load_model("model1", config="{}", files={"file:1/model.pt": b"x"})

# Bodies made by hand: the client's own encodings, and damaged ones.
body, length = triton.InferenceServerClient.generate_request_body(inputs())
path = "/v2/models/model1/infer"
head = {"Inference-Header-Content-Length": str(length)}


def send(content, headers, to=path):
    return client._client_stub.post(to, headers={**headers, "Content-Length": str(len(content))}, body=content)


def post(content, headers):
    answer = send(content, headers)
    return answer.status_code, bytes(answer.read())


assert post(body, head)[0] == 200
assert post(gzip.compress(body), {**head, "Content-Encoding": "gzip"})[0] == 200
assert post(zlib.compress(body), {**head, "Content-Encoding": "deflate"})[0] == 200
assert post(body, {**head, "Content-Encoding": "gzip"})[0] == 400
assert post(gzip.compress(body)[:-9], {**head, "Content-Encoding": "gzip"})[0] == 400
assert post(gzip.compress(bytes(64 << 20)), {**head, "Content-Encoding": "gzip"})[0] == 413
assert post(body, {**head, "Content-Encoding": "br"})[0] == 415
assert post(body, {})[0] == 400
for length in ("-1", "x", "99999999", "99999999999999999999"):
    assert post(body, {"Inference-Header-Content-Length": length})[0] == 400, length
assert post(body + b"\0", head)[0] == 400
assert post(body[:-1], head)[0] == 400

# What the client takes decides how an answer is compressed.
long, length = triton.InferenceServerClient.generate_request_body(inputs(many))
long_head = {"Inference-Header-Content-Length": str(length)}
for accepted, coding in [
    ("gzip", "gzip"), ("deflate", "deflate"), ("br, GZIP;q=0.5", "gzip"), ("gzip;q=0.1, deflate", "deflate"),
    ("gzip;q=0", None), ("br", None), ("", None), (";;q=,=", None), ("gzip;q=x", None)]:
    answer = send(long, {**long_head, "Accept-Encoding": accepted})
    assert answer.status_code == 200 and answer.get("Content-Encoding") == coding, (accepted, answer.headers)
    content = bytes(answer.read())
    if coding:
        assert len(content) == int(answer.get("Content-Length")) and answer.get("Vary") == "Accept-Encoding"
        content = zlib.decompress(content, 47)
    json_length = int(answer.get("Inference-Header-Content-Length"))
    assert json.loads(content[:json_length])["model_name"] == "model1"
assert send(body, {**head, "Accept-Encoding": "gzip"}).get("Content-Encoding") is None

# Nothing but the bytes of the one tensor that must be there: a row of them, answered in bytes.
raw = {"Inference-Header-Content-Length": "0", "Content-Type": "application/octet-stream"}
answer = send(ids[:1].tobytes(), raw)
content = bytes(answer.read())
json_length = int(answer.get("Inference-Header-Content-Length"))
outputs = json.loads(content[:json_length])["outputs"]
assert [(o["name"], o["shape"]) for o in outputs] == [("start_logits", [1, 4]), ("end_logits", [1, 4])], outputs
numbers = np.frombuffer(content[json_length:], np.float32)
assert np.allclose(numbers[:4], start[0], atol=1e-5) and len(numbers) == 8
for wrong in (ids.tobytes()[:-1], b"", np.array([300]).tobytes(), bytes(8 * 5000)):
    assert post(wrong, raw)[0] == 400, wrong
print("ok")
