"""How fast a server answers /predict: latency, throughput and refusals for 1, 8, ... clients.

    python -m benchmarks.serve_load --api_url http://127.0.0.1:8080 --clients 1 8 --seconds 10
    python -m benchmarks.serve_load --checkpoint_dir runs/full --clients 8 256 --overload 2.5

The second line starts a server for as long as it takes, and ends with an open load: 2.5 times as
many requests as the server answered at best, whether it answers or not. The picture is a photo of
examples/. "model" is the median of the server's own model time. Beside each load, /health is
asked 20 times a second. Who is refused asks again after what Retry-After says, unless --pause_s is
given: 0.05 is a flood. Exit code 1: no server, or other than answers and refusals (503).
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import pathlib
import random
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent import futures

import numpy as np
import urllib3

import api_client

ROOT = pathlib.Path(__file__).resolve().parents[1]
COLUMNS = ("answers/s", "p50", "p99", "model", "503, p99", "/health, p99", "failed")
PHOTO = "examples/photos/images/above_plate_1.jpg"  # 640 x 480 pixels
# Status (0: no answer), latency in ms, and of an answer the server's model time.
Sample = tuple[int, float, float]
_MOST_AT_ONCE = 512


class Clients:
    """What clients send to one server, over connections that stay open."""

    def __init__(self, url: str, pause_s: float | None) -> None:
        """`pause_s`: after a refusal, before the next request; None for what the server says."""
        self._url, self._pause_s = url, pause_s
        self._pool = urllib3.PoolManager(maxsize=_MOST_AT_ONCE, retries=False, timeout=60.0)
        key = os.environ.get(api_client.API_KEY_VARIABLE, "")
        self._headers = {"X-API-Key": key, "Content-Type": "application/json"}
        with api_client.FoodAcquisitionClient(url) as client:
            action, food = client.available_combinations()[0]
        picture = base64.b64encode((ROOT / PHOTO).read_bytes()).decode("ascii")
        question = {"image": picture, "action": action, "food_type": food}
        self.question = json.dumps(question).encode()

    def ask(self, samples: list[Sample], question: bytes | None) -> float:
        """One request to /predict, or without a question to /health; for how many seconds the
        server wants to be left alone."""
        started, status, model_ms, wait_s = time.perf_counter(), 0, 0.0, 1.0
        method, route = ("GET", "/health") if question is None else ("POST", "/predict")
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            url = self._url + route
            answer = self._pool.request(method, url, body=question, headers=self._headers)
            model_ms = answer.json().get("timing_ms", {}).get("model", 0.0)
            status, wait_s = answer.status, float(answer.headers.get("Retry-After", 0))
        samples.append((status, 1000 * (time.perf_counter() - started), model_ms))
        return wait_s

    def closed(self, samples: list[Sample], until_s: float) -> None:
        """A client that asks again when it has its answer."""
        while time.perf_counter() < until_s:
            if wait_s := self.ask(samples, self.question):
                # Not all at once: those who were refused together would come back together.
                pause_s = wait_s if self._pause_s is None else self._pause_s
                time.sleep(pause_s * random.uniform(0.5, 1.5))

    def open(
        self, samples: list[Sample], until_s: float, rate: float, question: bytes | None
    ) -> None:
        """Asks `rate` times a second, without waiting for answers."""
        with futures.ThreadPoolExecutor(_MOST_AT_ONCE) as pool:
            due_s = time.perf_counter()
            while due_s < until_s:
                time.sleep(max(0.0, due_s - time.perf_counter()))
                pool.submit(self.ask, samples, question)
                due_s += 1.0 / rate


def measure(args: argparse.Namespace, url: str) -> dict[str, list[float]]:
    """Asks; `summarise` of each load by its name."""
    clients, rows = Clients(url, args.pause_s), {}
    for _ in range(6):
        clients.ask([], clients.question)
    for count in [*args.clients, *([args.overload] if args.overload else [])]:
        samples, probes, began = [], [], time.perf_counter()
        until_s = began + args.seconds
        if len(rows) < len(args.clients):
            name, load = str(count), [(clients.closed, samples, until_s)] * count
        else:
            rate = max(0.1, count * max(row[0] for row in rows.values()))
            name, load = f"{rate:.0f}/s", [(clients.open, samples, until_s, rate, clients.question)]
        with futures.ThreadPoolExecutor(len(load) + 1) as pool:
            asked = [pool.submit(*one) for one in load]
            asked.append(pool.submit(clients.open, probes, until_s, 20.0, None))
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
def started_server(checkpoint_dir: str, server_flags: str) -> Iterator[str]:
    """Runs api_batch_server.py on a free port; yields its address. Raises RuntimeError if it ends
    before it listens."""
    with tempfile.TemporaryDirectory() as folder:
        port_file, path = pathlib.Path(folder, "port"), os.path.abspath(checkpoint_dir)
        command = [sys.executable, "api_batch_server.py", "--checkpoint_dir", path, "--port", "0"]
        command += ["--port_file", str(port_file), *shlex.split(server_flags)]
        with subprocess.Popen(command, cwd=ROOT) as process:
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
    add = parser.add_argument
    server = parser.add_mutually_exclusive_group(required=True)
    server.add_argument("--api_url", help="of a server that runs")
    server.add_argument("--checkpoint_dir", help="starts a server of its own")
    add("--server_flags", default="", help="for that server, one string: '--max_waiting 8'")
    add("--clients", type=int, nargs="+", default=[1, 8], help="at a time (%(default)s)")
    add("--seconds", type=float, default=10.0, help="for each number of clients (%(default)s)")
    add("--pause_s", type=float, help="of a client that was refused, unless what it was told")
    add("--overload", type=float, help="at last, so many times what was answered at best")
    args = parser.parse_args(arguments)
    server = contextlib.nullcontext(args.api_url)
    if args.checkpoint_dir is not None:
        server = started_server(args.checkpoint_dir, args.server_flags)
    try:
        with server as url:
            rows = measure(args, url)
    except (api_client.ApiError, OSError, RuntimeError) as error:
        print(f"serve_load: {error}", file=sys.stderr)
        return 1
    print(f"| clients | {' | '.join(COLUMNS)} |\n|---:|{'---:|' * len(COLUMNS)}")
    for name, row in rows.items():
        print(f"| {name} | {' | '.join(f'{value:.1f}' for value in row)} |")
    return 1 if any(row[-1] for row in rows.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
