"""From what a user types to the tensors in a checkpoint's files, and what is wrong with them."""

from __future__ import annotations

import keras2  # noqa: F401

import dataclasses
import glob
import math
import os
import pathlib
import re
import tempfile
from collections.abc import Iterable, Sequence

import numpy as np

import saved_models
from food_data import atomic_files

# TensorFlow takes seconds: functions import it, so that --help of programs does not wait.
VARIABLE_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
PUBLIC_CHECKPOINTS = (
    "The public RT-1 checkpoints are in the repository github.com/google-research/"
    "robotics_transformer, folder trained_checkpoints (Git LFS: `git lfs pull`)."
)


class CheckpointLoadError(ValueError):
    """A checkpoint cannot be loaded, because of its files or of what is in them; the model keeps
    its old weights."""


def resolve_prefix(path: str | os.PathLike) -> str:
    """The prefix that `path` means: what stands before `.index` and `.data-00000-of-00001`.

    Example: `runs/7` holds `checkpoint` (TensorFlow's state file, it names `ckpt-20`),
    `ckpt-10.index`, `ckpt-20.index` and `best_checkpoint-3.index`. Then

        runs/7                    -> runs/7/ckpt-20            the state file says so
        runs/7/ckpt-10            -> runs/7/ckpt-10            a prefix
        runs/7/ckpt-10.index      -> runs/7/ckpt-10            as the shell completes it
        runs/7/best_checkpoint    -> runs/7/best_checkpoint-3  the highest number of that stem

    A directory without state file means its newest index, or the policy that TF-Agents has saved
    there. Raises CheckpointLoadError, which says what is there instead.
    """
    if not os.fspath(path):
        raise CheckpointLoadError("Checkpoint: expected a path, got an empty one.")
    atomic_files.check_local(path, "Checkpoint")
    given = pathlib.Path(path)
    prefix = given.parent / re.sub(r"\.(index|data-\d{5}-of-\d{5})$", "", given.name)
    if _has_index(prefix):
        return str(prefix)
    if given.is_dir():
        return str(_latest(given))
    if given.is_file() and prefix == given:
        refuse_pointer(given)
        raise CheckpointLoadError(
            f"Checkpoint: expected a directory, or a path without .index, got the file {given}."
        )
    if of_stem := numbered(given.parent, given.name):
        return str(of_stem[-1])
    folder = next(one for one in given.absolute().parents if one.is_dir())
    has_data = any(folder.glob(f"{glob.escape(prefix.name)}.data-*-of-*"))
    way_out = f" A checkpoint is two files: copy {prefix.name}.index too." if has_data else ""
    if "rt1" in str(given).lower():
        way_out += f" {PUBLIC_CHECKPOINTS}"
    raise CheckpointLoadError(
        f"Checkpoint: there is no {prefix}.index. {_contents(folder)}{way_out}"
    )


def prefixes_in(directory: pathlib.Path) -> list[pathlib.Path]:
    """Prefixes of the checkpoints in a directory by name and number; none if it does not exist."""
    found = [path.with_suffix("") for path in directory.glob("*.index") if path.is_file()]
    return sorted(found, key=_stem_and_number)


def numbered(directory: pathlib.Path, stem: str) -> list[pathlib.Path]:
    """Prefixes `<stem>-<number>` in a directory, in the order of their numbers."""
    stems = {prefix: _stem_and_number(prefix) for prefix in prefixes_in(directory)}
    return [one for one, (start, number) in stems.items() if start == stem and number >= 0]


def files_of(prefix: pathlib.Path) -> list[pathlib.Path]:
    """The index, which comes first, and the data files of a checkpoint."""
    names = (f"{prefix.name}.index", f"{prefix.name}.data-")
    paths = [path for path in prefix.parent.iterdir() if path.name.startswith(names)]
    return sorted(paths, key=lambda path: path.suffix != ".index")


def _has_index(prefix: pathlib.Path) -> bool:
    return prefix.parent.joinpath(f"{prefix.name}.index").is_file()


def _stem_and_number(prefix: pathlib.Path) -> tuple[str, int]:
    """('ckpt', 20) of 'ckpt-20'; the number is -1 where there is none."""
    stem, _, number = prefix.name.rpartition("-")
    return (stem, int(number)) if stem and number.isdigit() else (prefix.name, -1)


def _latest(directory: pathlib.Path) -> pathlib.Path:
    """What the state file names; without one, the newest of the highest numbers of each stem."""
    import tensorflow as tf

    state = tf.train.get_checkpoint_state(str(directory))
    if state is not None:
        named = pathlib.Path(state.model_checkpoint_path)
        # A run directory that was copied may hold the absolute path of where it was written.
        for prefix in (directory / named.name, named):
            if _has_index(prefix):
                return prefix
        raise CheckpointLoadError(
            f"Checkpoint: the state file {directory / 'checkpoint'} names {named.name!r}, but "
            f"there is no {named.name}.index. {_contents(directory)} Give one of them as a prefix."
        )
    latest = {_stem_and_number(prefix)[0]: prefix for prefix in prefixes_in(directory)}
    if latest:
        return max(latest.values(), key=lambda prefix: os.path.getmtime(f"{prefix}.index"))
    exported = directory / "variables" / "variables"
    if (directory / "policy_specs.pbtxt").is_file() and _has_index(exported):
        return exported
    raise CheckpointLoadError(
        "Checkpoint: expected a directory with a checkpoint (*.index) or a SavedModel with "
        f"policy_specs.pbtxt, got {directory}. {_contents(directory)}"
    )


