"""Writes a model card beside a checkpoint: what it is, what it learned from, how good it is.

    python model_card.py --checkpoint_dir runs/first --evaluations runs/first_test.json \
        --license cc-by-4.0

writes runs/first/MODEL_CARD.md, Markdown with the front matter of the Hugging Face hub (there it is
called README.md), from `model_card.md.jinja`. train.py writes one when it ends, without
evaluations. Every figure is read from metadata.json, uncertainty.json and the files of `evaluate.py
--output_file`; what nobody has measured is said to be unknown.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from food_data import atomic_files

CARD_FILE = "MODEL_CARD.md"


def _entry(found: Mapping[str, Any] | None, factor: float = 1, unit: str = "") -> str:
    """A mean with its interval, as `97.4 [96.8, 98.0] %`."""
    if not found or found.get("mean") is None:
        return "unknown"
    values = (factor * found[key] for key in ("mean", "low", "high"))
    mean, low, high = (f"{value:.{1 if unit else 4}f}" for value in values)
    return f"{mean} [{low}, {high}] {unit}".rstrip()


def write(
    directory: str | os.PathLike[str],
    evaluations: Sequence[Mapping[str, Any]] = (),
    license_name: str = "unknown",
) -> pathlib.Path:
    """Writes the card of a checkpoint directory and returns its path. Raises OSError or ValueError
    if files cannot be read or written, KeyError names what an evaluation lacks.

    Args:
        directory: with metadata.json, and uncertainty.json if it is calibrated.
        evaluations: contents of files of `evaluate.py --output_file`.
        license_name: of the weights, in the hub's spelling.
    """
    import jinja2  # Here, so that `train.py --help` does not wait.

    directory = pathlib.Path(directory)
    metadata = json.loads((directory / "metadata.json").read_text(encoding="utf-8"))
    calibration = directory / "uncertainty.json"
    foods = collections.defaultdict(list)
    for action, food in metadata.get("trained_pairs") or []:
        foods[action].append(food)
    template = pathlib.Path(__file__).with_name("model_card.md.jinja").read_text("utf-8")
    text = jinja2.Template(template, keep_trailing_newline=True).render(
        license=license_name,
        name=directory.resolve().name,
        metadata={"framing": {}, "versions": {}, "metrics": {}, **metadata},
        known=collections.defaultdict(lambda: "unknown", metadata),
        pair=(metadata.get("trained_pairs") or [("skewering", "strawberry")])[0],
        pairs="; ".join(f"{action}: {', '.join(sorted(of))}" for action, of in foods.items()),
        evaluations=[{"data": one["data"], "errors": one["errors"]} for one in evaluations],
        calibration=calibration.is_file() and json.loads(calibration.read_text("utf-8")),
        entry=_entry,
    )
    with atomic_files.replace_file(directory / CARD_FILE) as file:
        file.write(text.encode())
    return directory / CARD_FILE


def main(arguments: list[str] | None = None) -> int:
    """The command line; see the module. Returns 0, or 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--checkpoint_dir", required=True, help="that train.py wrote")
    add("--evaluations", nargs="+", default=[], help="files of evaluate.py --output_file")
    add("--license", default="unknown", help="of the weights, such as cc-by-4.0")
    args = parser.parse_args(arguments)
    try:
        contents = [json.loads(pathlib.Path(one).read_text("utf-8")) for one in args.evaluations]
        print(write(args.checkpoint_dir, contents, args.license))
    except (OSError, ValueError, LookupError) as error:
        why = f"no such entry in a file: {error}" if isinstance(error, KeyError) else error
        print(f"model_card.py: {why}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
