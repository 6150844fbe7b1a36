"""Where the pictures of a run lie: files of a folder; `samples` has those of TFRecords."""

from __future__ import annotations

import hashlib
import pathlib
from collections.abc import Mapping
from typing import Any, Protocol

from PIL import Image

from folder_inference import drawing


class UnreadableError(ValueError):
    """A picture that cannot be read; the message says why."""


class Pictures(Protocol):
    """Pictures by name; several threads may read."""

    def load(self, name: str) -> tuple[Any, dict[str, Any]]:
        """What is asked about, and what the journal remembers of it. Raises UnreadableError."""

    def is_same(self, name: str, state: Mapping[str, Any]) -> bool:
        """Whether a picture is still what `state`, from `load`, was made of."""

    def decode(self, name: str) -> Image.Image:
        """The picture, RGB, to draw on. Raises OSError or ValueError if it cannot be read."""


class FolderPictures:
    """Files of a folder, named relative to it with "/" between the parts."""

    def __init__(self, folder: pathlib.Path) -> None:
        """`folder` holds the pictures."""
        self.folder = folder

    def load(self, name: str) -> tuple[bytes, dict[str, Any]]:
        """The bytes of the file; its size, time and SHA-256. Raises UnreadableError."""
        path = self.folder / name
        try:
            content = path.read_bytes()
            mtime_ns = path.stat().st_mtime_ns
        except OSError as error:
            raise UnreadableError(f"The file cannot be read: {error.strerror}.") from error
        if not content:
            raise UnreadableError("The file is empty: 0 bytes.")
        digest = hashlib.sha256(content).hexdigest()
        return content, {"size": len(content), "mtime_ns": mtime_ns, "sha256": digest}

    def is_same(self, name: str, state: Mapping[str, Any]) -> bool:
        """Equal in size and time, or else in its SHA-256."""
        path = self.folder / name
        try:
            found = path.stat()
            if found.st_size != state["size"]:
                return False
            if found.st_mtime_ns == state["mtime_ns"]:
                return True
            return hashlib.sha256(path.read_bytes()).hexdigest() == state["sha256"]
        except OSError:
            return False

    def decode(self, name: str) -> Image.Image:
        """The picture upright as the model sees it. Raises OSError or ValueError."""
        return drawing.decode(self.folder / name)
