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
import dataclasses
import os
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import requests

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # The file is run as a script.

from food_data import recordings  # noqa: E402

_PREDICT, _BATCH = "/predict", "/predict_batch"
_FIELDS = (
    "action",
    "food_type",
    "text",
    "resize",
    "passes",
    "batch_size",
    "enable_dropout",
    "dropout_scope",
)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one recording.

    Attributes:
        request_id: of the recording.
        difference: largest difference of a coordinate, 0..1 of the photo; None if it failed.
        versions: model versions then and now.
        failure: why there is no answer, or None.
    """

    request_id: str
    difference: float | None
    versions: tuple[str, str]
    failure: str | None = None


def request_of(one: recordings.Recording) -> tuple[str, dict[str, Any]]:
    """The route, and the JSON body that asks the same again."""
    is_batch = "mean_prediction" in one.answer
    body = {name: one.request[name] for name in _FIELDS if one.request.get(name) is not None}
    # What was answered is what was understood, also where the request left it open.
    understood = {name: one.answer.get(name) for name in ("resize", "passes", "seed")}
    body.update({name: value for name, value in understood.items() if value is not None})
    body.setdefault("action", one.answer.get("action"))
    body.setdefault("food_type", one.answer.get("food_type"))
    body["image"] = base64.b64encode(one.image.read_bytes()).decode("ascii")
    return (_BATCH if is_batch else _PREDICT), body


def replay(
    one: recordings.Recording, api_url: str, session: requests.Session, timeout_s: float = 60.0
) -> Outcome:
    """Asks again.

    Args:
        one: the recording.
        api_url: such as "http://127.0.0.1:8080".
        session: keeps the connection, and the API key among its headers.
        timeout_s: longest silence of the server.

    Returns:
        The difference, or why there is none; a server that refuses raises nothing.
    """
    route, body = request_of(one)
    then = str(one.answer.get("model_version"))
    try:
        response = session.post(api_url.rstrip("/") + route, json=body, timeout=timeout_s)
        content = response.json()
    except (requests.RequestException, ValueError) as error:
        return Outcome(one.request_id, None, (then, "?"), f"no answer: {error}")
    if not response.ok:
        reason = content.get("error") if isinstance(content, dict) else None
        return Outcome(one.request_id, None, (then, "?"), f"{response.status_code}: {reason}")
    versions = (then, str(content.get("model_version")))
    try:
        return Outcome(one.request_id, difference(one.answer, content), versions)
    except ValueError as error:
        return Outcome(one.request_id, None, versions, str(error))


def difference(first: Mapping[str, Any], second: Mapping[str, Any]) -> float:
    """The largest difference of a coordinate of two answers, 0..1 of the photo.

    Raises:
        ValueError: if one has no motion in it.
    """
    motions = [
        recordings.check_motion(recordings.answered_motion(answer)) for answer in (first, second)
    ]
    return max(abs(a - b) for a, b in zip(*motions))


def report(outcomes: Sequence[Outcome], tolerance: float) -> str:
    """A line for each recording that differs or failed, and a summary."""
    lines = []
    for one in outcomes:
        if one.failure is not None:
            lines.append(f"{one.request_id}  failed    {one.failure}")
        elif one.difference > tolerance:
            changed = " -> ".join(dict.fromkeys(one.versions))
            lines.append(f"{one.request_id}  {one.difference:.6f}  model {changed}")
    answered = [one.difference for one in outcomes if one.failure is None]
    lines.append(
        f"{len(outcomes)} recordings: {sum(each <= tolerance for each in answered)} equal within "
        f"{tolerance:g}, {sum(each > tolerance for each in answered)} different, "
        f"{len(outcomes) - len(answered)} failed; largest difference "
        + (f"{max(answered):.6f}." if answered else "unknown.")
    )
    return "\n".join(lines)


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
    with requests.Session() as session:
        if arguments.api_key:
            session.headers["X-API-Key"] = arguments.api_key
        outcomes = [replay(one, arguments.api_url, session) for one in found]
    sys.stdout.write(report(outcomes, arguments.tolerance) + "\n")
    if any(one.failure is not None for one in outcomes):
        return 2
    return int(any(one.difference > arguments.tolerance for one in outcomes))


if __name__ == "__main__":
    sys.exit(main())
