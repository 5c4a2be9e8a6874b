"""Unmodified tritonclient against a server: `grpc_client.py PORT HTTP_PORT CASE...`, where a case is a function below.

Ends with a traceback, and not with 0, at the first thing that is not as it should be.
"""
import asyncio
import json
import queue
import sys
import threading
import time
import urllib.request

import grpc
import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

IDS = np.array([[2, 17, 256, 3]], dtype=np.int64)
PORT, HTTP_PORT = sys.argv[1], sys.argv[2]
OPTIONS = {}


def client():
    return triton.InferenceServerClient(f"localhost:{PORT}", **OPTIONS)


def stub():
    return service_pb2_grpc.GRPCInferenceServiceStub(grpc.insecure_channel(f"localhost:{PORT}"))


def tensor(ids=IDS, name="input_ids", datatype="INT64"):
    result = triton.InferInput(name, list(ids.shape), datatype)
    result.set_data_from_numpy(ids)
    return result


def typed(model="model0", name="input_ids", datatype="INT64", shape=(1, 4), **contents):
    request = service_pb2.ModelInferRequest(model_name=model, id="typed")
    request.inputs.append(service_pb2.ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=shape))
    for field, values in contents.items():
        getattr(request.inputs[0].contents, field).extend(values)
    return request


def over_http(model="model0", ids=IDS):
    body = {"inputs": [{"name": "input_ids", "datatype": "INT64", "shape": list(ids.shape), "data": ids.tolist()}]}
    request = urllib.request.Request(
        f"http://localhost:{HTTP_PORT}/v2/models/{model}/infer", json.dumps(body).encode(),
        {"Content-Type": "application/json"})
    answer = json.load(urllib.request.urlopen(request))
    return {output["name"]: np.array(output["data"]).reshape(output["shape"]) for output in answer["outputs"]}


def same(result, expected):
    for name, values in expected.items():
        found = result.as_numpy(name)
        assert found.dtype == np.float32 and found.shape == values.shape, (name, found.dtype, found.shape)
        assert np.allclose(found, values, atol=1e-5), (name, found, values)


def refused(code, call, *arguments, **options):
    try:
        call(*arguments, **options)
    except InferenceServerException as error:
        assert error.status() == f"StatusCode.{code}", (code, error.status(), error.message())
        return error.message()
    except grpc.RpcError as error:
        assert error.code().name == code, (code, error.code(), error.details())
        return error.details()
    raise AssertionError(f"not refused: {code} {arguments} {options}")


def health():
    with client() as c:
        assert c.is_server_live() and c.is_server_ready()
        assert c.is_model_ready("model2") and c.is_model_ready("model2", "1")
        assert not c.is_model_ready("none") and not c.is_model_ready("model2", "7")
    # gRPC's own health service, as probes call it: field 1 of the answer is the state, and 1 is SERVING.
    channel = grpc.insecure_channel(f"localhost:{PORT}")
    check = channel.unary_unary("/grpc.health.v1.Health/Check")
    assert check(b"") == b"\x08\x01"
    name = b"inference.GRPCInferenceService"
    assert check(b"\x0a" + bytes([len(name)]) + name) == b"\x08\x01"
    refused("NOT_FOUND", check, b"\x0a\x01x")
    watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"")
    assert next(watch) == b"\x08\x01"
    watch.cancel()


def descriptions():
    with client() as c:
        server = c.get_server_metadata(as_json=True)
        assert server["name"] == "model-server" and server["version"], server
        assert {"model_repository", "statistics", "model_configuration"} <= set(server["extensions"]), server
        model = c.get_model_metadata("model1")
        assert (model.name, list(model.versions)) == ("model1", ["1"]), model
        inputs = {item.name: (item.datatype, list(item.shape)) for item in model.inputs}
        assert inputs["input_ids"] == ("INT64", [-1, -1]), inputs
        assert {item.name: item.datatype for item in model.outputs} == {
            "start_logits": "FP32", "end_logits": "FP32"}, model
        config = c.get_model_config("model1").config
        assert config.name == "model1" and config.backend == "pytorch", config
        assert "input_ids" in [item.name for item in config.input] and config.instance_group[0].count >= 1, config
        assert refused("NOT_FOUND", c.get_model_metadata, "none") == "there is no model 'none'"
        refused("NOT_FOUND", c.get_model_metadata, "model1", "2")
        refused("NOT_FOUND", c.get_model_config, "none")
        refused("NOT_FOUND", c.get_inference_statistics, "none")


