"""Two builds of the model server and the planner side by side; called by scripts/bench-server --beside CHECKOUT.

Each figure of the table that is of our side alone, in turn with this build and the other one within each round, whoever
goes first changing with the round. A ratio above 1 says that this build is faster, or needs less memory.
"""
import contextlib
import dataclasses
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import models
import rows
import servers
import settings

# A figure of one side: its case, whether more of it is better, the side, its value.
Figure = tuple[str, bool, str, float]
# The sides, in the order of a round.
Sides = list[tuple[str, pathlib.Path]]
Row = Callable[[settings.Size, Sides], Iterator[Figure]]


@contextlib.contextmanager
def build(folder: pathlib.Path) -> Iterator[None]:
    before = os.environ.get("PLANNER_BIN")
    os.environ["PLANNER_BIN"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["PLANNER_BIN"]
        else:
            os.environ["PLANNER_BIN"] = before


def alone(figures: Callable[[settings.Size], Iterator[tuple[str, bool, float]]]) -> Row:
    """Figures of one build after the other."""
    def both(size: settings.Size, sides: Sides) -> Iterator[Figure]:
        for side, folder in sides:
            with build(folder):
                for case, is_more_better, value in figures(size):
                    yield case, is_more_better, side, value
    return both


def once(size: settings.Size) -> settings.Size:
    return dataclasses.replace(size, rounds=1)


def overhead(size: settings.Size) -> Iterator[tuple[str, bool, float]]:
    for record in rows.overhead(once(size)):
        case = f"{record['case']['tokens']} tokens"
        if record["side"] == "bare":
            yield f"bare pass, {case}, median", False, record["median"]
        else:
            yield f"beside the pass, {case}, p50", False, record["overheadP50"]
            yield f"beside the pass, {case}, p99", False, record["overheadP99"]


def lifecycle(size: settings.Size) -> Iterator[tuple[str, bool, float]]:
    for record in rows.lifecycle(once(size)):
        yield "load and warm", False, record["loadMedian"]
        yield "first answer / usual", False, record["firstOverUsual"]


# Slices of load in a round, each side one after the other.
SLICES = 4


def served(family: str, precision: str, lengths: list[int | None]) -> Row:
    """Both servers are up at once and asked in turn, a second at a time: a machine's speed changes from minute to minute
    by more than what is looked for. Who is not asked waits for connections."""
    def figures(size: settings.Size, sides: Sides) -> Iterator[Figure]:
        name = getattr(size, family)
        workers, threads = settings.SERVING[name]
        with contextlib.ExitStack() as stack:
            up = {}
            for side, folder in sides:
                with build(folder):
                    up[side] = stack.enter_context(
                        servers.ours(models.folder_of(name, precision=precision), workers=workers, threads=threads))
            for connections in size.connections:
                for tokens in lengths:
                    case = f"{connections} connections" + (f", {tokens} tokens" if tokens else "")
                    for slice in range(SLICES):
                        for side, _ in sides[::1 if slice % 2 else -1]:
                            result = servers.wrk(
                                up[side], rows.text_path(tokens), connections, min(1, size.seconds / SLICES))
                            yield f"requests/s, {case}", True, side, result["requestsPerSecond"]
                            yield f"p99, {case}", False, side, result["p99"]
    return figures


def memory(precision: str) -> Row:
    def figures(size: settings.Size) -> Iterator[tuple[str, bool, float]]:
        count = size.residents
        workers, threads = settings.SERVING[size.base]
        folder = models.folder_of(size.base, count, precision)
        with servers.ours(folder, workers=workers, threads=threads) as server:
            for index in range(count):
                server.get(f"/predictions/model{index}")
            yield f"resident, {count} models", False, server.memory()["residentBytes"]
    return alone(figures)


def passes(families: list[str], precision: str) -> Row:
    def figures(size: settings.Size) -> Iterator[tuple[str, bool, float]]:
        for name in sorted({getattr(size, family) for family in families}):
            for tokens in (16, 128):
                for threads in sorted({1, min(2, os.cpu_count() or 1)}):
                    result = rows.our_passes(
                        models.folder_of(name, precision=precision), tokens, threads, size.seconds / 2)
                    yield f"{name}, {tokens} tokens, {threads} threads", False, result["median"]
    return alone(figures)


def planning(size: settings.Size) -> Iterator[tuple[str, bool, float]]:
    """Time of the planner's own commands, by the clock and as the kernel counts it for their processes."""
    for name, words in (
        ("3,000 models", ["--models", "3000", "--budget", "60"]),
        ("inf2.xlarge alone", ["--models", "3000", "--budget", "60", "--instances", "inf2.xlarge"])):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.monotonic()
        # Each build plans with the profiles of its own checkout: an older one may not read newer files.
        result = subprocess.run(
            [str(settings.binaries() / "planner"), "optimize", *words, "--out", str(settings.stage() / "plan.json")],
            cwd=settings.binaries().parents[1], capture_output=True, text=True, check=False)
        # 2 is an answer, too: nothing within the budget.
        if result.returncode not in (0, 2):
            raise SystemExit(f"bench-server: {settings.binaries()}: planner optimize failed: {result.stderr}")
        seconds = time.monotonic() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        yield f"optimize, {name}", False, seconds
        yield f"optimize, {name}, user time", False, after.ru_utime - before.ru_utime


ROWS: dict[str, Row] = {
    "overhead": alone(overhead), "lifecycle": alone(lifecycle), "guidance-tiny": served("tiny", "fp32", [None]),
    "guidance-base-fp32": served("base", "fp32", [16, 128]), "guidance-base-bf16": served("base", "bf16", [16, 128]),
    "guidance-base-int8": served("base", "int8", [16, 128]), "memory-fp32": memory("fp32"),
    "memory-bf16": memory("bf16"), "onnxruntime": passes(["tiny", "base"], "fp32"),
    "openvino": passes(["base"], "int8"), "planner": alone(planning)}


def compare(names: list[str], checkout: pathlib.Path, size: settings.Size) -> None:
    sides = [("this", settings.binaries()), ("other", checkout / ".build/release")]
    print(f"{'row':<19} {'figure':<42} {'min':>6} {'median':>6} {'max':>6} pairs")
    for name, row in ROWS.items():
        if names and name not in names:
            continue
        found: dict[str, dict[str, list[float]]] = {}
        better = {}
        for round in range(size.rounds):
            for case, is_more_better, side, value in row(size, sides[::1 if round % 2 else -1]):
                found.setdefault(case, {}).setdefault(side, []).append(value)
                better[case] = is_more_better
            print(".", end="", file=sys.stderr, flush=True)
        for case, values in found.items():
            ratios = sorted(
                mine / its if better[case] else its / mine
                for mine, its in zip(values["this"], values["other"], strict=True))
            print(
                f"{name:<19} {case:<42} {ratios[0]:6.3f} {statistics.median(ratios):6.3f} {ratios[-1]:6.3f} "
                f"{len(ratios):5}", flush=True)
