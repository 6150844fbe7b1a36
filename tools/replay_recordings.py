"""Asks a server again what it, or another one, was asked before, and reports what differs.

    python tools/replay_recordings.py --record_dir records --api_url http://127.0.0.1:8080

Each recording is sent with the fields it had; a batch with the seed that was answered. The
difference of two answers is the largest one of x1, y1, x2, y2, in 0..1 of the photo. The exit code
is 0 if none exceeds --tolerance, 1 if one does, 2 if a request failed. A server that records into
the same folder adds to it while it is asked; start it with another --record_dir, or without. A
server with keys wants one in the environment, as RT1_API_KEY.
"""

from __future__ import annotations

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))  # It is run as a script.

import api_client  # noqa: E402
from food_data import recordings  # noqa: E402

_FIELDS = (
    *("action", "food_type", "text", "resize", "passes"),
    *("batch_size", "enable_dropout", "dropout_scope", "seed"),
)
# What was answered is what was understood, also where the request left it open.
_UNDERSTOOD = ("resize", "passes", "seed")


def replay(
    one: recordings.Recording, client: api_client.FoodAcquisitionClient
) -> tuple[float, str]:
    """Asks again: the difference, and the model versions. Raises what goes wrong."""
    asked = {name: one.request.get(name) for name in _FIELDS}
    for name in ("action", "food_type", *_UNDERSTOOD):
        if asked[name] is None or name in _UNDERSTOOD:
            asked[name] = one.answer.get(name, asked[name])
    asked = {name: value for name, value in asked.items() if value is not None}
    if "mean_prediction" in one.answer:
        now = client.predict_batch(one.image, **asked).mean_prediction.content
    else:
        now = client.predict(one.image, **asked).content
    answers = (one.answer, now)
    motions = [recordings.check_motion(recordings.answered_motion(each)) for each in answers]
    versions = dict.fromkeys(str(each.get("model_version")) for each in answers)
    return max(abs(a - b) for a, b in zip(*motions)), " -> ".join(versions)


def main(argv: list[str] | None = None) -> int:
    """Replays a folder. Returns the exit code that the module's first lines state."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--record_dir", type=pathlib.Path, required=True)
    parser.add_argument("--api_url", required=True)
    parser.add_argument("--tolerance", type=float, default=1e-4, help="0..1 of the photo")
    args = parser.parse_args(argv)
    differences, num_failed = [], 0
    try:
        found = recordings.read_recordings(args.record_dir)
        client = api_client.FoodAcquisitionClient(args.api_url, timeout_s=60.0, retries=0)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    with client:
        for one in found:
            try:
                difference, versions = replay(one, client)
            except (api_client.ApiError, OSError, ValueError, TypeError) as error:
                print(f"{one.request_id}  failed    {error}")
                num_failed += 1
                continue
            differences.append(difference)
            if difference > args.tolerance:
                print(f"{one.request_id}  {difference:.6f}  model {versions}")
    num_different = sum(each > args.tolerance for each in differences)
    largest = f"{max(differences):.6f}" if differences else "unknown"
    print(
        f"{len(found)} recordings: {len(differences) - num_different} equal within "
        f"{args.tolerance:g}, {num_different} different, {num_failed} failed; largest difference "
        f"{largest}."
    )
    return 2 if num_failed else int(num_different > 0)


if __name__ == "__main__":
    sys.exit(main())
