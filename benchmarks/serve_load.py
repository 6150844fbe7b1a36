"""How fast a server answers /predict: latency, throughput and refusals for 1, 8, ... clients.

    python -m benchmarks.serve_load --api_url http://127.0.0.1:8080 --clients 1 8 --seconds 10
    python -m benchmarks.serve_load --checkpoint_dir runs/full --clients 8 256 --overload 2.5

The second line starts a server for as long as it takes, and ends with an open load: 2.5 times as
many requests as the server answered at best, whether it answers or not. The picture is a photo of
examples/. "model" is the median of the server's own model time. Beside each load, /health is
asked 20 times a second. Who is refused asks again after what Retry-After says. The server's key is
in RT1_API_KEY. Exit code 1: no server, or other than answers and refusals (503).
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import functools
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures

import numpy as np
import urllib3

import api_client

ROOT = pathlib.Path(__file__).resolve().parents[1]
PHOTO = "examples/photos/images/above_plate_1.jpg"  # 640 x 480 pixels
COLUMNS = ("answers/s", "p50", "p99", "model", "503, p99", "/health, p99", "failed")
# Status (0: no answer), latency in ms, and of an answer the server's model time.
Sample = tuple[int, float, float]
_MOST_AT_ONCE = 512


def ask(
    pool: urllib3.PoolManager, samples: list[Sample], url: str, question: bytes | None
) -> float:
    """One request; for how many seconds the server wants to be left alone."""
    started, status, model_ms, wait_s = time.perf_counter(), 0, 0.0, 1.0
    with contextlib.suppress(urllib3.exceptions.HTTPError):
        answer = pool.request("POST" if question else "GET", url, body=question)
        model_ms = answer.json().get("timing_ms", {}).get("model", 0.0)
        status, wait_s = answer.status, float(answer.headers.get("Retry-After", 0))
    samples.append((status, 1000 * (time.perf_counter() - started), model_ms))
    return wait_s


def closed(call: Callable[[], float], until_s: float) -> None:
    """A client that asks again when it has its answer."""
    while time.perf_counter() < until_s:
        # Not all at once: those who were refused together would come back together.
        time.sleep(call() * random.uniform(0.5, 1.5))


def open_load(call: Callable[[], float], until_s: float, rate: float) -> None:
    """Asks `rate` times a second, without waiting for answers."""
    with futures.ThreadPoolExecutor(_MOST_AT_ONCE) as pool:
        due_s = time.perf_counter()
        while due_s < until_s:
            time.sleep(max(0.0, due_s - time.perf_counter()))
            pool.submit(call)
            due_s += 1.0 / rate


def measure(
    url: str, counts: Sequence[int], seconds: float, overload: float | None
) -> dict[str, list[float]]:
    """Asks; `summarise` of each load by its name."""
    with api_client.FoodAcquisitionClient(url) as client:
        action, food = client.available_combinations()[0]
    picture = base64.b64encode((ROOT / PHOTO).read_bytes()).decode("ascii")
    question = json.dumps({"image": picture, "action": action, "food_type": food}).encode()
    key = os.environ.get(api_client.API_KEY_VARIABLE, "")
    headers = {"X-API-Key": key, "Content-Type": "application/json"}
    pool = urllib3.PoolManager(maxsize=_MOST_AT_ONCE, retries=False, timeout=60.0, headers=headers)
    for _ in range(6):
        ask(pool, [], f"{url}/predict", question)
    rows: dict[str, list[float]] = {}
    for count in [*counts, overload]:
        if not count:
            continue
        samples, probes, began = [], [], time.perf_counter()
        until_s = began + seconds
        predict = functools.partial(ask, pool, samples, f"{url}/predict", question)
        health = functools.partial(ask, pool, probes, f"{url}/health", None)
        name, load = str(count), [(closed, predict, until_s)] * int(count)
        if len(rows) == len(counts):
            rate = max(0.1, count * max(row[0] for row in rows.values()))
            name, load = f"{rate:.0f}/s", [(open_load, predict, until_s, rate)]
        with futures.ThreadPoolExecutor(len(load) + 1) as threads:
            asked = [threads.submit(*one) for one in [*load, (open_load, health, until_s, 20.0)]]
        for one in asked:
            one.result()
        rows[name] = summarise(samples, probes, time.perf_counter() - began)
    return rows


def summarise(samples: Sequence[Sample], probes: Sequence[Sample], seconds: float) -> list[float]:
    """`COLUMNS`, times in ms and NaN without any."""

    def percentile(share: int, some: Sequence[Sample], status: int = 200, column: int = 1) -> float:
        values = [one[column] for one in some if one[0] == status]
        return float(np.percentile(values, share)) if values else np.nan

    return [
        sum(one[0] == 200 for one in samples) / seconds,
        percentile(50, samples),
        percentile(99, samples),
        percentile(50, samples, column=2),
        percentile(99, samples, status=503),
        percentile(99, probes),
        sum(one[0] not in (200, 503) for one in samples) + sum(one[0] != 200 for one in probes),
    ]


@contextlib.contextmanager
def started_server(checkpoint_dir: str) -> Iterator[str]:
    """Runs api_batch_server.py on a free port; yields its address. Raises RuntimeError if it ends
    before it listens."""
    with tempfile.TemporaryDirectory() as folder:
        port_file, path = pathlib.Path(folder, "port"), os.path.abspath(checkpoint_dir)
        command = [sys.executable, "api_batch_server.py", "--checkpoint_dir", path, "--port", "0"]
        with subprocess.Popen([*command, "--port_file", port_file], cwd=ROOT) as process:
            try:
                while not port_file.exists():
                    if process.poll() is not None:
                        raise RuntimeError("the server did not start")
                    time.sleep(0.1)
                yield f"http://127.0.0.1:{int(port_file.read_text())}"
            finally:
                process.terminate()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; see the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    server = parser.add_mutually_exclusive_group(required=True).add_argument
    server("--api_url", help="of a server that runs")
    server("--checkpoint_dir", help="starts a server of its own")
    add = parser.add_argument
    add("--clients", type=int, nargs="+", default=[1, 8], help="at a time (%(default)s)")
    add("--seconds", type=float, default=10.0, help="for each number of clients (%(default)s)")
    add("--overload", type=float, help="at last, so many times what was answered at best")
    args = parser.parse_args(arguments)
    own = started_server(args.checkpoint_dir) if args.checkpoint_dir else None
    try:
        with own or contextlib.nullcontext(args.api_url) as url:
            rows = measure(url, args.clients, args.seconds, args.overload)
    except (api_client.ApiError, OSError, RuntimeError) as error:
        print(f"serve_load: {error}", file=sys.stderr)
        return 1
    print(f"| clients | {' | '.join(COLUMNS)} |\n|---:|{'---:|' * len(COLUMNS)}")
    for name, row in rows.items():
        print(f"| {name} | {' | '.join(f'{value:.1f}' for value in row)} |")
    return 1 if any(row[-1] for row in rows.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
