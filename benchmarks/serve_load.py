"""How fast a server answers: latency, throughput and errors for 1, 8, ... clients at a time.

    python benchmarks/serve_load.py --api_url http://127.0.0.1:8080 --clients 1 8 --seconds 10
    python benchmarks/serve_load.py --checkpoint_dir runs/full --route /predict_batch

The second line starts a server for as long as it takes. The picture is a JPEG of 640 x 480 pixels,
unless --image names one. "overhead" is the median of latency minus the server's model time: HTTP,
decoding, waiting in the queue. Run it on a quiet machine: the clients share it with the server, so
they send a body that is made once, and of the answer they read only the times.

Exit code 0: measured; 1: not, or a request failed, with the reason on stderr; 2: wrong flags.
"""

from __future__ import annotations

import argparse
import base64
import collections
import concurrent.futures
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
import requests
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # The file may be run as a script.

import api_client  # noqa: E402

STAGES = ("decode", "queue", "model", "total")
# Status, latency in ms, and of an answer the server's own times.
Sample = tuple[int, float, dict[str, float]]
_NO_ANSWER = 0
# Who is refused waits so long, or a full queue would be kept busy with refusing.
_PAUSE_S = 0.05
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
    add("--server_flags", default="", help="for that server, one string: '--max_waiting 8'")
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


def request_of(args: argparse.Namespace, url: str) -> tuple[bytes, dict[str, str]]:
    """Body and headers, ready to be sent. Raises ApiError or OSError."""
    action, food = args.action, args.food_type
    if action is None:
        with api_client.FoodAcquisitionClient(url, api_key=args.api_key) as client:
            action, food = client.available_combinations()[0]
    if args.image is not None:
        picture = args.image.read_bytes()
    else:
        # Smooth with some noise, about as large as a photograph's file.
        coarse = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
        smooth = Image.fromarray(coarse).resize((640, 480), Image.Resampling.BICUBIC)
        noise = np.random.default_rng(1).integers(-12, 13, (480, 640, 3))
        buffer = io.BytesIO()
        pixels = np.clip(np.asarray(smooth) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(buffer, "JPEG", quality=85)
        picture = buffer.getvalue()
    body: dict[str, Any] = {"image": base64.b64encode(picture).decode("ascii")}
    body.update(action=action, food_type=food)
    if args.route == "/predict_batch":
        body.update(batch_size=args.num_samples, dropout_scope=args.dropout_scope)
    headers = {"Content-Type": "application/json"}
    key = args.api_key or os.environ.get(api_client.API_KEY_VARIABLE)
    return json.dumps(body).encode(), headers | ({"X-API-Key": key} if key else {})


def measure(args: argparse.Namespace, url: str) -> dict[str, Any]:
    """Asks; times are in ms, None without an answer.

    Returns:
        {'route', 'body_bytes', 'first_ms', 'tool_cpu': share of one core that the clients used,
        'rows': [`summarise` and 'x of first': throughput against the first row]}
    """
    body, headers = request_of(args, url)
    address = url.rstrip("/") + args.route

    def ask(session: requests.Session) -> Sample:
        started = time.perf_counter()
        try:
            response = session.post(address, body, timeout=60)
        except requests.RequestException:
            return _NO_ANSWER, 1000 * (time.perf_counter() - started), {}
        latency_ms = 1000 * (time.perf_counter() - started)
        return response.status_code, latency_ms, response.json()["timing_ms"] if response.ok else {}

    def work(seconds: float, count: int = sys.maxsize) -> list[Sample]:
        samples: list[Sample] = []
        until = time.perf_counter() + seconds
        with requests.Session() as session:
            session.headers.update(headers)
            while time.perf_counter() < until and len(samples) < count:
                samples.append(ask(session))
                if samples[-1][0] != 200:
                    time.sleep(_PAUSE_S)
        return samples

    status, first_ms, _ = work(60.0, 6)[0]
    cpu, wall, rows = time.process_time(), time.perf_counter(), []
    for clients in args.clients:
        started = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            samples = sum(pool.map(work, [args.seconds] * clients), [])
        rows.append(summarise(clients, samples, time.perf_counter() - started))
        rows[-1]["x of first"] = rows[-1]["requests/s"] / (rows[0]["requests/s"] or 1.0)
    return {
        **{"route": args.route, "body_bytes": len(body)},
        "first_ms": first_ms if status == 200 else None,
        "tool_cpu": (time.process_time() - cpu) / (time.perf_counter() - wall),
        "rows": rows,
    }


def summarise(clients: int, samples: Sequence[Sample], seconds: float) -> dict[str, Any]:
    """One row: 'clients', 'answered', 'requests/s', 'p50', 'p95', 'p99', a median for each of
    `STAGES`, 'overhead' and 'errors': {status: number}."""

    def percentile(values: Sequence[float], share: float = 50) -> float | None:
        return float(np.percentile(values, share)) if len(values) else None

    good = [(latency, timing) for status, latency, timing in samples if status == 200]
    errors = collections.Counter(str(status) for status, *_ in samples if status != 200)
    return {
        "clients": clients,
        "answered": len(good),
        "requests/s": len(good) / seconds,
        **{f"p{n}": percentile([latency for latency, _ in good], n) for n in (50, 95, 99)},
        **{stage: percentile([timing[stage] for _, timing in good]) for stage in STAGES},
        "overhead": percentile([latency - timing["model"] for latency, timing in good]),
        "errors": dict(sorted(errors.items())),
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a Markdown table, errors below it."""
    columns = ("clients", "requests/s", "x of first", "p50", "p95", "p99", *STAGES, "overhead")
    lines = [f"| {' | '.join(columns)} |", f"|{'---:|' * len(columns)}"]
    for row in rows:
        values = [row[name] for name in columns]
        texts = ["-" if one is None else f"{one:.{isinstance(one, float):d}f}" for one in values]
        lines.append(f"| {' | '.join(texts)} |")
    for row in rows:
        for status, number in row["errors"].items():
            kind = f"with status {status}" if int(status) else "without an answer"
            lines.append(f"{row['clients']} clients: {number} requests {kind}")
    return "\n".join(lines)


@contextlib.contextmanager
def started_server(checkpoint_dir: str, server_flags: str) -> Iterator[str]:
    """Runs api_batch_server.py on a free port; yields its address. Raises RuntimeError with the end
    of its log if it ends or does not listen in time."""
    with tempfile.TemporaryDirectory() as folder:
        port_file, log = pathlib.Path(folder, "port"), pathlib.Path(folder, "log")
        command = [sys.executable, "api_batch_server.py", "--checkpoint_dir"]
        command += [os.path.abspath(checkpoint_dir), "--port", "0", "--port_file", str(port_file)]
        with log.open("wb") as errors:
            process = subprocess.Popen(command + shlex.split(server_flags), cwd=ROOT, stderr=errors)
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
        print(f"serve_load: {error}", file=sys.stderr)
        return 1
    first_ms, share = found["first_ms"], 100 * found["tool_cpu"]
    first = "-" if first_ms is None else f"{first_ms:.1f}"
    print(table(found["rows"]))
    print(f"first request {first} ms; clients used {share:.0f}% of a core")
    if args.output_file is not None:
        args.output_file.write_text(json.dumps(found, indent=1) + "\n")
    return 1 if first_ms is None or any(row["errors"] for row in found["rows"]) else 0


if __name__ == "__main__":
    sys.exit(main())