def _contents(directory: pathlib.Path) -> str:
    """What there is to choose from: checkpoints, or else files and folders."""
    names = [prefix.name for prefix in prefixes_in(directory)]
    names = names or sorted(entry.name for entry in directory.iterdir())
    return f"{directory} holds {some(names, 12) or 'nothing'}."


def some(names: Sequence[str], most: int) -> str:
    """The first of the names, and how many more there are."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


@dataclasses.dataclass(frozen=True, order=True)
class TensorInfo:
    """A tensor in a file or a variable in a model, without its values; its name is the checkpoint's
    without `/.ATTRIBUTES/VARIABLE_VALUE`."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def num_parameters(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)

    def __str__(self) -> str:
        return f"{self.dtype} {list(self.shape)}"


class TensorFile:
    """An open checkpoint.

    Attributes:
        prefix: where it is.
        tensors: {name: info} of every entry, sorted.
        num_numbered: entries that have their names from a table, see `saved_models`.
    """

    def __init__(self, prefix: str):
        """Opens and checks the files; pointers of Git LFS are named before all else."""
        import tensorflow as tf

        self.prefix = prefix
        self._failures = (tf.errors.OpError, RuntimeError, IndexError)
        path = pathlib.Path(prefix)
        files = files_of(path)
        for file in files:
            refuse_pointer(file)
        # TensorFlow takes *, ?, [ and \\ in a path for a pattern.
        self._folder = None
        if re.search(r"[*?\[\]{}\\]", prefix):
            self._folder = tempfile.TemporaryDirectory(prefix="checkpoint-")
            prefix = os.path.join(self._folder.name, "ckpt")
            for file in files:
                os.symlink(file.absolute(), prefix + file.name.removeprefix(path.name))
        try:
            self._reader = tf.train.load_checkpoint(prefix)
            shapes = self._reader.get_variable_to_shape_map()
            dtypes = self._reader.get_variable_to_dtype_map()
            keys = {key.removesuffix(VARIABLE_SUFFIX): key for key in sorted(shapes)}
            renamed = saved_models.names(self.prefix, keys)
        except self._failures as error:
            what = f"expected the index of a TensorFlow checkpoint, got {self.prefix}.index"
            raise CheckpointLoadError(
                f"Checkpoint: {what}, which cannot be read: {error}"
            ) from error
        self.num_numbered = len(renamed)
        self._keys = dict(sorted((renamed.get(name, name), key) for name, key in keys.items()))
        self.tensors = {
            name: TensorInfo(name, tuple(shapes[key]), dtypes[key].name)
            for name, key in self._keys.items()
        }
        for info in self.tensors.values():
            if info.dtype == "string":
                self.read(info.name)  # The object graph comes last, so that a file cut off shows.

    @property
    def lengths(self) -> set[int]:
        """Of all axes of all entries."""
        return {length for info in self.tensors.values() for length in info.shape}

    def is_variable(self, name: str) -> bool:
        """Whether the entry is a variable, not the object graph or a string that Keras adds."""
        return self._keys[name].endswith(VARIABLE_SUFFIX)

    def read(self, name: str) -> np.ndarray:
        """The values of an entry; TensorFlow compares their checksum."""
        try:
            return np.asarray(self._reader.get_tensor(self._keys[name]))
        except self._failures as error:
            # The reader raises IndexError where the file ends too soon.
            why = "the data is cut off" if isinstance(error, IndexError) else error
            what = f"Checkpoint: {name} in {self.prefix} cannot be read"
            raise CheckpointLoadError(f"{what}: {why}. Copy both files again.") from error

    def read_finite(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """All values at once, so that nothing is assigned before everything has been read."""
        values = {name: self.read(name) for name in names}
        bad = [
            f"{name} ({value.size - np.count_nonzero(np.isfinite(value))} of {value.size})"
            for name, value in values.items()
            if np.issubdtype(value.dtype, np.inexact) and not np.isfinite(value).all()
        ]
        if bad:
            raise CheckpointLoadError(
                f"Checkpoint: {self.prefix}: expected finite values, got NaN or infinite ones in "
                f"{some(bad, 5)}. The run diverged; use an earlier checkpoint."
            )
        return values


def refuse_pointer(path: pathlib.Path) -> None:
    """Refuses a file that cannot be opened, and a Git LFS pointer."""
    try:
        atomic_files.refuse_pointer(path)
    except (OSError, ValueError) as error:
        raise CheckpointLoadError(f"Checkpoint: {error}") from error
