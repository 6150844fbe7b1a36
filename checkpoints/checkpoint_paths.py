"""From what a user types to a checkpoint prefix.

Example: `runs/7` holds `checkpoint` (TensorFlow's state file, it names `ckpt-20`), `ckpt-10.index`,
`ckpt-20.index` and `best_checkpoint-3.index`. Then

    runs/7                    -> runs/7/ckpt-20            the state file says so
    runs/7/ckpt-10            -> runs/7/ckpt-10            a prefix
    runs/7/ckpt-10.index      -> runs/7/ckpt-10            as the shell completes it
    runs/7/best_checkpoint    -> runs/7/best_checkpoint-3  the highest number of that stem
"""

from __future__ import annotations

import difflib
import os
import pathlib
import re

from checkpoints import errors, file_kinds

_FILE_SUFFIX = re.compile(r"\.(index|data-\d{5}-of-\d{5})$")
_NUMBERED = re.compile(r"^(?P<stem>.+)-(?P<number>\d+)$")
_MAX_LISTED = 12


def resolve_prefix(path: str | os.PathLike) -> str:
    """The prefix that `path` means: what stands before `.index` and `.data-00000-of-00001`.

    Args:
        path: a prefix, one of its files, a directory (its latest checkpoint: the one the state file
            `checkpoint` names, else the newest index) or a stem (`best_checkpoint` for
            `best_checkpoint-12`, the highest number).

    Returns:
        A prefix whose index file exists.

    Raises:
        CheckpointNotFoundError: if there is none; says what is there instead.
        WrongFileKindError: if the path is a file of another kind.
    """
    if not os.fspath(path):
        raise errors.CheckpointNotFoundError("Checkpoint: expected a path, got an empty one.")
    given = pathlib.Path(path)
    file_kinds.check_is_no_other_kind(given)
    prefix = given.with_name(_FILE_SUFFIX.sub("", given.name)) if given.name else given
    if has_index(prefix):
        return str(prefix)
    if given.is_dir():
        return str(_latest(given))
    numbered = [other for other in prefixes_in(given.parent) if _stem(other) == given.name]
    if numbered:
        return str(max(numbered, key=_number))
    raise _not_found(given, prefix)


def has_index(prefix: pathlib.Path) -> bool:
    """Whether `<prefix>.index` is a file."""
    return bool(prefix.name) and prefix.with_name(prefix.name + ".index").is_file()


def prefixes_in(directory: pathlib.Path) -> list[pathlib.Path]:
    """Prefixes of the checkpoints in a directory, sorted by name; none if it does not exist."""
    return sorted(path.with_suffix("") for path in directory.glob("*.index") if path.is_file())


def _stem(prefix: pathlib.Path) -> str:
    match = _NUMBERED.match(prefix.name)
    return match["stem"] if match else prefix.name


def _number(prefix: pathlib.Path) -> int:
    match = _NUMBERED.match(prefix.name)
    return int(match["number"]) if match else -1


def _latest(directory: pathlib.Path) -> pathlib.Path:
    """What the state file names; without one, the newest of the highest numbers of each stem."""
    import tensorflow as tf

    state = tf.train.get_checkpoint_state(str(directory))
    if state is not None:
        named = pathlib.Path(state.model_checkpoint_path)
        # A run directory that was copied may hold the absolute path of where it was written.
        for prefix in (directory / named.name, named):
            if has_index(prefix):
                return prefix
        raise errors.CheckpointNotFoundError(
            f"Checkpoint: the state file {directory / 'checkpoint'} names {named.name!r}, but "
            f"there is no {named.name}.index. {_contents(directory)} Give one of them as a prefix."
        )
    latest: dict[str, pathlib.Path] = {}
    for prefix in sorted(prefixes_in(directory), key=_number):
        latest[_stem(prefix)] = prefix
    if not latest:
        file_kinds.check_is_no_saved_model(directory)
        raise errors.CheckpointNotFoundError(
            f"Checkpoint: expected a directory with a checkpoint (*.index), got {directory}. "
            f"{_contents(directory)}"
        )
    return max(latest.values(), key=lambda prefix: os.path.getmtime(f"{prefix}.index"))


def _contents(directory: pathlib.Path) -> str:
    """What there is to choose from: checkpoints, or else files and folders."""
    prefixes = [prefix.name for prefix in prefixes_in(directory)]
    what = "Checkpoints in it" if prefixes else "It holds"
    names = prefixes or sorted(
        entry.name + ("/" if entry.is_dir() else "") for entry in directory.iterdir()
    )
    shown = ", ".join(names[:_MAX_LISTED]) or "nothing"
    rest = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    return f"{what}: {shown}{rest}."


def _not_found(given: pathlib.Path, prefix: pathlib.Path) -> errors.CheckpointNotFoundError:
    parent = given.parent
    if not parent.is_dir():
        existing = next(folder for folder in parent.absolute().parents if folder.is_dir())
        return errors.CheckpointNotFoundError(
            f"Checkpoint: no {given}, because there is no directory {parent}. The last that exists "
            f"is {existing}. {_contents(existing)}"
        )
    if any(parent.glob(f"{_escape(prefix.name)}.data-*-of-*")):
        return errors.CheckpointNotFoundError(
            f"Checkpoint: {prefix} has a data file but no {prefix.name}.index; a checkpoint is "
            "both. Copy the index file too."
        )
    names = sorted({name for other in prefixes_in(parent) for name in (other.name, _stem(other))})
    near = difflib.get_close_matches(given.name, names, n=3)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return errors.CheckpointNotFoundError(
        f"Checkpoint: no checkpoint {given} (expected {prefix.name}.index in {parent}, or numbered "
        f"ones, {prefix.name}-<number>.index). {_contents(parent)}{hint}"
    )


def _escape(name: str) -> str:
    """`name` as a glob pattern that matches itself only."""
    return re.sub(r"([*?[])", r"[\1]", name)
