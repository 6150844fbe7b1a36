"""The command from_recordings of build_dataset.py: what a server recorded, to train on.

    python build_dataset.py from_recordings records --only_corrected --output_file data/day_2.npz

`serving/recordings.py` says what the folder holds. Where a person corrected an answer, the
correction is the label; without --only_corrected the other answers are labels too, which teaches a
model what it says already.

A photo that was asked about several times with one instruction is one sample, or it would have
labels that contradict each other: the last correction, or else the last answer.
"""

from __future__ import annotations

import argparse
import collections
import functools
import hashlib
import pathlib
from collections.abc import Iterable

import numpy as np
import tqdm

from food_data import (
    annotations,
    dataset_builder,
    embedding_store,
    image_placement,
    npz_dataset,
    recordings,
)


def add_parser(subparsers: argparse._SubParsersAction) -> list[argparse.ArgumentParser]:
    """Adds the command; `arguments.build(arguments)` gives the data set.

    Returns:
        Its parser, which lacks the flags of `output.add_flags`.
    """
    parser = subparsers.add_parser("from_recordings", help="from what a server recorded")
    parser.set_defaults(build=_build)
    parser.add_argument("record_dir", type=pathlib.Path, help="--record_dir of the server")
    parser.add_argument(
        "--only_corrected", action="store_true", help="leave out answers that nobody corrected"
    )
    parser.add_argument(
        "--resize",
        choices=image_placement.MODES,
        help="how a picture becomes square (default: as in the recordings, if all agree)",
    )
    parser.add_argument(
        "--skip_unreadable", action="store_true", help="leave broken pictures out, and list them"
    )
    return [parser]


def _build(arguments: argparse.Namespace) -> npz_dataset.FoodDataset:
    found = recordings.read_recordings(arguments.record_dir)
    chosen = choose(found, only_corrected=arguments.only_corrected)
    corrected = sum(one.correction is not None for one in chosen)
    print(
        f"{arguments.record_dir}: {len(found)} recordings; {corrected} corrected samples, "
        f"{len(chosen) - corrected} of the model's own answers, {len(found) - len(chosen)} left out"
    )
    if not chosen:
        raise ValueError(
            f"{arguments.record_dir}: no recording is left of {len(found)}. Correct some answers "
            "on the server's page, or leave --only_corrected away."
        )
    dataset, report = dataset_builder.build_dataset(
        [_picture(one, arguments.record_dir) for one in chosen],
        embedding_store.EmbeddingStore.load(arguments.embeddings_dir),
        action=None,
        resize=arguments.resize or common_resize(chosen),
        skip_unreadable=arguments.skip_unreadable,
        progress=functools.partial(tqdm.tqdm, unit="picture", disable=None),
    )
    print(report.text())
    return dataset


def choose(
    found: Iterable[recordings.Recording], *, only_corrected: bool
) -> list[recordings.Recording]:
    """One recording of each photo with each instruction.

    Args:
        found: the oldest first.
        only_corrected: leave out what nobody corrected.

    Returns:
        The last corrected one of each, or else the last one, in the order of `found`.

    Raises:
        OSError: if a photo is unreadable.
    """
    best: dict[tuple[str, str, str], recordings.Recording] = {}
    for one in found:
        if only_corrected and one.correction is None:
            continue
        key = (hashlib.sha256(one.image.read_bytes()).hexdigest(), *_instruction(one))
        if key not in best or _rank(one) >= _rank(best[key]):
            best.pop(key, None)  # To the end: the order is that of the recordings chosen.
            best[key] = one
    return list(best.values())


def common_resize(chosen: Iterable[recordings.Recording]) -> str:
    """How all the photos became square. Raises ValueError unless all agree."""
    counts = collections.Counter(str(one.answer.get("resize")) for one in chosen)
    if len(counts) > 1 or not set(counts) <= set(image_placement.MODES):
        listed = ", ".join(f"{count} with {mode}" for mode, count in sorted(counts.items()))
        raise ValueError(
            f"resize: expected one of {', '.join(image_placement.MODES)} for all recordings, got "
            f"{listed}. Choose one with --resize."
        )
    return next(iter(counts))


def _rank(one: recordings.Recording) -> tuple[bool, str]:
    if one.correction is None:
        return (False, "")
    return (True, str(one.correction.get("corrected_at", "")))


def _instruction(one: recordings.Recording) -> tuple[str, str]:
    """Action and food as the server understood them."""
    names = (one.answer.get("action"), one.answer.get("food_type"))
    if not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"{one.folder}: expected the strings action and food_type in the answer, got {names}."
        )
    return names


def _picture(one: recordings.Recording, directory: pathlib.Path) -> annotations.LabelledPicture:
    size = (one.answer.get("image_width"), one.answer.get("image_height"))
    if not all(isinstance(length, int) and length > 0 for length in size):
        raise ValueError(
            f"{one.folder}: expected image_width and image_height in pixels in the answer, got "
            f"{size}."
        )
    action, food = _instruction(one)
    axis = np.reshape(one.motion(), (2, 2)) * size
    labelled = annotations.LabelledObject(label=food, axis=axis, action=action)
    source = f"{directory.resolve().name}/{one.image.relative_to(directory).as_posix()}"
    return annotations.LabelledPicture(one.image, source, size, (labelled,))
