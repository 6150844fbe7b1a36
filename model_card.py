"""Writes a model card beside a checkpoint: what it is, what it learned from, how good it is.

    python model_card.py --checkpoint_dir runs/first --evaluations runs/first_test.json \
        --license cc-by-4.0

writes runs/first/MODEL_CARD.md, Markdown with the front matter of the Hugging Face hub (there it is
called README.md). train.py writes one when it ends, without evaluations. Every figure is read from
metadata.json, uncertainty.json and the files of `evaluate.py --output_file`; what nobody has
measured is said to be unknown.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from food_data import atomic_files

CARD_FILE = "MODEL_CARD.md"
_SETTINGS = ("loss_type", "action_coding", "num_epochs", "batch_size", "seed")
_COLUMNS = (
    ("midpoint on the asked food", "hit_rate", 100, "%"),
    ("place and direction right", "right_rate", 100, "%"),
    ("midpoint, mean over x and y", "centroid_mae", 1, ""),
    ("angle of long food, modulo 180", "elongated_angle_mae_mod180_deg", 1, "°"),
)
_HEAD = """---
language: en
license: {license}
library_name: tf-agents
pipeline_tag: robotics
tags:
- robotics
- rt-1
- food-acquisition
---
# {name}

RT-1 (arXiv 2212.06817) fine-tuned for food acquisition: a photo of a plate and an instruction (an
action and a food) go in; the execution parameters `[x1, y1, x2, y2]` come out, where the motion of
the fork or spoon starts and ends, in 0..1 of the photo's width and height, origin top left.

```python
from policy import CheckpointPolicy

policy = CheckpointPolicy.load("{name}")
print(policy.predict("plate.jpg", "{action}", "{food}").pixels)
```
"""
_LIMITS = """
## Limits

- It answers about the actions and foods above; about others a person is asked (`trained: false`).
- It always answers, also where the food is absent: act on an answer only where `ask_human` is
  false, and calibrate on photos of your own camera and plates (`calibrate.py`).
- It knows nothing of depth, reach, force, allergies or the person who eats. A robot that moves on
  its answers needs a supervisor and limits of its own.
"""


def _entry(found: Mapping[str, Any] | None, factor: float, unit: str) -> str:
    """A mean with its interval, as `97.4 [96.8, 98.0] %`."""
    if not found or found.get("mean") is None:
        return "unknown"
    mean, low, high = (
        f"{factor * found[key]:.{1 if factor > 1 or unit else 4}f}"
        for key in ("mean", "low", "high")
    )
    return f"{mean} [{low}, {high}] {unit}".rstrip()


def _evaluated(evaluations: Sequence[Mapping[str, Any]]) -> list[str]:
    """A table of the model and its baselines for each evaluation file."""
    lines = ["", "## How good it is", ""]
    if not evaluations:
        return [
            *lines,
            "Nobody has evaluated it on a test set: run evaluate.py, then model_card.py.",
        ]
    lines += ["Mean [95 % interval by picture], of answers that need no model too.", ""]
    lines += ["| data | answer | " + " | ".join(name for name, *_ in _COLUMNS) + " |"]
    lines += ["|" + "---|" * (len(_COLUMNS) + 2)]
    for one in evaluations:
        data = one["data"]
        where = f"{data['name']}, {data['num_samples']} samples of {data['num_pictures']} pictures"
        for answer, errors in one["errors"].items():
            cells = [_entry(errors.get(key), *rest) for _, key, *rest in _COLUMNS]
            lines.append(f"| {where} | {answer} | " + " | ".join(cells) + " |")
    return lines


def _trained(metadata: Mapping[str, Any]) -> list[str]:
    """What it learned from, and how that went."""
    pairs: dict[str, list[str]] = {}
    for action, food in metadata.get("trained_pairs") or []:
        pairs.setdefault(action, []).append(food)
    known = "; ".join(f"{action}: {', '.join(sorted(foods))}" for action, foods in pairs.items())
    rows = {
        "data set": f"{metadata.get('dataset', 'unknown')}, fingerprint "
        f"{str(metadata.get('dataset_fingerprint', 'unknown'))[:12]}",
        "samples": f"{metadata.get('num_train', 'unknown')} train, "
        f"{metadata.get('num_val', 'unknown')} validate",
        "actions and foods": known or "unknown",
        **{key: metadata.get(key, "unknown") for key in _SETTINGS},
        "looks at a photo": metadata.get("framing", {}).get("passes", "one"),
        "versions": ", ".join(f"{k} {v}" for k, v in metadata.get("versions", {}).items()),
    }
    lines = ["", "## Training", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in rows.items()]
    error = metadata.get("metrics", {}).get("centroid_mae")
    if error is not None:
        lines += [
            "",
            f"Error of the midpoint on the validation split, which chose it: {error:.4f}.",
        ]
    return lines


def _calibrated(calibration: Mapping[str, Any] | None) -> list[str]:
    """When it asks a person."""
    if calibration is None:
        return ["", "It is not calibrated: `ask_human` is unknown."]
    fitted = calibration["fitted_on"]
    samples, pictures = fitted["num_calibration_samples"], len(fitted["picture_ids"])
    text = f"Calibrated on {samples} samples of {pictures} pictures (passes: {fitted['passes']})."
    if calibration.get("asking", {}).get("meets_floor") is False:
        text += " It misses its floor: a person is asked about everything."
    return ["", text]


def write(
    directory: str | os.PathLike[str],
    evaluations: Sequence[Mapping[str, Any]] = (),
    license_name: str = "unknown",
) -> pathlib.Path:
    """Writes the card of a checkpoint directory and returns its path.

    Args:
        directory: with metadata.json, and uncertainty.json if it is calibrated.
        evaluations: contents of files of `evaluate.py --output_file`.
        license_name: of the weights, in the hub's spelling.

    Raises:
        OSError, ValueError: if the directory's files cannot be read, or the card not be written.
        KeyError: names what an evaluation lacks.
    """
    directory = pathlib.Path(directory)
    metadata = json.loads((directory / "metadata.json").read_text(encoding="utf-8"))
    calibration = directory / "uncertainty.json"
    calibration = json.loads(calibration.read_text("utf-8")) if calibration.is_file() else None
    action, food = (metadata.get("trained_pairs") or [("skewering", "strawberry")])[0]
    head = _HEAD.format(
        license=license_name, name=directory.resolve().name, action=action, food=food
    )
    lines = [*_trained(metadata), *_evaluated(evaluations), *_calibrated(calibration)]
    path = directory / CARD_FILE
    with atomic_files.replace_file(path) as file:
        file.write((head + "\n".join(lines) + "\n" + _LIMITS).encode())
    return path


def main(arguments: list[str] | None = None) -> int:
    """The command line; see the module. Returns 0, or 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint_dir", required=True, help="that train.py wrote")
    parser.add_argument(
        "--evaluations", nargs="+", default=[], help="files of evaluate.py --output_file"
    )
    parser.add_argument("--license", default="unknown", help="of the weights, such as cc-by-4.0")
    args = parser.parse_args(arguments)
    try:
        contents = [json.loads(pathlib.Path(one).read_text("utf-8")) for one in args.evaluations]
        print(write(args.checkpoint_dir, contents, args.license))
    except KeyError as error:
        print(
            f"model_card.py: expected files of evaluate.py, got one without {error}.",
            file=sys.stderr,
        )
        return 1
    except (OSError, ValueError) as error:
        print(f"model_card.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
