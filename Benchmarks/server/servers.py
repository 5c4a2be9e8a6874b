"""Servers as child processes, the load on them, and what they hold in memory."""
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import settings

HERE = pathlib.Path(__file__).resolve().parent


class Server:
    """A running server; `port` answers."""

    def __init__(self, name: str, process: subprocess.Popen, port: int):
        self.name, self.process, self.port = name, process, port
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=120) as answer:
            return answer.read().decode()

    def send(self, method: str, path: str, body: bytes) -> bytes:
        """A request on one connection that is kept; the answer must be 200."""
        self.connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise SystemExit(f"bench-server: {self.name} answered {path} with {answer.status}: {content[:200]!r}")
        return content

    def seconds_ready_after_term(self) -> float:
        """Tells the server to stop, and asks whether it is ready until it says no or is gone."""
        began = time.perf_counter()
        self.process.terminate()
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/v2/health/ready", timeout=10):
                    pass
            except OSError:
                return time.perf_counter() - began

    def memory(self) -> dict:
        """Resident and proportional bytes, as the kernel counts them: pages of mapped files count where resident."""
        text = pathlib.Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        fields = {line.split(":")[0]: line.split()[1] for line in text.splitlines()[1:]}
        return {"residentBytes": int(fields["Rss"]) * 1024, "proportionalBytes": int(fields["Pss"]) * 1024}


def ours(repository: pathlib.Path, *, workers: int, threads: int, warm=(16, 128), more=()) -> Server:
    command = [
        settings.binaries() / "model-server", "--repository", repository, "--port", "0", "--workers", workers,
        "--threads", threads, "--warm-tokens", ",".join(map(str, warm)), "--stop-on-stdin-eof", *more]
    process = subprocess.Popen(
        [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, "QUIET": "True", **settings.our_environment()})
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"bench-server: model-server ended with {process.wait()}: {' '.join(map(str, command))}")
    return Server("planner", process, json.loads(line)["port"])


def guidance(family_folder: pathlib.Path, models: int = 1) -> Server:
    """The guidance's own server where GUIDANCE_SERVER names its file, else ours that behaves like it."""
    original = os.environ.get("GUIDANCE_SERVER", "")
    stage = settings.stage() / "guidance"
    shutil.rmtree(stage, ignore_errors=True)
    environment = {**os.environ, "NUM_MODELS": str(models), "QUIET": "True", "TRANSFORMERS_OFFLINE": "1"}
    if original:
        folder, module = stage_guidance(stage, pathlib.Path(original), family_folder), "server"
    else:
        folder, module = HERE, "guidance_like_server"
        environment |= {"MODEL_FILE": str(family_folder / "model0.pt"), "VOCABULARY_FOLDER": str(family_folder)}
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", f"{module}:app", "--host", "127.0.0.1", "--port", str(port)], cwd=folder,
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = Server("guidance", process, port)
    wait_until_healthy(server)
    return server


def stage_guidance(stage: pathlib.Path, original: pathlib.Path, family_folder: pathlib.Path) -> pathlib.Path:
    """Lays the server's file, its configuration, a model and a tokenizer out as its container has them."""
    folder = stage / "server"
    (folder / "models").mkdir(parents=True)
    (folder / "bench").mkdir()
    shutil.copyfile(original, folder / "server.py")
    (folder / "models/bench_bs1_seq128_pc1_cpu.pt").symlink_to(family_folder / "model0.pt")
    shutil.copyfile(family_folder / "vocab.txt", folder / "bench/vocab.txt")
    (stage / "config.properties").write_text(
        "huggingface_model_name=bench\nhuggingface_tokenizer_class=BertTokenizer\n"
        "huggingface_model_class=BertForQuestionAnswering\nsequence_length=128\nprocessor=cpu\npipeline_cores=1\n"
        "batch_size=1\n")
    return folder


def wait_until_healthy(server: Server, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.process.poll() is None:
        try:
            server.get("/")
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"bench-server: {server.name} did not start (exit status {server.process.poll()})")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wrk(server: Server, path: str, connections: int, seconds: float) -> dict:
    """Load of wrk for so long; a first second is sent before and not counted."""
    if seconds >= 2:
        run_wrk(server, path, min(connections, 4), 1)
    result = run_wrk(server, path, connections, seconds)
    if result["failed"] or not result["requests"]:
        raise SystemExit(f"bench-server: {server.name} failed {result['failed']} of {result['requests']} at {path}")
    result["requestsPerSecond"] = result["requests"] / result["seconds"]
    return result


def run_wrk(server: Server, path: str, connections: int, seconds: float) -> dict:
    command = [
        "wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{max(1, round(seconds))}s",
        "--timeout", "60s", "--script", str(HERE / "wrk.lua"), f"http://127.0.0.1:{server.port}{path}"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # What wrk left behind when it hung up is computed before whatever comes next.
    server.get(path)
    return json.loads(output.splitlines()[-1])
