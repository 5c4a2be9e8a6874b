"""What HAProxy and nginx add to a server's answers (scripts/bench-proxy).

One server with one bert-tiny: its worker alone on CPU 0, everything else, client and proxies included, on CPU 1. The
client is `open-loop`: Poisson arrivals, one thread that never sleeps, at idle priority; a figure is what a request took
beside its queue, batch and forward pass. In each round the server is asked directly and through each proxy, and whoever
goes first changes. Both proxies look the model up among 3,000 and keep their connections to the server.
"""
import argparse
import contextlib
import json
import os
import pathlib
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent.parent.parent
BINARIES = pathlib.Path(os.environ.get("PLANNER_BIN", HERE / ".build/release"))
MODELS = 3000
APART = (os.cpu_count() or 1) > 1
ON_REST = ["taskset", "-c", "1"] if APART else []

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/temp; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; client_max_body_size 16m; keepalive_requests 1000000;
  map_hash_max_size 65536; map_hash_bucket_size 128;
  map $model $pool {{ default nobody; {models} }}
  upstream pool0 {{ server 127.0.0.1:{node}; keepalive 64; keepalive_requests 1000000; }}
  upstream nobody {{ server 127.0.0.1:1 down; }}
  server {{
    listen 127.0.0.1:{port}; tcp_nodelay on;
    location ~ ^/predictions/(?<model>[^/]+)$ {{
      proxy_pass http://$pool; proxy_http_version 1.1; proxy_set_header Connection "";
    }}
  }}
}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/predictions/model0", timeout=10) as answer:
            return answer.status == 200
    except OSError:
        return False


def run(*words) -> str:
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout


@contextlib.contextmanager
def started(words: list, port: int, log: pathlib.Path):
    with log.open("w") as errors:
        process = subprocess.Popen([str(word) for word in words], stdout=errors, stderr=errors)
    try:
        until = time.monotonic() + 60
        while not answers(port):
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"bench-proxy: {words[0]} does not answer: {log.read_text()[-1000:]}")
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(30)


def cpu_seconds(process: subprocess.Popen) -> float:
    """Of the process and its children that live."""
    total = 0.0
    listed = run("ps", "-o", "pid=", "--ppid", process.pid, "--pid", process.pid).split()
    for pid in listed:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def measure(arguments: argparse.Namespace, folder: pathlib.Path) -> list[dict]:
    run(BINARIES / "planner", "model", "synth", "--family", "bert-tiny", "--count", 1, "--out", folder / "models")
    node, ports = free_port(), {"haproxy": free_port(), "nginx": free_port()}
    run(BINARIES / "planner", "deploy", "proxy", "--bench-node", f"127.0.0.1:{node}", "--bench-models", MODELS,
        "--listen", f"127.0.0.1:{ports['haproxy']}", "--out", folder)
    models = " ".join(f"model{index} pool0;" for index in range(MODELS))
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, models=models, node=node, port=ports["nginx"]))
    server = [BINARIES / "model-server", "--repository", folder / "models", "--port", node, "--workers", 1, "--threads",
              1, "--warm-tokens", arguments.tokens, *(["--pin-workers", 0, "--io-cpus", 1] if APART else [])]
    records = []
    with contextlib.ExitStack() as stack:
        stack.enter_context(started(server, node, folder / "server.log"))
        # Options are the proxies' own; the last of them runs in the foreground, so that its time is known.
        proxies = {
            "haproxy": stack.enter_context(started(
                [*ON_REST, "haproxy", "-db", "-C", folder, "-f", "haproxy.cfg"], ports["haproxy"],
                folder / "haproxy.log")),
            "nginx": stack.enter_context(started(
                [*ON_REST, "nginx", "-c", folder / "nginx.conf"], ports["nginx"], folder / "nginx.log"))}
        ways = ["direct", "haproxy", "nginx"]
        for round in range(arguments.rounds):
            for way in ways[round % 3:] + ways[:round % 3]:
                before = cpu_seconds(proxies[way]) if way in proxies else 0
                figures = json.loads(run(
                    BINARIES / "open-loop", "--port", ports.get(way, node), "--tokens", arguments.tokens, "--rate",
                    arguments.rate, "--seconds", arguments.seconds, "--seed", round + 1,
                    *(["--cpu", 1] if APART else [])))
                spent = cpu_seconds(proxies[way]) - before if way in proxies else 0
                records.append({
                    "round": round, "way": way, **figures,
                    "cpuSecondsPerRequest": spent / (arguments.rate * arguments.seconds)})
                print(f"round {round + 1}, {way}: p50 {figures['overheadP50'] * 1e3:.3f} ms, "
                      f"p99 {figures['overheadP99'] * 1e3:.3f} ms", file=sys.stderr)
    return records


def summary(records: list[dict]) -> list[dict]:
    """Differences to the direct way of the same round."""
    direct = {record["round"]: record for record in records if record["way"] == "direct"}
    rows = []
    for way in ("haproxy", "nginx"):
        for figure in ("overheadP50", "overheadP99"):
            added = sorted(
                record[figure] - direct[record["round"]][figure] for record in records if record["way"] == way)
            rows.append({
                "way": way, "figure": figure, "addedSeconds": {
                    "min": added[0], "median": statistics.median(added), "max": added[-1]},
                "cpuSecondsPerRequest": statistics.median(
                    record["cpuSecondsPerRequest"] for record in records if record["way"] == way)})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench-proxy")
    parser.add_argument("size", nargs="?", choices=["smoke"])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=float, default=400)
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--into", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.size == "smoke":
        arguments.rounds, arguments.seconds, arguments.rate = 1, 2, 50
    with tempfile.TemporaryDirectory(prefix="bench-proxy-") as folder:
        records = measure(arguments, pathlib.Path(folder))
    rows = summary(records)
    for row in rows:
        added = row["addedSeconds"]
        print(f"{row['way']}, {row['figure'][-3:].lower()}: adds min {added['min'] * 1e3:.3f}, median "
              f"{added['median'] * 1e3:.3f}, max {added['max'] * 1e3:.3f} ms; CPU "
              f"{row['cpuSecondsPerRequest'] * 1e6:.0f} µs a request")
    versions = {"haproxy": run("haproxy", "-v").split("\n")[0],
                "nginx": subprocess.run(["nginx", "-v"], capture_output=True, text=True).stderr.strip()}
    machine = next((line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                    if line.startswith("model name")), platform.machine())
    print(f"{versions['haproxy']}; {versions['nginx']}; {os.cpu_count()} CPUs of {machine}; {arguments.rate:g} "
          f"requests/s of {arguments.tokens} tokens, {arguments.rounds} rounds of {arguments.seconds:g} s")
    if arguments.into:
        arguments.into.mkdir(parents=True, exist_ok=True)
        (arguments.into / "records.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        (arguments.into / "summary.json").write_text(json.dumps(
            {"results": rows, "versions": versions, "machine": machine, "options": {
                key: value for key, value in vars(arguments).items() if key != "into"}}, indent=2) + "\n")


if __name__ == "__main__":
    main()
