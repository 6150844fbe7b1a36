"""How fast a server answers: latency, throughput and errors for 1, 8, ... clients at a time.

    python benchmarks/serve_load.py --api_url http://127.0.0.1:8080 --clients 1 8 --seconds 10
    python benchmarks/serve_load.py --checkpoint_dir runs/full --clients 8 256 --overload 2.5

The second line starts a server for as long as it takes, and ends with an open load: 2.5 times as
many requests as the server answered at best, whether it answers or not. The picture is a JPEG of
640 x 480 pixels, unless --image names one. "overhead" is the median of latency minus the server's
model time: HTTP, decoding, waiting in the queue. Beside each load, /health is asked 20 times a
second. Run it on a quiet machine: the clients share it with the server, so they send bytes that are
made once, and of the answer they read only the times; "clients' cpu" is what they took of a core.
Who is refused asks again after what Retry-After says, unless --pause_s is given: 0.05 is a flood.

Exit code 0: measured; 1: not, or a request failed, with the reason on stderr; 2: wrong flags.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import collections
import contextlib
import io
import json
import os
import pathlib
import random
import re
import shlex
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # The file may be run as a script.

import api_client  # noqa: E402

STAGES = ("decode", "queue", "model", "total")
# Status, latency in ms, and of an answer the server's own times.
Sample = tuple[int, float, dict[str, float]]
_NO_ANSWER = 0
_ANSWER_LIMIT_S, _START_LIMIT_S = 60.0, 600.0


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
    add("--pause_s", type=float, help="of a client that was refused, unless what it was told")
    add("--overload", type=float, help="at last, so many times what was answered at best")
    add("--route", choices=("/predict", "/predict_batch"), default="/predict")
    add("--image", type=pathlib.Path, help="file of a picture")
    add("--action", help="unless given, the first that the server knows")
    add("--food_type", help="unless given, the first that the server knows")
    add("--num_samples", type=int, default=16, help="of /predict_batch (%(default)s)")
    add("--dropout_scope", choices=("head", "full"), default="head", help="of /predict_batch")
    add("--api_key", help=f"better in the environment, as {api_client.API_KEY_VARIABLE}")
    add("--output_file", type=pathlib.Path, help="the rows as JSON")
    args = parser.parse_args(arguments)
    if min(args.clients) < 1 or min(args.seconds, args.overload or 1) <= 0:
        parser.error("expected --clients of 1 or more, --seconds and --overload above 0")
    if (args.action is None) != (args.food_type is None):
        parser.error("expected both --action and --food_type, or neither")
    return args


def question(args: argparse.Namespace, url: str) -> bytes:
    """What a client sends. Raises ApiError or OSError."""
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
    fields: dict[str, Any] = {"image": base64.b64encode(picture).decode("ascii")}
    fields.update(action=action, food_type=food)
    if args.route == "/predict_batch":
        fields.update(batch_size=args.num_samples, dropout_scope=args.dropout_scope)
    body = json.dumps(fields).encode()
    key = args.api_key or os.environ.get(api_client.API_KEY_VARIABLE)
    more = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return _header(url, "POST", args.route, more + (f"X-API-Key: {key}\r\n" if key else "")) + body


def _header(url: str, method: str, route: str, more: str = "") -> bytes:
    parts = urllib.parse.urlsplit(url)
    path = parts.path.rstrip("/") + route
    return f"{method} {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{more}\r\n".encode()


class _Clients:
    """Connections to one server, kept open from one request to the next."""

    def __init__(self, url: str, pause_s: float | None) -> None:
        """`pause_s`: after a refusal, before the next request; None for what the server says."""
        self._pause_s = pause_s
        parts = urllib.parse.urlsplit(url)
        tls = parts.scheme == "https"
        self._address = parts.hostname, parts.port or (443 if tls else 80)
        self._tls, self._idle = tls or None, []

    async def ask(self, data: bytes, samples: list[Sample]) -> float:
        """One request; for how many seconds the server wants to be left alone."""
        started, timing, wait_s = time.perf_counter(), {}, 1.0
        try:
            status, body, wait_s = await asyncio.wait_for(self._exchange(data), _ANSWER_LIMIT_S)
        except (OSError, EOFError, asyncio.TimeoutError):
            status = _NO_ANSWER
        latency_ms = 1000 * (time.perf_counter() - started)
        if status == 200:
            timing = json.loads(body).get("timing_ms", {})
        samples.append((status, latency_ms, timing))
        return wait_s

    async def _exchange(self, data: bytes) -> tuple[int, bytes, float]:
        # The server may have closed what waited too long.
        self._idle = [one for one in self._idle if not one[0].at_eof()]
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection(*self._address, ssl=self._tls)
        writer.write(data)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        body = await reader.readexactly(int(re.search(rb"content-length: *(\d+)", head)[1]))
        if b"connection: close" in head:
            writer.close()
        else:
            self._idle.append((reader, writer))
        wait = re.search(rb"retry-after: *(\d+)", head)
        return int(head.split(b" ", 2)[1]), body, float(wait[1]) if wait else 0.0

    async def closed(self, data: bytes, samples: list[Sample], until_s: float) -> None:
        """A client that asks again when it has its answer."""
        while time.perf_counter() < until_s:
            if wait_s := await self.ask(data, samples):
                # Not all at once: those who were refused together would come back together.
                pause_s = wait_s if self._pause_s is None else self._pause_s
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))

    async def open(self, data: bytes, samples: list[Sample], until_s: float, rate: float) -> None:
        """Asks `rate` times a second, without waiting for answers."""
        asked, begun = set(), time.perf_counter()
        while (now := time.perf_counter()) < until_s:
            due = int((now - begun) * rate) + 1 - len(asked)
            asked |= {asyncio.create_task(self.ask(data, samples)) for _ in range(due)}
            await asyncio.sleep(0.5 / rate)
        await asyncio.gather(*asked)


async def measure(args: argparse.Namespace, url: str) -> dict[str, Any]:
    """Asks; times are in ms, None without an answer.

    Returns:
        {'route', 'request_bytes', 'first_ms', 'rows': [`summarise` and 'x of first': throughput
        against the first row, 'health p99', "clients' cpu": share of a core]}
    """
    data, health = question(args, url), _header(url, "GET", "/health")
    clients = _Clients(url, args.pause_s)
    first: list[Sample] = []
    for _ in range(6):
        await clients.ask(data, first)
    rows: list[dict[str, Any]] = []
    for count in [*args.clients, *([args.overload] if args.overload else [])]:
        samples, probes = [], []
        began, cpu = time.perf_counter(), time.process_time()
        until_s = began + args.seconds
        if len(rows) < len(args.clients):
            name, load = count, [clients.closed(data, samples, until_s) for _ in range(count)]
        else:
            rate = count * max(row["requests/s"] for row in rows)
            name, load = f"{rate:.0f}/s", [clients.open(data, samples, until_s, max(rate, 0.1))]
        probing = asyncio.create_task(clients.open(health, probes, until_s, 20.0))
        await asyncio.gather(*load)
        seconds = time.perf_counter() - began
        share = (time.process_time() - cpu) / seconds
        await probing
        row = summarise(name, samples, seconds)
        row["health p99"] = percentile([latency for status, latency, _ in probes if status], 99)
        if bad := sum(status != 200 for status, *_ in probes):
            row["errors"]["health"] = bad
        row["clients' cpu"] = share
        rows.append(row)
        row["x of first"] = row["requests/s"] / (rows[0]["requests/s"] or 1.0)
    first_ms = first[0][1] if first[0][0] == 200 else None
    return {"route": args.route, "request_bytes": len(data), "first_ms": first_ms, "rows": rows}


def percentile(values: Sequence[float], share: float = 50) -> float | None:
    """None of no values."""
    return float(np.percentile(values, share)) if len(values) else None


def summarise(clients: int | str, samples: Sequence[Sample], seconds: float) -> dict[str, Any]:
    """One row: 'clients', 'answered', 'requests/s', 'p50', 'p95', 'p99', a median for each of
    `STAGES`, 'overhead', '503 p99' and 'errors': {status: number}."""
    good = [(latency, timing) for status, latency, timing in samples if status == 200]
    errors = collections.Counter(str(status) for status, *_ in samples if status != 200)
    return {
        "clients": clients,
        "answered": len(good),
        "requests/s": len(good) / seconds,
        **{f"p{n}": percentile([latency for latency, _ in good], n) for n in (50, 95, 99)},
        **{stage: percentile([timing[stage] for _, timing in good]) for stage in STAGES},
        "overhead": percentile([latency - timing["model"] for latency, timing in good]),
        "503 p99": percentile([latency for status, latency, _ in samples if status == 503], 99),
        "errors": dict(sorted(errors.items())),
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a Markdown table, errors below it."""
    columns = [*("clients", "requests/s", "x of first", "p50", "p95", "p99", *STAGES, "overhead")]
    columns += ["503 p99", "health p99", "clients' cpu"]
    lines = [f"| {' | '.join(columns)} |", f"|{'---:|' * len(columns)}"]
    for row in rows:
        values = [row[name] for name in columns]
        texts = ["-" if one is None else f"{one:.1f}" for one in values[1:]]
        lines.append(f"| {' | '.join([str(values[0]), *texts])} |")
    for row in rows:
        for status, number in row["errors"].items():
            kind = {"0": "without an answer", "health": "of /health that failed"}
            kind = kind.get(status, f"with status {status}")
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
            found = asyncio.run(measure(args, url))
    except (api_client.ApiError, OSError, RuntimeError) as error:
        print(f"serve_load: {error}", file=sys.stderr)
        return 1
    print(table(found["rows"]))
    first_ms = found["first_ms"]
    print("first request", "-" if first_ms is None else f"{first_ms:.1f} ms")
    if args.output_file is not None:
        args.output_file.write_text(json.dumps(found, indent=1) + "\n")
    return 1 if first_ms is None or any(row["errors"] for row in found["rows"]) else 0


if __name__ == "__main__":
    sys.exit(main())
