"""Times forward passes of a peer in a process of its own and prints one line of JSON.

Usage: forward.py onnxruntime|openvino MODEL.onnx --tokens N --threads N --seconds S [--precision P]"""
import argparse
import json
import time

import numpy


def onnxruntime_pass(arguments):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(arguments.model, options, providers=["CPUExecutionProvider"])
    return onnxruntime.__version__, lambda inputs: session.run(None, inputs)


def openvino_pass(arguments):
    import openvino

    hints = {
        "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": arguments.threads, "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": arguments.precision}
    request = openvino.Core().compile_model(arguments.model, "CPU", hints).create_infer_request()
    return openvino.__version__.split("-")[0], lambda inputs: list(request.infer(inputs).values())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=["onnxruntime", "openvino"])
    parser.add_argument("model")
    parser.add_argument("--tokens", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--precision", default="f32")
    arguments = parser.parse_args()
    version, run = (onnxruntime_pass if arguments.peer == "onnxruntime" else openvino_pass)(arguments)
    ids = numpy.random.default_rng(1).integers(1000, 2000, (1, arguments.tokens), dtype=numpy.int64)
    inputs = {"input_ids": ids, "attention_mask": numpy.ones_like(ids)}
    for _ in range(5):
        run(inputs)
    samples = []
    end = time.monotonic() + arguments.seconds
    while len(samples) < 10 or time.monotonic() < end:
        began = time.perf_counter()
        run(inputs)
        samples.append(time.perf_counter() - began)
    print(json.dumps({"version": version, "median": float(numpy.median(samples)), "passes": len(samples)}))


if __name__ == "__main__":
    main()
