"""Checkpoint files that are there whole or not at all, and a bounded number of them.

TensorFlow writes the index in place; a run killed meanwhile, or a disk that is full, would leave
half of it under its final name. So both files are made in a folder of their own beside it,
`.last_checkpoint-40.x3k2/`, and moved when they are whole.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
import typing
from collections.abc import Collection

import checkpoint_files

if typing.TYPE_CHECKING:
    import tensorflow as tf


class CheckpointWriteError(OSError):
    """A checkpoint could not be written; those that were there before still load."""


def save(checkpoint: tf.train.Checkpoint, prefix: pathlib.Path) -> None:
    """Writes `<prefix>.index` and `<prefix>.data-...`; what had these names is replaced.

    Raises:
        CheckpointWriteError: if the disk is full or the folder cannot be written; nothing is left
            of the attempt.
    """
    import tensorflow as tf

    folder = prefix.parent
    try:
        temporary = pathlib.Path(tempfile.mkdtemp(dir=folder, prefix=f".{prefix.name}."))
        try:
            checkpoint.write(str(temporary / prefix.name))
            # The index last: without it a data file is no checkpoint.
            for path in sorted(temporary.iterdir(), key=lambda path: path.suffix == ".index"):
                _flush(path)
                os.replace(path, folder / path.name)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except (OSError, tf.errors.OpError) as error:
        free = shutil.disk_usage(folder).free if folder.is_dir() else 0
        raise CheckpointWriteError(
            f"Cannot write the checkpoint {prefix}: {_first_line(error)} Expected room for it, "
            f"got {free / 1e6:,.0f} MB free. Earlier checkpoints are whole: make room, then "
            f"--resume_checkpoint {folder}."
        ) from error


def _flush(path: pathlib.Path) -> None:
    """Until the bytes are on the disk, a power cut could leave an empty file under a good name."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")[:300] + "."


def keep_newest(directory: pathlib.Path, stem: str, count: int, also: Collection[str] = ()) -> None:
    """Deletes all checkpoints `<stem>-<number>` but the newest by number.

    Args:
        directory: where they are.
        stem: 'best_checkpoint'.
        count: how many stay, at least 1.
        also: names that stay whatever their number.
    """
    newest = [prefix.name for prefix in numbered(directory, stem)[-count:]]
    keep_only(directory, stem, {*newest, *also})


def keep_only(directory: pathlib.Path, stem: str, names: Collection[str]) -> None:
    """Deletes all checkpoints `<stem>-<number>` but those called `names`."""
    for prefix in numbered(directory, stem):
        if prefix.name not in names:
            # The index first: what is left of a deletion cut short is no checkpoint.
            for path in sorted(files_of(prefix), key=lambda path: path.suffix != ".index"):
                path.unlink()


def numbered(directory: pathlib.Path, stem: str) -> list[pathlib.Path]:
    """Prefixes `<stem>-<number>` in a directory, in the order of their numbers."""
    found = {}
    for prefix in checkpoint_files.prefixes_in(directory):
        start, _, number = prefix.name.rpartition("-")
        if start == stem and number.isdigit():
            found[int(number)] = prefix
    return [found[number] for number in sorted(found)]


def files_of(prefix: pathlib.Path) -> list[pathlib.Path]:
    """The index and data files of a checkpoint."""
    names = (f"{prefix.name}.index", f"{prefix.name}.data-")
    return [path for path in prefix.parent.iterdir() if path.name.startswith(names)]


def remove_leftovers(directory: pathlib.Path) -> None:
    """Deletes what a killed run of this directory was in the middle of writing."""
    for path in directory.glob(".*_checkpoint-*.*"):
        shutil.rmtree(path, ignore_errors=True)
    for name in ("metadata.json", "training_state.json", "checkpoint", "config.gin"):
        for path in directory.glob(f".{name}.*"):
            path.unlink()
