"""A client of gRPC by command: `gone_grpc_client.py PORT`, then a line each; every command is answered with a line.

infer NAME NUMBER [SECONDS]   a call with that number, and a deadline
stream NAME NUMBER...         a stream of several, left open
cancel NAME                   of either
outcome NAME                  its status, or what was answered
"""
import queue
import sys

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

channel = grpc.insecure_channel(f"127.0.0.1:{sys.argv[1]}")
stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
calls = {}


def request(number):
    message = service_pb2.ModelInferRequest(model_name="slow", id=str(number))
    tensor = message.inputs.add(name="n", datatype="INT64", shape=[1])
    tensor.contents.int64_contents.append(int(number))
    return message


def numbers(response):
    return int.from_bytes(response.raw_output_contents[0], "little", signed=True)


def outcome(call):
    try:
        if isinstance(call, tuple):
            return str([numbers(answer.infer_response) for answer in call[0]])
        return str(numbers(call.result()))
    except grpc.RpcError:
        return (call[0] if isinstance(call, tuple) else call).code().name
    except grpc.FutureCancelledError:
        return "CANCELLED"


for line in sys.stdin:
    verb, name, *rest = line.split()
    answer = "done"
    if verb == "infer":
        timeout = float(rest[1]) if len(rest) > 1 else None
        calls[name] = stub.ModelInfer.future(request(rest[0]), timeout=timeout)
    elif verb == "stream":
        requests = queue.Queue()
        for number in rest:
            requests.put(request(number))
        calls[name] = (stub.ModelStreamInfer(iter(requests.get, None)), requests)
    elif verb == "cancel":
        call = calls[name]
        (call[0] if isinstance(call, tuple) else call).cancel()
    elif verb == "end":
        calls[name][1].put(None)
    elif verb == "outcome":
        answer = outcome(calls[name])
    print(answer, flush=True)
