"""What a folder of TFRecord shards holds: `index.json`, and `labels.npz` without the pictures.

    {"format_version": 1, "fingerprint": "9f3c...", "resize": "letterbox", "has_masks": false,
     "action_names": ["skewering"], "food_types": ["banana", "grape"],
     "train": [{"file": "train-00000-of-00012.tfrecord", "num_samples": 512,
                "num_bytes": 86703104}, ...],
     "val": [...]}

The index is written last, so a folder that has one is complete.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping

import numpy as np

from food_data import atomic_files, npz_files

FORMAT_VERSION = 1
INDEX_FILE = "index.json"
LABELS_FILE = "labels.npz"
SPLITS = ("train", "val")


@dataclasses.dataclass(frozen=True)
class Shard:
    """One file.

    Attributes:
        file: its name in the folder.
        num_samples: at least 1.
        num_bytes: its size.
    """

    file: str
    num_samples: int
    num_bytes: int


@dataclasses.dataclass(frozen=True)
class Index:
    """What `index.json` says.

    Attributes:
        train, val: the shards of each side of the split.
        fingerprint: of the data set that was converted (`npz_dataset.dataset_fingerprint`).
        resize: how pictures became square, or None.
        has_masks: whether samples have masks.
        action_names, food_types: that occur, sorted; empty if the data set has no names.
    """

    train: tuple[Shard, ...]
    val: tuple[Shard, ...]
    fingerprint: str
    resize: str | None
    has_masks: bool
    action_names: tuple[str, ...]
    food_types: tuple[str, ...]

    def shards(self, split: str) -> tuple[Shard, ...]:
        """The shards of "train" or "val". Raises ValueError for anything else."""
        if split not in SPLITS:
            raise ValueError(f"split: expected one of {', '.join(SPLITS)}; got {split!r}.")
        return getattr(self, split)

    def num_samples(self, split: str) -> int:
        """How many samples "train" or "val" has."""
        return sum(shard.num_samples for shard in self.shards(split))


def write_index(directory: str | os.PathLike[str], index: Index) -> None:
    """Writes `index.json`, whole or not at all."""
    content = {"format_version": FORMAT_VERSION, **dataclasses.asdict(index)}
    with atomic_files.replace_file(pathlib.Path(directory, INDEX_FILE)) as file:
        file.write((json.dumps(content, indent=1) + "\n").encode())


def read_index(directory: str | os.PathLike[str]) -> Index:
    """Reads `index.json` and looks whether every shard is there in its full size.

    Raises:
        FileNotFoundError: if there is no index, or a shard is absent.
        ValueError: if the index is of another form, or a shard has another size.
    """
    path = pathlib.Path(directory, INDEX_FILE)
    if not path.is_file():
        raise FileNotFoundError(
            f"No {INDEX_FILE} in {directory}: expected a folder that `build_dataset.py "
            "to_tfrecord` wrote to its end. Run it again."
        )
    try:
        index = _from_json(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is not an index of TFRecords: {error!r}.") from error
    for shard in (*index.train, *index.val):
        file = path.with_name(shard.file)
        if not file.is_file():
            raise FileNotFoundError(f"{path} names {shard.file}, which is absent. Copy it again.")
        if file.stat().st_size != shard.num_bytes:
            raise ValueError(
                f"{file}: expected {shard.num_bytes} bytes, got {file.stat().st_size}. Copy it "
                "again."
            )
    return index


def _from_json(content: Mapping) -> Index:
    content = dict(content)
    version = content.pop("format_version")
    if version != FORMAT_VERSION:
        raise ValueError(f"format_version: expected {FORMAT_VERSION}, got {version}")
    for split in SPLITS:
        content[split] = tuple(Shard(**shard) for shard in content[split])
    for names in ("action_names", "food_types"):
        content[names] = tuple(content[names])
    return Index(**content)


def read_labels(directory: str | os.PathLike[str], split: str) -> dict[str, np.ndarray]:
    """Everything of a split that is small, in the order of its shards.

    Args:
        directory: of the shards.
        split: "train" or "val".

    Returns:
        {"samples": int64 [n], the numbers in the data set that was converted; "actions": float32
        [n, 4]} and, if it has them, "action_names", "food_types", "sources": str [n].

    Raises:
        FileNotFoundError, ValueError: if the file is absent or unreadable.
    """
    arrays = npz_files.read_arrays(pathlib.Path(directory, LABELS_FILE), "labels file")
    prefix = f"{split}_"
    return {name[len(prefix) :]: a for name, a in arrays.items() if name.startswith(prefix)}