def infer():
    expected = over_http()
    with client() as c:
        result = c.infer("model0", [tensor()], request_id="a1", model_version="1")
        same(result, expected)
        response = result.get_response()
        assert (response.model_name, response.model_version, response.id) == ("model0", "1", "a1"), response
        chosen = c.infer("model0", [tensor()], outputs=[triton.InferRequestedOutput("end_logits")])
        assert [output.name for output in chosen.get_response().outputs] == ["end_logits"]
        same(chosen, {"end_logits": expected["end_logits"]})
        # Every input named, another integer type, a batch, an answer for each row.
        pair = np.concatenate([IDS, IDS]).astype(np.int32)
        both = c.infer("model0", [
            tensor(pair, datatype="INT32"), tensor(np.ones_like(pair), "attention_mask", "INT32"),
            tensor(np.zeros_like(pair), "token_type_ids", "INT32")])
        same(both, {name: np.concatenate([values, values]) for name, values in expected.items()})
        for algorithm in ["gzip", "deflate"]:
            same(c.infer("model0", [tensor()], compression_algorithm=algorithm), expected)
        assert not np.allclose(c.infer("model1", [tensor()]).as_numpy("end_logits"), expected["end_logits"])


def typed_contents():
    expected, s = over_http(), stub()
    for datatype, field in [("INT64", "int64_contents"), ("INT32", "int_contents"), ("INT16", "int_contents"),
                            ("UINT64", "uint64_contents"), ("UINT32", "uint_contents"), ("UINT16", "uint_contents")]:
        result = triton.InferResult(s.ModelInfer(typed(datatype=datatype, **{field: IDS.ravel()})))
        same(result, expected)
        assert result.get_response().id == "typed"


def parameters():
    with client() as c:
        result = c.infer("model0", [tensor()], priority=1, timeout=30_000_000, parameters={"timings": True})
        found = {key: value for key, value in result.get_response().parameters.items()}
        parts = [value.int64_param for key, value in found.items() if key.endswith("_ns") and key != "total_ns"]
        total = found["total_ns"].int64_param
        assert total > 0 and found["compute_ns"].int64_param > 0, found
        assert abs(sum(parts) - total) <= 0.02 * total, found
        assert found["batch_size"].int64_param == 1 and found["variant"].string_param == "fp32", found
        assert "total_ns" not in c.infer("model0", [tensor()]).get_response().parameters
        message = refused("INVALID_ARGUMENT", c.infer, "model0", [tensor()], timeout=-1)
        assert "timeout" in message, message
    # The same, as metadata of every answer.
    call = stub().ModelInfer.with_call(typed(int64_contents=IDS.ravel()))[1]
    assert "compute=" in dict(call.initial_metadata())["x-planner-timings"]


def asynchronous():
    expected, results = over_http(), queue.Queue()
    with client() as c:
        for _ in range(50):
            c.async_infer("model0", [tensor()], callback=lambda result, error: results.put((result, error)))
        for _ in range(50):
            result, error = results.get(timeout=30)
            assert error is None, error
            same(result, expected)

    async def gather():
        async with triton_aio.InferenceServerClient(f"localhost:{PORT}") as c:
            for result in await asyncio.gather(*(c.infer("model0", [tensor()]) for _ in range(20))):
                same(result, expected)

    asyncio.run(gather())


def stream():
    expected = [over_http(f"model{index}") for index in range(3)]
    results = queue.Queue()
    with client() as c:
        c.start_stream(callback=lambda result, error: results.put((result, error)))
        # One at a time: an answer does not wait for the next request.
        c.async_stream_infer("model0", [tensor()], request_id="first")
        result, error = results.get(timeout=30)
        assert error is None and result.get_response().id == "first", error
        for index in range(200):
            model = "none" if index % 50 == 49 else f"model{index % 3}"
            c.async_stream_infer(model, [tensor()], request_id=str(index), enable_empty_final_response=True)
        for index in range(200):
            result, error = results.get(timeout=30)
            if index % 50 == 49:
                assert error is not None and "there is no model 'none'" in error.message(), error
                continue
            assert error is None, error
            response = result.get_response()
            assert response.id == str(index) and response.model_name == f"model{index % 3}", (index, response)
            assert response.parameters["triton_final_response"].bool_param
            same(result, expected[index % 3])
        c.stop_stream()
    assert results.empty()


