"""Tells a TensorFlow checkpoint from the files that are given in its place."""

from __future__ import annotations

import pathlib
import re

from checkpoints import errors

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_LFS_SIGNATURE = b"version https://git-lfs.github.com/spec/"
_LFS_SIZE = re.compile(rb"^size (\d+)$", re.MULTILINE)
_POINTER_MAX_BYTES = 1024
_CHECKPOINT_FILE = re.compile(r"\.(index|data-\d{5}-of-\d{5})$")


def _head(path: pathlib.Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_POINTER_MAX_BYTES)


def check_is_no_pointer(path: pathlib.Path) -> None:
    """Refuses a Git LFS pointer, the 130 bytes of text that a clone without Git LFS leaves.

    Raises:
        GitLfsPointerError: with the size that the real file has.
    """
    head = _head(path)
    if not head.startswith(_LFS_SIGNATURE):
        return
    size = _LFS_SIZE.search(head)
    expected = f"{int(size[1]):,} bytes" if size else "the real file"
    raise errors.GitLfsPointerError(
        f"Checkpoint: {path} is a Git LFS pointer: expected {expected}, got {path.stat().st_size} "
        "bytes of text. In the repository it comes from, run `git lfs install` and `git lfs pull`, "
        "then try again."
    )


def check_is_no_other_kind(path: pathlib.Path) -> None:
    """Refuses a file that is neither `.index` nor `.data-...`; what does not exist passes.

    Raises:
        WrongFileKindError: says what it is and what loads it.
    """
    if not path.is_file() or _CHECKPOINT_FILE.search(path.name):
        return
    if path.with_name(path.name + ".index").is_file():
        return  # A prefix that shares its name with a file.
    check_is_no_pointer(path)
    if _head(path).startswith(_HDF5_SIGNATURE):
        raise errors.WrongFileKindError(
            "Checkpoint: expected the prefix of a TensorFlow checkpoint (files .index and "
            f".data-...), got the HDF5 file {path}. ImageNet weights of Keras (.h5) are loaded by "
            "film_efficientnet.imagenet_weights.load_imagenet_weights."
        )
    raise errors.WrongFileKindError(
        "Checkpoint: expected the prefix of a TensorFlow checkpoint, that is a path without "
        f".index or .data-..., or a directory; got the file {path}."
    )


def check_is_no_saved_model(directory: pathlib.Path) -> None:
    """Refuses a SavedModel, whose names are those of a policy and not of an agent.

    Raises:
        WrongFileKindError: if `directory` is one.
    """
    if (directory / "saved_model.pb").is_file():
        raise errors.WrongFileKindError(
            f"Checkpoint: expected a checkpoint, got the SavedModel {directory}. Its variables are "
            f"listed by --checkpoint_path {directory / 'variables' / 'variables'} --list; for "
            "training, use the checkpoint it was exported from."
        )
