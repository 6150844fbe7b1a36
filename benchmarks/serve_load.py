"""How fast a server answers: latency, throughput and errors for 1, 8, ... clients at a time.

    python benchmarks/serve_load.py --api_url http://127.0.0.1:8080 --clients 1 8 --seconds 10
    python benchmarks/serve_load.py --checkpoint_dir runs/full --route /predict_batch

The second line starts a server for as long as it takes. The picture is a JPEG of 640 x 480 pixels,
unless --image names one. "overhead" is the median of latency minus the server's model time: HTTP,
decoding, waiting in the queue. Run it on a quiet machine.

Exit code 0: measured; 1: not, or a request failed, with the reason on stderr; 2: wrong flags.
"""

from __future__ import annotations

import argparse
import base64
import collections
import contextlib
import io
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # The file may be run as a script.

import api_client  # noqa: E402
from benchmarks import load_clients  # noqa: E402
from food_data import atomic_files  # noqa: E402

STAGES = ("decode", "queue", "model", "total")
_COLUMNS = ("clients", "requests/s", "x of first", "p50", "p95", "p99", *STAGES, "overhead")
_WARM_REQUESTS = 5
_START_LIMIT_S = 600.0


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The flags; ends the program with code 2 if they do not fit together."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    server = parser.add_mutually_exclusive_group(required=True)
    server.add_argument("--api_url", help="of a server that runs")
    server.add_argument("--checkpoint_dir", help="starts a server of its own")
    add("--server_flags", default="", help="for that server, one string: '--threads 8'")
    add("--clients", type=int, nargs="+", default=[1, 8], help="at a time (%(default)s)")
    add("--seconds", type=float, default=10.0, help="for each number of clients (%(default)s)")
    add("--route", choices=("/predict", "/predict_batch"), default="/predict")
    add("--image", type=pathlib.Path, help="file of a picture")
    add("--action", help="unless given, the first that the server knows")
    add("--food_type", help="unless given, the first that the server knows")
    add("--num_samples", type=int, default=16, help="of /predict_batch (%(default)s)")
    add("--dropout_scope", choices=("head", "full"), default="head", help="of /predict_batch")
    add("--api_key", help=f"better in the environment, as {api_client.API_KEY_VARIABLE}")
    add("--output_file", type=pathlib.Path, help="the rows as JSON")
    args = parser.parse_args(arguments)
    if min(args.clients) < 1 or args.seconds <= 0:
        parser.error("expected --clients of 1 or more, and --seconds above 0")
    if (args.action is None) != (args.food_type is None):
        parser.error("expected both --action and --food_type, or neither")
    return args


