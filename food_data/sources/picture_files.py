"""Where the pictures of an annotation file are, and how large."""

from __future__ import annotations

import collections
import os
import pathlib
from collections.abc import Sequence

from PIL import Image, UnidentifiedImageError

from food_data import image_decoding

_EXIF_ORIENTATION = 0x0112
_LYING_ORIENTATIONS = (5, 6, 7, 8)


def annotation_files(paths: Sequence[str | os.PathLike[str]], extension: str) -> list[pathlib.Path]:
    """The files that are meant by files and folders.

    Args:
        paths: files, and folders of which all files with the extension are meant.
        extension: ".json", lower case.

    Returns:
        Absolute paths in the given order, those of a folder sorted by name.

    Raises:
        FileNotFoundError: if there is no such file or folder, or a folder has no such file.
        ValueError: if a file is meant twice.
    """
    files: list[pathlib.Path] = []
    for path in map(pathlib.Path, paths):
        found = [path]
        if path.is_dir():
            found = sorted(one for one in path.iterdir() if one.suffix.lower() == extension)
        if not found or not path.exists():
            raise FileNotFoundError(f"Expected annotations ({extension}) at {path}, found none.")
        files += [one.resolve() for one in found]
    twice = [str(file) for file, count in collections.Counter(files).items() if count > 1]
    if twice:
        raise ValueError(f"Expected each annotation file once, got {', '.join(twice[:3])} twice.")
    return files


def locate(
    name: str, annotation_file: pathlib.Path, images_dir: str | os.PathLike[str] | None
) -> tuple[pathlib.Path, str]:
    """Where a picture is, and a stable name for it.

    Args:
        name: as an annotation file has it; may have been written on Windows.
        annotation_file: beside which the picture lies, unless there is an
        images_dir: under which it lies; of a name that holds folders the last parts may do.

    Returns:
        The path, which may not exist, and "<folder>/<name>".
    """
    name = name.replace("\\", "/")
    folder = annotation_file.parent if images_dir is None else pathlib.Path(images_dir).resolve()
    path = folder / name
    if images_dir is not None and not path.is_file():
        # Tools write paths that held on the machine where they ran.
        parts = [part for part in name.split("/") if part not in ("", ".", "..")]
        ends = ("/".join(parts[first:]) for first in range(len(parts)))
        name = next((end for end in ends if (folder / end).is_file()), parts[-1] if parts else name)
        path = folder / name
    return path, f"{folder.name}/{name}"


def picture_size(path: pathlib.Path) -> tuple[int, int]:
    """(width, height) of a picture as `image_decoding` will show it, read from the header only.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no picture.
    """
    try:
        with Image.open(path, formats=image_decoding.FORMATS) as picture:
            width, height = picture.size
            lying = picture.getexif().get(_EXIF_ORIENTATION) in _LYING_ORIENTATIONS
    except UnidentifiedImageError as error:
        raise ValueError(
            f"{path}: expected a picture in one of {', '.join(image_decoding.FORMATS)}."
        ) from error
    return (height, width) if lying else (width, height)
