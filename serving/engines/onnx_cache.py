"""Exported networks beside their checkpoint, so that a checkpoint is exported once.

    runs/food/onnx/3f2a…/features.onnx, answer.onnx   for ONNX Runtime
                         factors.pb, sampler.pb       for TensorFlow
                         files                        the names of the others, written last

The folder's name is a digest of the weights, the configuration and the version of this format, so
what was exported from other weights is never found. A checkpoint directory that cannot be written
to has its export in a folder of the user's below the temporary directory.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import shutil
import stat
import tempfile
from collections.abc import Mapping

import gin
from absl import logging

import agent_wrapper
import sequence_agent
from food_data import atomic_files

FOLDER = "onnx"
# To be raised when an export of the same network changes.
_VERSION = 2


def digest(agent: agent_wrapper.Agent) -> str:
    """16 hexadecimal digits that change with the network's weights and its configuration."""
    network = agent.network
    settings = (_VERSION, gin.config_str(), repr(agent.dropout_settings), network.loss_type)
    result = hashlib.sha256(repr(settings).encode())
    for path, variable in sorted(sequence_agent.variables_by_path(network).items()):
        result.update(f"{path} {variable.dtype.name} {variable.shape}".encode())
        result.update(variable.numpy().tobytes())
    return result.hexdigest()[:16]


class OnnxCache:
    """The exported files of one network."""

    def __init__(self, directory: str | os.PathLike[str], key: str) -> None:
        """Args:
        directory: of the checkpoint.
        key: `digest` of the agent.
        """
        self._places = [pathlib.Path(directory) / FOLDER / key]
        shared = _private_folder()
        if shared is not None:
            self._places.append(shared / key)

    def read(self) -> dict[str, bytes] | None:
        """File name -> content as `write` was given it; None unless all of it is there."""
        for place in self._places:
            # Written last, so whoever finds it finds the others.
            with contextlib.suppress(OSError):
                names = (place / "files").read_text().split()
                return {name: (place / name).read_bytes() for name in names}
        return None

    def write(self, files: Mapping[str, bytes]) -> None:
        """Writes the files where they can be written; a warning if that is nowhere near.

        Args:
            files: file name -> content.
        """
        errors = []
        for place in self._places:
            try:
                _write(place, files)
            except OSError as error:
                errors.append(error)
            else:
                _remove_others(place)
                break
        else:
            place = "memory only: the next start exports again"
        if errors:
            logging.warning(
                "The exported network cannot be kept beside its checkpoint (%s); it is kept in %s",
                errors[0].strerror,
                place,
            )


def _write(place: pathlib.Path, files: Mapping[str, bytes]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    listed = "\n".join(files).encode()
    for name, content in {**files, "files": listed}.items():
        with atomic_files.replace_file(place / name) as file:
            file.write(content)


def _remove_others(place: pathlib.Path) -> None:
    """Exports of weights that the checkpoint no longer has, which nobody would ever find."""
    if place.parent.name == FOLDER:
        for other in place.parent.iterdir():
            if other != place:
                shutil.rmtree(other, ignore_errors=True)


def _private_folder() -> pathlib.Path | None:
    """A folder that only this user can write to; None if somebody else has taken its name."""
    user = os.getuid() if hasattr(os, "getuid") else "user"
    folder = pathlib.Path(tempfile.gettempdir()) / f"rt1-onnx-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o022
    return folder if private and status.st_uid == user else None