def statistics():
    with client() as c:
        before = c.get_inference_statistics("model2").model_stats[0]
        for _ in range(5):
            c.infer("model2", [tensor()])
        refused("INVALID_ARGUMENT", c.infer, "model2", [tensor(datatype="INT64", name="x")])
        after = c.get_inference_statistics("model2", "1").model_stats[0]
        assert after.name == "model2" and after.inference_count == before.inference_count + 5, after
        assert after.inference_stats.success.count == before.inference_stats.success.count + 5, after
        assert after.inference_stats.fail.count == before.inference_stats.fail.count + 1, after
        assert after.inference_stats.compute_infer.ns > before.inference_stats.compute_infer.ns, after
        assert after.last_inference > 1_600_000_000_000 and after.execution_count > 0, after
        assert sum(batch.compute_infer.count for batch in after.batch_stats) == after.execution_count, after
        responses = after.response_stats["0"]
        assert responses.success.count == after.inference_stats.success.count, after
        assert responses.fail.count == after.inference_stats.fail.count and responses.cancel.count == 0, after
        assert len(c.get_inference_statistics().model_stats) == 3


def repository():
    with client() as c:
        states = {model.name: model.state for model in c.get_model_repository_index().models}
        assert states == {f"model{index}": "READY" for index in range(3)}, states
        c.unload_model("model1")
        assert not c.is_model_ready("model1")
        states = {model.name: (model.state, model.reason) for model in c.get_model_repository_index().models}
        assert states["model1"][0] == "UNAVAILABLE" and states["model0"][0] == "READY", states
        refused("UNAVAILABLE", c.infer, "model1", [tensor()])
        c.load_model("model1")
        assert c.is_model_ready("model1")
        same(c.infer("model1", [tensor()]), over_http("model1"))
        refused("NOT_FOUND", c.load_model, "none")
        refused("NOT_FOUND", c.unload_model, "../model1")
        refused("INVALID_ARGUMENT", c.load_model, "model1", config="{}", files={"file:1/model.pt": b"x"})


def management_off():
    with client() as c:
        assert "--allow-management" in refused("PERMISSION_DENIED", c.load_model, "model1")
        refused("PERMISSION_DENIED", c.unload_model, "model1")
        assert c.is_model_ready("model1") and len(c.get_model_repository_index().models) == 3