def example_jpeg() -> bytes:
    """A JPEG of 640 x 480 pixels, smooth with some noise, about as large as a photograph's."""
    coarse = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    smooth = Image.fromarray(coarse).resize((640, 480), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(1).integers(-12, 13, (480, 640, 3))
    pixels = np.clip(np.asarray(smooth) + noise, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def make_target(args: argparse.Namespace, url: str) -> load_clients.Target:
    """The request, ready to be sent. Raises ApiError or OSError."""
    action, food = args.action, args.food_type
    if action is None:
        with api_client.FoodAcquisitionClient(url, api_key=args.api_key) as client:
            action, food = client.available_combinations()[0]
    picture = example_jpeg() if args.image is None else args.image.read_bytes()
    body: dict[str, Any] = {"image": base64.b64encode(picture).decode("ascii")}
    body.update(action=action, food_type=food)
    if args.route == "/predict_batch":
        body.update(batch_size=args.num_samples, dropout_scope=args.dropout_scope)
    headers = {"Content-Type": "application/json"}
    key = args.api_key or os.environ.get(api_client.API_KEY_VARIABLE)
    if key:
        headers["X-API-Key"] = key
    return load_clients.Target(url, args.route, json.dumps(body).encode(), headers)


def summarise(
    clients: int, samples: Sequence[load_clients.Sample], seconds: float
) -> dict[str, Any]:
    """One row.

    Args:
        clients: that asked at a time.
        samples: all requests.
        seconds: that they took together.

    Returns:
        {'clients', 'answered', 'requests/s', 'p50', 'p95', 'p99', a median for each of `STAGES`,
        'overhead', 'errors': {status: number}}; times in ms, None without an answer.
    """
    good = [one for one in samples if one.status == 200]
    errors = collections.Counter(str(one.status) for one in samples if one.status != 200)
    row: dict[str, Any] = {
        "clients": clients,
        "answered": len(good),
        "requests/s": len(good) / seconds,
        **dict.fromkeys(("p50", "p95", "p99", *STAGES, "overhead")),
        "errors": dict(sorted(errors.items())),
    }
    if good:
        latencies = [one.latency_ms for one in good]
        row.update(zip(("p50", "p95", "p99"), np.percentile(latencies, (50, 95, 99)).tolist()))
    for stage in STAGES:
        row[stage] = _median([one.timing_ms[stage] for one in good if stage in one.timing_ms])
    timed = [one for one in good if "model" in one.timing_ms]
    row["overhead"] = _median([one.latency_ms - one.timing_ms["model"] for one in timed])
    return row


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a Markdown table, errors below it."""
    lines = [f"| {' | '.join(_COLUMNS)} |", f"|{'---:|' * len(_COLUMNS)}"]
    for row in rows:
        share = row["requests/s"] / rows[0]["requests/s"] if rows[0]["requests/s"] else None
        cells = {**row, "x of first": share}
        lines.append(f"| {' | '.join(_cell(cells[name]) for name in _COLUMNS)} |")
    for row in rows:
        for status, number in row["errors"].items():
            kind = "without an answer" if status == "0" else f"with status {status}"
            lines.append(f"{row['clients']} clients: {number} requests {kind}")
    return "\n".join(lines)


def measure(args: argparse.Namespace, url: str) -> dict[str, Any]:
    """Asks; returns {'first_ms', 'rows', 'tool_cpu': share of one core that the clients used}."""
    target = make_target(args, url)
    connection = load_clients.Connection(target)
    first = connection.ask()
    for _ in range(_WARM_REQUESTS):
        connection.ask()
    connection.close()
    cpu, wall = time.process_time(), time.perf_counter()
    rows = [
        summarise(clients, *load_clients.run_clients(target, clients, args.seconds))
        for clients in args.clients
    ]
    share = (time.process_time() - cpu) / (time.perf_counter() - wall)
    return {
        "route": args.route,
        "body_bytes": len(target.body),
        "first_ms": first.latency_ms if first.status == 200 else None,
        "tool_cpu": share,
        "rows": rows,
    }


@contextlib.contextmanager
def started_server(checkpoint_dir: str, server_flags: str) -> Iterator[str]:
    """Runs api_batch_server.py on a free port; yields its address.

    Raises:
        RuntimeError: if it ends or does not listen in time; holds the end of its log.
    """
    with tempfile.TemporaryDirectory() as folder:
        port_file, log = pathlib.Path(folder, "port"), pathlib.Path(folder, "log")
        command = [sys.executable, "api_batch_server.py", "--checkpoint_dir"]
        command += [os.path.abspath(checkpoint_dir), "--port", "0", "--port_file", str(port_file)]
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [*command, *shlex.split(server_flags)], cwd=ROOT, stderr=errors
            )
        try:
            give_up = time.monotonic() + _START_LIMIT_S
            while not port_file.exists():
                if process.poll() is not None or time.monotonic() > give_up:
                    raise RuntimeError(f"The server did not start: {log.read_text()[-2000:]}")
                time.sleep(0.1)
            yield f"http://127.0.0.1:{int(port_file.read_text())}"
        finally:
            process.terminate()
            process.wait(timeout=60)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; see the module."""
    args = parse_arguments(arguments)
    server = contextlib.nullcontext(args.api_url)
    if args.checkpoint_dir is not None:
        server = started_server(args.checkpoint_dir, args.server_flags)
    try:
        with server as url:
            found = measure(args, url)
    except (api_client.ApiError, OSError, RuntimeError) as error:
        print(f"serve_load: {error}", file=sys.stderr)  # noqa: T201
        return 1
    print(table(found["rows"]))  # noqa: T201
    first, share = found["first_ms"], 100 * found["tool_cpu"]
    print(f"first request {_cell(first)} ms; clients used {share:.0f}% of a core")  # noqa: T201
    if args.output_file is not None:
        with atomic_files.replace_file(args.output_file) as file:
            file.write((json.dumps(found, indent=1) + "\n").encode())
    return 1 if first is None or any(row["errors"] for row in found["rows"]) else 0


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None


def _cell(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.1f}"


if __name__ == "__main__":
    sys.exit(main())
