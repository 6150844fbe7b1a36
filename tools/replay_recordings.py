"""Asks a server again what it, or another one, was asked before, and reports what differs.

    python tools/replay_recordings.py --record_dir records --api_url http://127.0.0.1:8080

Each recording is sent with the fields it had; a batch with the seed that was answered. The
difference of two answers is the largest one of x1, y1, x2, y2, in 0..1 of the photo. The exit code
is 0 if none exceeds --tolerance, 1 if one does, 2 if a request failed. A server that records into
the same folder adds to it while it is asked; start it with another --record_dir, or without.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # The file is run as a script.

import api_client  # noqa: E402
from food_data import recordings  # noqa: E402

_FIELDS = (
    *("action", "food_type", "text", "resize", "passes"),
    *("batch_size", "enable_dropout", "dropout_scope"),
)


def replay(
    one: recordings.Recording, client: api_client.FoodAcquisitionClient
) -> tuple[float | None, str]:
    """Asks again: the difference and the model versions, or None and why there is none."""
    asked = {name: one.request[name] for name in _FIELDS if one.request.get(name) is not None}
    # What was answered is what was understood, also where the request left it open.
    understood = {name: one.answer.get(name) for name in ("resize", "passes", "seed")}
    asked |= {name: value for name, value in understood.items() if value is not None}
    asked.setdefault("action", one.answer.get("action"))
    asked.setdefault("food_type", one.answer.get("food_type"))
    try:
        if "mean_prediction" in one.answer:
            now = client.predict_batch(one.image, **asked).mean_prediction.content
        else:
            now = client.predict(one.image, **asked).content
        motions = [
            recordings.check_motion(recordings.answered_motion(x)) for x in (one.answer, now)
        ]
    except (api_client.ApiError, OSError, ValueError, TypeError) as error:
        return None, str(error)
    versions = (str(answer.get("model_version")) for answer in (one.answer, now))
    return max(abs(a - b) for a, b in zip(*motions)), " -> ".join(dict.fromkeys(versions))


def main(argv: list[str] | None = None) -> int:
    """Replays a folder. Returns the exit code that the module's first lines state."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--record_dir", type=pathlib.Path, required=True)
    parser.add_argument("--api_url", required=True)
    parser.add_argument("--tolerance", type=float, default=1e-4, help="0..1 of the photo")
    key = os.environ.get("API_KEY")
    parser.add_argument("--api_key", default=key, help="unless given, API_KEY of the environment")
    arguments = parser.parse_args(argv)
    how = {"api_key": arguments.api_key, "timeout_s": 60.0, "retries": 0}
    try:
        found = recordings.read_recordings(arguments.record_dir)
        asking = api_client.FoodAcquisitionClient(arguments.api_url, **how)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    differences, tolerance = [], arguments.tolerance
    with asking as client:
        for one in found:
            difference, text = replay(one, client)
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
