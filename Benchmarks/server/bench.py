"""Speed of the model server beside peers, side by side in one run; called by scripts/bench-server."""
import argparse
import dataclasses
import hashlib
import importlib.metadata
import json
import os
import pathlib
import sys
import tempfile
import time

import beside
import report
import rows
import settings


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench-server", description="Measure the model server beside its peers.",
        epilog="Rows: " + ", ".join(row.name for row in rows.ROWS) + ". The raw records of a folder given with --into "
        "are kept, so that a long run can be made in parts.")
    parser.add_argument("what", nargs="*", metavar="smoke|ROW", help="a small size that only shows that all runs; rows")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of each measurement")
    parser.add_argument("--connections", type=lambda text: [int(part) for part in text.split(",")], help="such as 1,8")
    parser.add_argument("--into", type=pathlib.Path, help="folder for raw records and summary")
    parser.add_argument(
        "--beside", type=pathlib.Path, metavar="CHECKOUT",
        help="another checkout, built, in place of the peers; the rows, and one more: planner")
    arguments = parser.parse_args()
    known = set(beside.ROWS) if arguments.beside else {row.name for row in rows.ROWS}
    unknown = set(arguments.what) - {"smoke"} - known
    if unknown:
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    return arguments


def chosen_size(arguments: argparse.Namespace) -> settings.Size:
    size = settings.SMOKE if "smoke" in arguments.what else settings.FULL
    changes = {
        name: getattr(arguments, name) for name in ("rounds", "seconds", "connections") if getattr(arguments, name)}
    return dataclasses.replace(size, **changes)


def versions() -> dict[str, str]:
    return {
        name: importlib.metadata.version(name)
        for name in ("torch", "transformers", "fastapi", "uvicorn", "onnxruntime", "openvino")}


def head() -> dict:
    guidance = os.environ.get("GUIDANCE_SERVER")
    return {
        "startedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "processor": settings.processor_name(),
        "versions": versions(), "ourEnvironment": settings.our_environment(),
        "workersAndThreads": settings.SERVING,
        "guidance": "its own file" if guidance else "our server of the same behaviour: its own was not reached"}


def main() -> None:
    arguments = parse()
    size = chosen_size(arguments)
    if arguments.beside:
        with tempfile.TemporaryDirectory(prefix="bench-server-") as stage:
            os.environ["BENCH_STAGE"] = stage
            beside.compare([name for name in arguments.what if name != "smoke"], arguments.beside.resolve(), size)
        return
    folder = arguments.into or settings.REPOSITORY / "reports" / f"bench-server-{time.strftime('%Y-%m-%d-%H%M%S')}"
    folder.mkdir(parents=True, exist_ok=True)
    raw = folder / "records.jsonl"
    names = [name for name in arguments.what if name != "smoke"]
    about = head()
    print(json.dumps(about, indent=2))
    with tempfile.TemporaryDirectory(prefix="bench-server-") as stage, raw.open("a") as file:
        os.environ["BENCH_STAGE"] = stage
        for row in rows.ROWS:
            if names and row.name not in names:
                continue
            print(f"\nbench-server: {row.name}", file=sys.stderr)
            for record in row.records(size):
                file.write(json.dumps({"row": row.name, **record}) + "\n")
                file.flush()
                print(".", end="", file=sys.stderr, flush=True)
            print(file=sys.stderr)
    records = [json.loads(text) for text in raw.read_text().splitlines()]
    found = [
        result for row in rows.ROWS
        for result in report.results(row, [record for record in records if record["row"] == row.name])]
    text = report.text(found)
    (folder / "summary.txt").write_text(json.dumps(about, indent=2) + "\n\n" + text + "\n")
    (folder / "summary.json").write_text(json.dumps({**about, "results": found}, indent=2) + "\n")
    print(f"\n{text}\nraw records: {raw}\nresult hash: {hashlib.sha256(raw.read_bytes()).hexdigest()[:16]}")


if __name__ == "__main__":
    main()
