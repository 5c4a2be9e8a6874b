"""A client of gRPC by command: `gone_grpc_client.py PORT`, then a line each; every command is answered with a line.

infer NAME NUMBER [SECONDS]   a call with that number, and a deadline
claim NAME NUMBER             the same, with the number of a stream in its metadata, as only the server may put it there
stream NAME NUMBER...         a stream of several, left open
cancel NAME                   of either
outcome NAME                  its status, or what was answered
hasty calls COUNT             so many calls, each cancelled at once, on a connection of their own
hasty streams COUNT           so many streams, each cancelled as soon as its request is sent, likewise
hasty resets COUNT            so many calls in one piece with their resets, which the server has read when it answers
"""
import queue
import socket
import struct
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


def hasty_calls(count, stub):
    for number in range(count):
        stub.ModelInfer.future(request(number)).cancel()


def hasty_streams(count, stub):
    for number in range(count):
        made = queue.Queue()

        def requests():
            yield request(number)
            # The next is asked for when the first is sent.
            made.get().cancel()

        call = stub.ModelStreamInfer(requests())
        made.put(call)
        try:
            list(call)
        except grpc.RpcError:
            pass


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def hasty_resets(count):
    fields = {":method": "POST", ":scheme": "http", ":path": "/inference.GRPCInferenceService/ModelInfer",
              ":authority": "x", "te": "trailers", "content-type": "application/grpc"}
    # Literal, and not indexed.
    headers = b"".join(b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
                       for name, value in fields.items())
    sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0)
    for number in range(count):
        message = request(number).SerializeToString()
        stream = 2 * number + 1
        sent += frame(1, 4, stream, headers)
        sent += frame(0, 1, stream, b"\0" + struct.pack(">I", len(message)) + message)
        sent += frame(3, 0, stream, struct.pack(">I", 8))
    connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    connection.sendall(sent + frame(6, 0, 0, b"all read"))
    received = b""
    while frame(6, 1, 0, b"all read") not in received:
        part = connection.recv(65536)
        if not part:
            return "closed"
        received += part
    # It stays open: the resets alone tell the server.
    calls["resets"] = connection
    return "done"


def hasty(kind, count):
    if kind == "resets":
        return hasty_resets(count)
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{sys.argv[1]}", options) as own:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(own)
        grpc.channel_ready_future(own).result()
        (hasty_calls if kind == "calls" else hasty_streams)(count, stub)
    return "done"


for line in sys.stdin:
    verb, name, *rest = line.split()
    answer = "done"
    if verb == "infer":
        timeout = float(rest[1]) if len(rest) > 1 else None
        calls[name] = stub.ModelInfer.future(request(rest[0]), timeout=timeout)
    elif verb == "claim":
        claimed = [("planner-stream-number", "999999")]
        calls[name] = stub.ModelInfer.future(request(rest[0]), metadata=claimed)
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
    elif verb == "hasty":
        answer = hasty(name, int(rest[0]))
    elif verb == "outcome":
        answer = outcome(calls[name])
    print(answer, flush=True)
