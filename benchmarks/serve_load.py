"""How fast a server answers /predict: latency, throughput and refusals for 1, 8, ... clients.

    python benchmarks/serve_load.py --api_url http://127.0.0.1:8080 --clients 1 8 --seconds 10
    python benchmarks/serve_load.py --checkpoint_dir runs/full --clients 8 256 --overload 2.5

The second line starts a server for as long as it takes, and ends with an open load: 2.5 times as
many requests as the server answered at best, whether it answers or not. The picture is a JPEG of
640 x 480 pixels. "model" is the median of the server's own model time. Beside each load, /health is
asked 20 times a second. Who is refused asks again after what Retry-After says, unless --pause_s is
given: 0.05 is a flood. Exit code 1: no server, or other than answers and refusals (503).
"""

from __future__ import annotations

import argparse
import base64
import collections
import contextlib
import http.client
import io
import json
import os
import pathlib
import random
import shlex
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from concurrent import futures

import numpy as np
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # The file may be run as a script.

import api_client  # noqa: E402

COLUMNS = ("clients", "answers/s", "p50", "p99", "model", "503, p99", "/health, p99")
# Status (0: no answer), latency in ms, and of an answer the server's model time.
Sample = tuple[int, float, float]
_ANSWER_LIMIT_S, _START_LIMIT_S, _MOST_AT_ONCE = 60.0, 600.0, 512


class Clients:
    """What clients send to one server; each thread keeps its connection open."""

    def __init__(self, url: str, pause_s: float | None) -> None:
        """`pause_s`: after a refusal, before the next request; None for what the server says."""
        self._url, self._pause_s = urllib.parse.urlsplit(url), pause_s
        self._of_thread = threading.local()
        key = os.environ.get(api_client.API_KEY_VARIABLE, "")
        self._headers = {"X-API-Key": key, "Content-Type": "application/json"}
        with api_client.FoodAcquisitionClient(url) as client:
            action, food = client.available_combinations()[0]
        # As fine as makes a file of a photograph's size.
        buffer, pixels = io.BytesIO(), np.random.default_rng(0).integers(0, 256, (96, 128, 3))
        picture = Image.fromarray(pixels.astype(np.uint8)).resize((640, 480))
        picture.save(buffer, "JPEG", quality=85)
        picture = base64.b64encode(buffer.getvalue()).decode("ascii")
        question = {"image": picture, "action": action, "food_type": food}
        self.question = json.dumps(question).encode()

    def ask(self, samples: list[Sample], question: bytes | None) -> float:
        """One request to /predict, or without a question to /health; for how many seconds the
        server wants to be left alone."""
        if not hasattr(self._of_thread, "connection"):
            is_tls = self._url.scheme == "https"
            kind = http.client.HTTPSConnection if is_tls else http.client.HTTPConnection
            self._of_thread.connection = kind(self._url.netloc, timeout=_ANSWER_LIMIT_S)
        connection, started = self._of_thread.connection, time.perf_counter()
        status, model_ms, wait_s = 0, 0.0, 1.0
        request = ("GET", "/health") if question is None else ("POST", "/predict", question)
        try:
            connection.request(*request, headers=self._headers)
            answer = connection.getresponse()
            model_ms = json.loads(answer.read()).get("timing_ms", {}).get("model", 0.0)
            status, wait_s = answer.status, float(answer.getheader("Retry-After", 0))
        except (OSError, http.client.HTTPException):
            connection.close()
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


def measure(args: argparse.Namespace, url: str) -> list[dict[str, object]]:
    """Asks; `summarise` of each load."""
    clients, rows = Clients(url, args.pause_s), []
    for _ in range(6):
        clients.ask([], clients.question)
    for count in [*args.clients, *([args.overload] if args.overload else [])]:
        samples, probes, began = [], [], time.perf_counter()
        until_s = began + args.seconds
        if len(rows) < len(args.clients):
            name, load = str(count), [(clients.closed, samples, until_s)] * count
        else:
            rate = max(0.1, count * max(row["answers/s"] for row in rows))
            name, load = f"{rate:.0f}/s", [(clients.open, samples, until_s, rate, clients.question)]
        with futures.ThreadPoolExecutor(len(load) + 1) as pool:
            asked = [pool.submit(*one) for one in load]
            asked.append(pool.submit(clients.open, probes, until_s, 20.0, None))
        for one in asked:
            one.result()
        rows.append(summarise(name, samples, probes, time.perf_counter() - began))
    return rows


def summarise(
    name: str, samples: Sequence[Sample], probes: Sequence[Sample], seconds: float
) -> dict[str, object]:
    """`COLUMNS`, times in ms and NaN without any, and 'failed': {status: number}."""

    def percentile(share: int, some: Sequence[Sample], status: int = 200, column: int = 1) -> float:
        values = [one[column] for one in some if one[0] == status]
        return float(np.percentile(values, share)) if values else np.nan

    failed = collections.Counter(one[0] for one in samples if one[0] not in (200, 503))
    failed += collections.Counter(one[0] for one in probes if one[0] != 200)
    figures = (
        sum(one[0] == 200 for one in samples) / seconds,
        percentile(50, samples),
        percentile(99, samples),
        percentile(50, samples, column=2),
        percentile(99, samples, 503),
        percentile(99, probes),
    )
    return {**dict(zip(COLUMNS, (name, *figures))), "failed": dict(failed)}


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
    print(f"| {' | '.join(COLUMNS)} |\n|{'---:|' * len(COLUMNS)}")
    for row in rows:
        cells = [row["clients"], *(f"{row[name]:.1f}" for name in COLUMNS[1:])]
        print(f"| {' | '.join(cells)} |")
    failed = {row["clients"]: row["failed"] for row in rows if row["failed"]}
    if failed:
        print(f"serve_load: statuses of failed requests, 0 for no answer: {failed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