def errors():
    s = stub()
    ids = [2, 17, 256, 3]

    def bad(part, request):
        message = refused("INVALID_ARGUMENT", s.ModelInfer, request)
        assert part in message and "\n" not in message and len(message) < 600, (part, message)

    bad("inputs", service_pb2.ModelInferRequest(model_name="model0"))
    bad("input_ids", typed(int64_contents=ids[:3]))
    bad("input_ids", typed(int64_contents=ids + ids))
    bad("input_ids", typed(int64_contents=[2, 17, 300, 3]))
    bad("input_ids", typed(int64_contents=[2, 17, -1, 3]))
    bad("input_ids", typed())
    bad("input_ids", typed(shape=(-1, 4), int64_contents=ids))
    bad("input_ids", typed(shape=(2**62, 2**62), int64_contents=ids))
    bad("input_ids", typed(shape=(1,) * 9 + (4,), int64_contents=ids))
    bad("input_ids", typed(shape=(0, 4)))
    bad("datatype", typed(datatype="INT65", int64_contents=ids))
    bad("FP32", typed(datatype="FP32", fp32_contents=[1.5] * 4))
    bad("BYTES", typed(datatype="BYTES", bytes_contents=[b"a"] * 4))
    bad("range of INT8", typed(datatype="INT8", int_contents=ids))
    bad("raw_input_contents only", typed(datatype="FP16", fp32_contents=[1.0] * 4))
    bad("'x'", typed(name="x", int64_contents=ids))
    twice = typed(int64_contents=ids)
    twice.inputs.append(twice.inputs[0])
    bad("twice", twice)
    both = typed(int64_contents=ids)
    both.raw_input_contents.append(IDS.tobytes())
    bad("contents", both)
    crowd = typed(int64_contents=ids)
    crowd.inputs.extend([crowd.inputs[0]] * 64)
    bad("more than 64", crowd)
    many = typed()
    many.raw_input_contents.extend([IDS.tobytes(), IDS.tobytes()])
    bad("raw_input_contents", many)
    short = typed()
    short.raw_input_contents.append(IDS.tobytes()[:-1])
    bad("31 bytes", short)
    for key in ["shared_memory_region"]:
        shared = typed(int64_contents=ids)
        shared.inputs[0].parameters[key].string_param = "x"
        bad(key, shared)
    for key in ["classification", "shared_memory_region"]:
        asked = typed(int64_contents=ids)
        asked.outputs.add(name="start_logits").parameters[key].int64_param = 3
        bad(key, asked)
    unknown = typed(int64_contents=ids)
    unknown.outputs.add(name="logits")
    bad("'logits'", unknown)
    loud = typed(int64_contents=ids)
    loud.parameters["priority"].string_param = "high"
    bad("priority", loud)

    refused("NOT_FOUND", s.ModelInfer, typed(model="none", int64_contents=ids))
    refused("NOT_FOUND", s.ModelInfer, typed(model="../../etc/passwd", int64_contents=ids))
    # Too large as it is sent, and only once it is inflated; within a stream after a good one; and the connection goes on.
    large = typed(int64_contents=[1] * (17 << 20))
    assert "above the limit of 16777216" in refused("RESOURCE_EXHAUSTED", s.ModelInfer, large)
    said = refused("RESOURCE_EXHAUSTED", s.ModelInfer, large, compression=grpc.Compression.Gzip)
    assert "inflates to more than the limit of 16777216" in said, said
    answers = s.ModelStreamInfer(iter([typed(int64_contents=ids), large]))
    assert next(answers).infer_response.id == "typed"
    refused("RESOURCE_EXHAUSTED", next, answers)
    assert s.ModelInfer(typed(int64_contents=ids), compression=grpc.Compression.Gzip).id == "typed"
    with client() as c:
        refused("UNIMPLEMENTED", c.get_log_settings)
        refused("UNIMPLEMENTED", c.get_trace_settings)
        refused("UNIMPLEMENTED", c.get_system_shared_memory_status)
    # Bytes that are no message.
    channel = grpc.insecure_channel(f"localhost:{PORT}")
    infer_bytes = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    for noise in [b"\xff" * 50, b"\x2a\xff\xff\xff\xff\x0f", bytes(range(256))]:
        refused("INVALID_ARGUMENT", infer_bytes, noise)
    with client() as c:
        same(c.infer("model0", [tensor()]), over_http())


def deadlines():
    """The one worker is kept busy with long requests meanwhile."""
    long = np.full((8, 512), 5, dtype=np.int64)
    with client() as c:
        done = queue.Queue()
        # Enough work for the calls below to find the worker busy even where this client is kept waiting.
        for _ in range(24):
            c.async_infer("model0", [tensor(long)], callback=lambda result, error: done.put(error))
        time.sleep(0.05)
        message = refused("DEADLINE_EXCEEDED", c.infer, "model0", [tensor()], timeout=1000)
        assert "deadline" in message, message
        before = c.get_inference_statistics("model1").model_stats[0].inference_count
        refused("DEADLINE_EXCEEDED", c.infer, "model1", [tensor()], client_timeout=0.01)
        for _ in range(24):
            assert done.get(timeout=60) is None
        c.infer("model0", [tensor()])
        # What nobody waits for any longer was not computed.
        assert c.get_inference_statistics("model1").model_stats[0].inference_count == before


def queue_full():
    results = queue.Queue()
    long = np.full((8, 512), 5, dtype=np.int64)
    with client() as c:
        for _ in range(30):
            c.async_infer("model0", [tensor(long)], callback=lambda result, error: results.put(error))
        errors = [results.get(timeout=60) for _ in range(30)]
    codes = {error.status() for error in errors if error is not None}
    assert codes == {"StatusCode.RESOURCE_EXHAUSTED"}, codes
    assert errors.count(None) >= 1


