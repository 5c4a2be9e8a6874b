"""The rows of the table: what is measured, against whom, and the goal."""
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import models
import servers
import settings


@dataclasses.dataclass
class Goal:
    """A figure of one case and round, from our record and the other side's; met where its median is."""
    name: str
    of: Callable[[dict, dict], float]
    limit: float | None
    at_least: bool = True
    # Only cases of so many tokens; None: all.
    tokens: int | None = None


@dataclasses.dataclass
class Row:
    name: str
    title: str
    records: Callable[[settings.Size], Iterator[dict]]
    goals: list[Goal]
    # Its figures are of our side only.
    is_alone: bool = False


def throughput(mine: dict, other: dict) -> float:
    return mine["requestsPerSecond"] / other["requestsPerSecond"]


def tail(mine: dict, other: dict) -> float:
    return mine["p99"] / other["p99"]


def resident(mine: dict, other: dict) -> float:
    return mine["residentBytes"] / other["residentBytes"]


def speed(mine: dict, other: dict) -> float:
    return other["median"] / mine["median"]


def time_taken(mine: dict, other: dict) -> float:
    return mine["median"] / other["median"]


# Serving


def text_path(tokens: int | None) -> str:
    """A question and a context of exactly `tokens` word pieces, in which every word is one letter; or none at all."""
    if tokens is None:
        return "/predictions/model0"
    letters = [chr(ord("a") + index * 7 % 26) for index in range(tokens - 3)]
    question = max(1, len(letters) // 4)
    return f"/predictions/model0?seq_0={'%20'.join(letters[:question])}&seq_1={'%20'.join(letters[question:])}"


def served(family: str, precision: str, lengths: list[int | None]) -> Callable[[settings.Size], Iterator[dict]]:
    def records(size: settings.Size) -> Iterator[dict]:
        name = getattr(size, family)
        workers, threads = settings.SERVING[name]
        mine = models.folder_of(name, precision=precision)
        with servers.ours(mine, workers=workers, threads=threads) as planner, \
                servers.guidance(models.folder_of(name)) as guidance:
            agree = planner.get(text_path(None)) == guidance.get(text_path(None))
            for round in range(size.rounds):
                for connections in size.connections:
                    for tokens in lengths:
                        # Whoever goes first changes with the round.
                        for server in [planner, guidance][::1 if round % 2 else -1]:
                            result = servers.wrk(server, text_path(tokens), connections, size.seconds)
                            case = {"connections": connections, "tokens": tokens}
                            yield {"case": case, "round": round, "side": server.name, "sameAnswer": agree, **result}
    return records


def memory(precision: str) -> Callable[[settings.Size], Iterator[dict]]:
    def records(size: settings.Size) -> Iterator[dict]:
        count = size.residents
        mine, theirs = models.folder_of(size.base, count, precision), models.folder_of(size.base, count)
        workers, threads = settings.SERVING[size.base]
        starts = [
            lambda: servers.ours(mine, workers=workers, threads=threads), lambda: servers.guidance(theirs, count)]
        for round in range(size.rounds):
            for start in starts:
                with start() as server:
                    for index in range(count):
                        server.get(f"/predictions/model{index}")
                    yield {"case": {"models": count}, "round": round, "side": server.name, **server.memory()}
    return records


# Forward passes


def our_passes(repository, tokens: int, threads: int, seconds: float, more=()) -> dict:
    command = [
        settings.binaries() / "model-server", "measure", "--back-to-back", "--repository", repository, "--tokens", tokens,
        "--threads", threads, "--seconds", seconds, *more]
    output = subprocess.run(
        [str(word) for word in command], check=True, capture_output=True, text=True,
        env={**os.environ, **settings.our_environment()}).stdout
    samples = sorted(json.loads(output.splitlines()[-1])["samples"])
    return {"median": samples[len(samples) // 2], "mean": sum(samples) / len(samples), "passes": len(samples)}


def peer_passes(peer: str, model, tokens: int, threads: int, seconds: float, precision: str) -> dict:
    command = [
        sys.executable, servers.HERE / "forward.py", peer, model, "--tokens", tokens, "--threads", threads, "--seconds",
        seconds, "--precision", precision]
    output = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout
    return {**json.loads(output.splitlines()[-1]), "precision": precision}


def forward(
    peer: str, families: list[str], precision: str, peer_precisions: list[str]
) -> Callable[[settings.Size], Iterator[dict]]:
    def records(size: settings.Size) -> Iterator[dict]:
        for name in sorted({getattr(size, family) for family in families}):
            mine, onnx = models.folder_of(name, precision=precision), models.folder_of(name) / "model0.onnx"
            for tokens in (16, 128):
                for threads in sorted({1, min(2, os.cpu_count() or 1)}):
                    case = {"family": name, "tokens": tokens, "threads": threads}
                    tried = {
                        hint: peer_passes(peer, onnx, tokens, threads, size.seconds / 4, hint)["median"]
                        for hint in peer_precisions}
                    best = min(tried, key=tried.get)
                    for round in range(size.rounds):
                        one = our_passes(mine, tokens, threads, size.seconds / 2)
                        other = peer_passes(peer, onnx, tokens, threads, size.seconds / 2, best)
                        yield {"case": case, "round": round, "side": "planner", "precision": precision, **one}
                        yield {"case": case, "round": round, "side": peer, **other}
    return records


def overhead(size: settings.Size) -> Iterator[dict]:
    """A bare loop of forward passes, then the same model served: one worker on CPU 0, everything else on CPU 1."""
    repository = models.folder_of(size.tiny)
    apart = (os.cpu_count() or 1) > 1
    for tokens in (16, 128):
        for round in range(size.rounds):
            case = {"tokens": tokens}
            bare = our_passes(repository, tokens, 1, size.seconds / 2, ["--pin-workers", 0] if apart else [])
            yield {"case": case, "round": round, "side": "bare", **bare}
            places = ["--pin-workers", 0, "--io-cpus", 1] if apart else []
            with servers.ours(repository, workers=1, threads=1, warm=(tokens,), more=places) as server:
                command = [
                    settings.binaries() / "open-loop", "--port", server.port, "--tokens", tokens, "--rate",
                    0.5 / bare["mean"], "--seconds", max(2, 2 * size.seconds), *(["--cpu", 1] if apart else [])]
                output = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True)
                yield {"case": case, "round": round, "side": "planner", **json.loads(output.stdout)}


# Beginning and end


def seconds_of(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def lifecycle(size: settings.Size) -> Iterator[dict]:
    """Models that are unloaded and loaded again from the page cache, the first answers of each beside its later ones,
    and how long a server that is told to stop still says that it is ready."""
    repository = models.synthesized(size.tiny, size.reloads, settings.stage() / "lifecycle")
    body = json.dumps({"input_ids": [index % 1000 for index in range(32)]}).encode()
    for round in range(size.rounds):
        with servers.ours(repository, workers=1, threads=1, warm=(32,), more=["--allow-management"]) as server:
            loads, firsts = [], []
            for index in range(size.reloads):
                infer, model = f"/v2/models/model{index}/infer", f"/v2/repository/models/model{index}"
                server.send("POST", f"{model}/unload", b"{}")
                loads.append(seconds_of(lambda: server.send("POST", f"{model}/load", b"{}")))
                first, *later = [seconds_of(lambda: server.send("POST", infer, body)) for _ in range(6)]
                firsts.append(first / statistics.median(later))
            seconds_ready = server.seconds_ready_after_term()
        yield {
            "case": {"models": size.reloads}, "round": round, "side": "planner", "loadMedian": statistics.median(loads),
            "firstOverUsual": statistics.median(firsts), "readyAfterTerm": seconds_ready}


# The table


def base_row(precision: str, short: float | None, long: float | None) -> Row:
    goals = [Goal("requests/s", throughput, short, tokens=16), Goal("requests/s", throughput, long, tokens=128)]
    return Row(
        f"guidance-base-{precision}", f"the guidance's server (fp32), bert-base, ours in {precision}",
        served("base", precision, [16, 128]), goals + [Goal("p99", tail, None)])


ROWS = [
    Row("overhead", "a bare loop of forward passes, bert-tiny, 1 worker, open loop at half load", overhead, [
        Goal("p50 beside the pass, ms", lambda mine, _: mine["overheadP50"] * 1e3, 0.2, at_least=False),
        Goal("p99 beside the pass, ms", lambda mine, _: mine["overheadP99"] * 1e3, 1, at_least=False),
        Goal("served pass / bare pass", lambda mine, other: mine["computeP50"] / other["median"], None)]),
    Row("lifecycle", "nobody: loading from the page cache, first answers, SIGTERM", lifecycle, [
        Goal("load and warm, ms", lambda mine, _: mine["loadMedian"] * 1e3, 2, at_least=False),
        Goal("first answer / usual", lambda mine, _: mine["firstOverUsual"], 2, at_least=False),
        Goal("ready after SIGTERM, ms", lambda mine, _: mine["readyAfterTerm"] * 1e3, 100, at_least=False)],
        is_alone=True),
    Row("guidance-tiny", "the guidance's server, bert-tiny, its default question and context",
        served("tiny", "fp32", [None]),
        [Goal("requests/s", throughput, 3.5), Goal("p99", tail, 0.5, at_least=False)]),
    base_row("fp32", 5, 1.3),
    base_row("bf16", None, None),
    base_row("int8", 10, 3.5),
    Row("memory-fp32", "the guidance's server, resident memory, many bert-base", memory("fp32"),
        [Goal("resident", resident, 0.9, at_least=False)]),
    Row("memory-bf16", "the guidance's server (fp32), resident memory, ours in bf16", memory("bf16"),
        [Goal("resident", resident, 0.47, at_least=False)]),
    Row("onnxruntime", "onnxruntime, fp32, forward passes alone, as fast as", forward(
        "onnxruntime", ["tiny", "base"], "fp32", ["f32"]), [Goal("speed", speed, 0.85)]),
    Row("openvino", "OpenVINO at its best precision, forward passes alone, ours in int8", forward(
        "openvino", ["base"], "int8", ["f32", "bf16", "f16"]), [
            Goal("time", time_taken, 1.2, at_least=False, tokens=16),
            Goal("time", time_taken, 1, at_least=False, tokens=128)]),
]
