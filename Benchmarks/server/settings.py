"""How large a run is, where its files lie, and the library settings of our side."""
import dataclasses
import os
import pathlib
import platform

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
VOCABULARY = REPOSITORY / "Tests/TokenizerTests/Fixtures/uncased-vocab.txt"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "planner"


@dataclasses.dataclass
class Size:
    rounds: int
    seconds: float
    connections: list[int]
    tiny: str
    base: str
    residents: int
    reloads: int


FULL = Size(rounds=5, seconds=4, connections=[1, 2, 8, 64], tiny="bert-tiny", base="bert-base", residents=30, reloads=50)
# Everything runs, nothing is measured well: what the tests run.
SMOKE = Size(rounds=1, seconds=0.5, connections=[2], tiny="bert-tiny", base="bert-tiny", residents=3, reloads=3)


def binaries() -> pathlib.Path:
    """Where planner, model-server and open-loop are built."""
    return pathlib.Path(os.environ.get("PLANNER_BIN", REPOSITORY / ".build/release"))


def stage() -> pathlib.Path:
    """A folder of this run, gone with it."""
    return pathlib.Path(os.environ["BENCH_STAGE"])


# Workers and threads a worker of our server. One setting for all numbers of connections: a server cannot know. Both
# cores for one pass are best where nobody waits, two workers where many do.
SERVING = {"bert-tiny": (1, 2), "bert-base": (1, 2)}


def processor_flags() -> set[str]:
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return set(next((line for line in lines if line.startswith("flags")), "").split())


def processor_name() -> str:
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    model = fields.get("model name", platform.machine())
    return f"{model} (family {fields.get('cpu family', '?')}, model {fields.get('model', '?')}), {os.cpu_count()} CPUs"


def our_environment() -> dict[str, str]:
    """The settings that `planner profile` tries: OpenBLAS that shares OpenMP's threads, kernels for what the
    processor has (OpenBLAS takes newer AMD cores for old ones)."""
    settings = {}
    folder = f"/usr/lib/{platform.machine()}-linux-gnu/openblas-openmp"
    if os.path.isdir(folder):
        settings["LD_LIBRARY_PATH"] = folder
    flags = processor_flags()
    if {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= flags:
        settings["OPENBLAS_CORETYPE"] = "SkylakeX"
    elif {"avx2", "fma"} <= flags:
        settings["OPENBLAS_CORETYPE"] = "Haswell"
    return settings