def secured():
    """Arguments: authority, token, and client certificate and key or '-'."""
    authority, token, certificate, key = sys.argv[4:8]
    options = {"ssl": True, "root_certificates": authority}
    if certificate != "-":
        options |= {"certificate_chain": certificate, "private_key": key}
    headers = {"authorization": f"Bearer {token}"}
    with triton.InferenceServerClient(f"localhost:{PORT}", **options) as c:
        assert c.is_server_live() and c.is_server_ready()
        assert c.infer("model0", [tensor()], headers=headers).as_numpy("start_logits").shape == (1, 4)
        assert c.is_model_ready("model0", headers=headers)
        assert len(c.get_model_repository_index(headers=headers).models) == 3
        for wrong in [None, {"authorization": "Bearer " + token[:-1]}, {"authorization": token},
                      {"authorization": f"Bearer {token} "}, {"authorization": f"Basic {token}"}]:
            refused("UNAUTHENTICATED", c.infer, "model0", [tensor()], headers=wrong)
            refused("UNAUTHENTICATED", c.get_model_metadata, "model0", headers=wrong)
        results = queue.Queue()
        # Refused before a request is sent.
        c.start_stream(callback=lambda result, error: results.put((result, error)))
        assert results.get(timeout=30)[1].status() == "StatusCode.UNAUTHENTICATED"
        c.stop_stream()
        c.start_stream(callback=lambda result, error: results.put((result, error)), headers=headers)
        c.async_stream_infer("model0", [tensor()])
        assert results.get(timeout=30)[1] is None
        c.stop_stream()
    if certificate != "-":
        with triton.InferenceServerClient(f"localhost:{PORT}", ssl=True, root_certificates=authority) as c:
            refused("UNAVAILABLE", c.is_server_live)
    # Neither plain text nor another authority.
    with triton.InferenceServerClient(f"localhost:{PORT}") as c:
        refused("UNAVAILABLE", c.is_server_live)
    with triton.InferenceServerClient(f"localhost:{PORT}", ssl=True) as c:
        refused("UNAVAILABLE", c.is_server_live)


def drained():
    """Prints a line once requests are under way; the server is then told to stop. All of them are answered."""
    long = np.full((8, 512), 5, dtype=np.int64)
    results = queue.Queue()
    with client() as c:
        # A stream that the client leaves open, and a watch, must not keep the server from ending.
        c.start_stream(callback=lambda result, error: results.put((result, error)))
        for _ in range(3):
            c.async_stream_infer("model0", [tensor(long)])
        states = []
        watch = grpc.insecure_channel(f"localhost:{PORT}").unary_stream("/grpc.health.v1.Health/Watch")(b"")
        watcher = threading.Thread(target=lambda: states.extend(watch))
        watcher.start()
        assert results.get(timeout=30)[1] is None
        print("under way", flush=True)
        for _ in range(2):
            result, error = results.get(timeout=30)
            assert error is None, error
        result, error = results.get(timeout=30)
        assert result is None and error.status() == "StatusCode.UNAVAILABLE", error
        watcher.join()
        assert states == [b"\x08\x01", b"\x08\x02"], states


def interfaces():
    """Models of `InterfaceTests`, which are no BERT: names, defaults and numbers."""
    x = tensor(np.array([[0, -1]], dtype=np.float32), "x", "FP32")
    with client() as c:
        described = [(o.name, o.datatype, list(o.shape)) for o in c.get_model_metadata("named").outputs]
        assert described == [("logits", "FP32", [-1, -1]), ("loss", "FP64", [1])], described
        config = c.get_model_config("optional").config
        assert [(i.name, i.optional) for i in config.input] == [("x", False), ("bias", True)], config
        assert c.get_model_config("rows").config.max_batch_size == 0
        assert c.get_model_config("dict").config.max_batch_size == 4
        result = c.infer("dict", [x], outputs=[triton.InferRequestedOutput("hidden")])
        assert result.as_numpy("hidden").tolist() == [[1, 0]] and result.as_numpy("scores") is None
        assert c.infer("float", [x]).as_numpy("output_0").tolist() == [-1]
        assert c.infer("optional", [x]).as_numpy("output_0").tolist() == [[0, -1]]
        bias = tensor(np.array([10, 20], dtype=np.float32), "bias", "FP32")
        assert c.infer("optional", [x, bias]).as_numpy("output_0").tolist() == [[10, 19]]
        k = tensor(np.array([5], dtype=np.int64), "k", "INT64")
        assert c.infer("number", [x]).as_numpy("output_0").tolist() == [[0, -2]]
        assert c.infer("number", [x, k]).as_numpy("output_0").tolist() == [[0, -5]]


for case in sys.argv[3].split(","):
    globals()[case]()
    print(case, "passed", flush=True)
