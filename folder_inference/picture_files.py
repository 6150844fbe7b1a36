"""Which files of a folder are asked about: those whose names end like a picture's.

    plates/a.jpg  plates/notes.txt  plates/.b.jpg  plates/new/c.PNG

gives "a.jpg" and, with `recursive`, "new/c.PNG"; "notes.txt" is counted, hidden files are not.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import os
import pathlib
from collections.abc import Collection, Sequence
from typing import TypeVar

ENDINGS = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
_Item = TypeVar("_Item")


@dataclasses.dataclass(frozen=True)
class FolderContent:
    """What a folder holds.

    Attributes:
        pictures: paths relative to the folder, with "/" between their parts, sorted.
        others: number of files that are no pictures by their names, or were not wanted.
    """

    pictures: tuple[str, ...]
    others: int


def find_pictures(
    folder: pathlib.Path,
    recursive: bool,
    leave_out: Collection[pathlib.Path] = (),
    pattern: str = "*",
) -> FolderContent:
    """Lists the pictures of a folder.

    Args:
        folder: to look into.
        recursive: look into its folders too, but not through links to folders.
        leave_out: files, and folders with all that is in them, which are no input: a run's outputs.
        pattern: that the relative path must match, "*" for any letters, "/" included; what does not
            is among the others.

    Raises:
        NotADirectoryError: if there is no such folder.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"Expected a folder of pictures, got {folder}, which is none.")
    left_out = {path.resolve() for path in leave_out}
    pictures, others = [], 0
    for root, folders, files in os.walk(folder, onerror=_raise):
        here = pathlib.Path(root)
        wanted = [] if not recursive else [name for name in folders if not name.startswith(".")]
        folders[:] = [name for name in wanted if (here / name).resolve() not in left_out]
        for name in files:
            if name.startswith(".") or (here / name).resolve() in left_out:
                continue
            relative = (here / name).relative_to(folder).as_posix()
            if name.lower().endswith(ENDINGS) and fnmatch.fnmatchcase(relative, pattern):
                pictures.append(relative)
            else:
                others += 1
    return FolderContent(tuple(sorted(pictures)), others)


def shard(items: Sequence[_Item], num_shards: int, index: int) -> list[_Item]:
    """Every `num_shards`-th item from `index` on; 0 .. num_shards - 1 share out all items."""
    if not 0 <= index < num_shards:
        raise ValueError(f"Expected a shard from 0 to {num_shards - 1}, got {index}.")
    return list(items[index::num_shards])


def _raise(error: OSError) -> None:
    """A folder that cannot be read is no empty one."""
    raise error
