"""Sends a running server thousands of requests that nobody should send, and says what came of it.

    python api_batch_server.py --checkpoint_dir runs/first --port 8080 &
    python tools/fuzz_server.py --api_url http://127.0.0.1:8080 --pid $! --num_requests 10000

Half of the requests come from schemathesis, which makes them up from the server's own /openapi.json
and checks that each answer is one that the document describes; the other half are our own broken
pictures and broken requests (`fuzzing/`). It prints how often each kind was answered with each
status and the server's memory over time. Exit code 1 if anything was found: a status of 500 or more
that is not the documented 503 or 504, an answer that the document does not describe, an error that
is no JSON or shows the server's insides, a closed connection, or memory that grows without bound.
With the same seed, our own half is the same again; `--save_dir` keeps each request that found
something, to be sent again with `nc`.
"""

from __future__ import annotations

import argparse
import collections
import pathlib
import subprocess
import sys
import tempfile
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from tools.fuzzing import broken_requests, memory_watch, schemathesis_run, sending  # noqa: E402

NUM_ROUTES = 12


def send_broken(
    args: argparse.Namespace, number: int, findings: list[str]
) -> dict[str, collections.Counter]:
    """Sends our own broken requests.

    Args:
        args: of the command line.
        number: of requests.
        findings: what is found is added here.

    Returns:
        Kind -> status -> number.
    """
    parts = urllib.parse.urlsplit(args.api_url)
    address = (parts.hostname, parts.port or 80)
    rng = np.random.default_rng(args.seed)
    counts: dict[str, collections.Counter] = {}
    for index in range(number):
        request = broken_requests.request(rng)
        data = sending.to_bytes(request, parts.netloc, args.api_key)
        try:
            answer = sending.send(data, address, request.method, args.timeout_s)
        except OSError as error:
            findings.append(f"request {index} ({request.kind}): {error}; stopped here")
            break
        counts.setdefault(request.kind, collections.Counter())[answer.status or 0] += 1
        problem = sending.problem(request, answer)
        if problem:
            findings.append(f"request {index} ({request.kind}, {request.path[:60]}): {problem}")
            if args.save_dir:
                args.save_dir.mkdir(parents=True, exist_ok=True)
                (args.save_dir / f"request_{args.seed}_{index}.bin").write_bytes(data)
    return counts


def run_schemathesis(
    args: argparse.Namespace, number: int, findings: list[str]
) -> dict[str, collections.Counter]:
    """Runs schemathesis; arguments and result as `send_broken`."""
    schemathesis_run.install(args.environment)
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        wrong = schemathesis_run.check_document(args.environment, args.api_url, work)
        if wrong:
            findings.append(f"/openapi.json is no OpenAPI document: {wrong}")
        report = work / "report.har"
        per_route = max(1, number // NUM_ROUTES)
        command = schemathesis_run.command(
            args.environment, args.api_url, report, per_route, args.seed
        )
        if args.api_key is not None:
            command += ["--header", f"X-API-Key: {args.api_key}"]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            findings.append(f"schemathesis ended with {done.returncode}:\n{done.stdout[-6000:]}")
        if not report.is_file():
            findings.append(f"schemathesis wrote no report: {done.stderr[-2000:]}")
            return {}
        counts = schemathesis_run.read_statuses(report)
    for name, statuses in counts.items():
        for status, times in statuses.items():
            if status >= 500 and status not in sending.DOCUMENTED_FAILURES:
                findings.append(f"schemathesis: {name} was answered with {status} {times} times")
    return counts


def table(title: str, counts: dict[str, collections.Counter]) -> str:
    """Markdown: how often each kind was answered with each status."""
    statuses = sorted({status for one in counts.values() for status in one})
    lines = [
        f"| {title} | all | " + " | ".join(str(status or "none") for status in statuses) + " |",
        "|---" * (len(statuses) + 2) + "|",
    ]
    for name, one in sorted(counts.items()):
        cells = " | ".join(str(one[status] or "") for status in statuses)
        lines.append(f"| {name} | {sum(one.values())} | {cells} |")
    return "\n".join(lines)


def _total(counts: dict[str, collections.Counter]) -> int:
    return sum(sum(one.values()) for one in counts.values())


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--api_url", default="http://127.0.0.1:8080")
    parser.add_argument("--num_requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pid", type=int, help="of the server, to watch its memory (Linux)")
    parser.add_argument("--api_key", help="if the server wants one")
    parser.add_argument("--timeout_s", type=float, default=60.0, help="for one answer")
    parser.add_argument(
        "--max_growth_mb", type=float, default=200.0, help="of memory, after the first tenth"
    )
    parser.add_argument("--save_dir", type=pathlib.Path, help="keeps requests that found something")
    parser.add_argument("--no_schemathesis", action="store_true", help="only our own requests")
    parser.add_argument(
        "--environment", type=pathlib.Path, default=ROOT / ".venv-fuzz", help="of schemathesis"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """The command line; see the module."""
    args = _parse(arguments)
    args.api_url = args.api_url.rstrip("/")
    findings: list[str] = []
    described: dict[str, collections.Counter] = {}
    with memory_watch.MemoryWatch(args.pid) as watch:
        if not args.no_schemathesis:
            described = run_schemathesis(args, args.num_requests // 2, findings)
            print(table("schemathesis", described), flush=True)
        broken = send_broken(args, max(0, args.num_requests - _total(described)), findings)
        print("\n" + table("broken", broken), flush=True)
    if watch.rows:
        print("\n" + watch.table())
        if watch.growth_mb() > args.max_growth_mb:
            findings.append(f"memory grew by {watch.growth_mb():.0f} MB")
    print(f"\n{_total(described) + _total(broken)} requests, {len(findings)} findings")
    for finding in findings[:50]:
        print(f"- {finding}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
