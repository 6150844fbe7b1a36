"""Asks a server again what it, or another one, was asked before, and reports what differs.

    python tools/replay_recordings.py --record_dir records --api_url http://127.0.0.1:8080

Each recording is sent with the fields it had; a batch with the seed that was answered. The
difference of two answers is the largest one of x1, y1, x2, y2, in 0..1 of the photo. The exit code
is 0 if none exceeds --tolerance, 1 if one does, 2 if a request failed. A server that records into
the same folder adds to it while it is asked; start it with another --record_dir, or without.
"""

from __future__ import annotations

import argparse
import base64
import os
import pathlib
import sys

import requests

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # The file is run as a script.

from food_data import recordings  # noqa: E402

_FIELDS = (
    *("action", "food_type", "text", "resize", "passes"),
    *("batch_size", "enable_dropout", "dropout_scope"),
)


def replay(
    one: recordings.Recording, api_url: str, session: requests.Session
) -> tuple[float | None, str]:
    """Asks again: the difference and the model versions, or None and why there is none."""
    body = {name: one.request[name] for name in _FIELDS if one.request.get(name) is not None}
    # What was answered is what was understood, also where the request left it open.
    understood = {name: one.answer.get(name) for name in ("resize", "passes", "seed")}
    body.update({name: value for name, value in understood.items() if value is not None})
    body.setdefault("action", one.answer.get("action"))
    body.setdefault("food_type", one.answer.get("food_type"))
    body["image"] = base64.b64encode(one.image.read_bytes()).decode("ascii")
    route = "/predict_batch" if "mean_prediction" in one.answer else "/predict"
    try:
        response = session.post(api_url.rstrip("/") + route, json=body, timeout=60)
        content = response.json()
    except (requests.RequestException, ValueError) as error:
        return None, f"no answer: {error}"
    if not response.ok:
        reason = content.get("error") if isinstance(content, dict) else None
        return None, f"{response.status_code}: {reason}"
    try:
        then, now = (
            recordings.check_motion(recordings.answered_motion(answer))
            for answer in (one.answer, content)
        )
    except ValueError as error:
        return None, str(error)
    versions = (str(answer.get("model_version")) for answer in (one.answer, content))
    return max(abs(a - b) for a, b in zip(then, now)), " -> ".join(dict.fromkeys(versions))


def main(argv: list[str] | None = None) -> int:
    """Replays a folder. Returns the exit code that the module's first lines state."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--record_dir", type=pathlib.Path, required=True)
    parser.add_argument("--api_url", required=True)
    parser.add_argument("--tolerance", type=float, default=1e-4, help="0..1 of the photo")
    parser.add_argument(
        "--api_key", default=os.environ.get("API_KEY"), help="API_KEY of the environment if absent"
    )
    arguments = parser.parse_args(argv)
    try:
        found = recordings.read_recordings(arguments.record_dir)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    differences, tolerance = [], arguments.tolerance
    with requests.Session() as session:
        if arguments.api_key:
            session.headers["X-API-Key"] = arguments.api_key
        for one in found:
            difference, text = replay(one, arguments.api_url, session)
            if difference is None:
                sys.stdout.write(f"{one.request_id}  failed    {text}\n")
                continue
            differences.append(difference)
            if difference > tolerance:
                sys.stdout.write(f"{one.request_id}  {difference:.6f}  model {text}\n")
    num_different = sum(each > tolerance for each in differences)
    num_failed = len(found) - len(differences)
    largest = f"{max(differences):.6f}" if differences else "unknown"
    sys.stdout.write(
        f"{len(found)} recordings: {len(differences) - num_different} equal within {tolerance:g}, "
        f"{num_different} different, {num_failed} failed; largest difference {largest}.\n"
    )
    return 2 if num_failed else int(num_different > 0)


if __name__ == "__main__":
    sys.exit(main())
