"""The .npz data set: one sample is a picture, an instruction's embedding and execution parameters.

| array          | dtype, shape           | holds                                           |
|----------------|------------------------|-------------------------------------------------|
| images         | uint8 [N, 236, 236, 3] | RGB; float 0..1 is read too, rounded to uint8   |
| actions        | float32 [N, 4]         | x1, y1, x2, y2 in 0..1, origin top left, y down |
| embeddings     | float32 [N, 512]       | the instruction, unit norm                      |

and these may be absent:

| array          | dtype, shape           | holds                                           |
|----------------|------------------------|-------------------------------------------------|
| action_names   | str [N]                | "skewering"                                     |
| food_types     | str [N]                | "cherry_tomato"                                 |
| sources        | str [N]                | which picture; a split never parts equal ones,  |
|                |                        | nor those that are equal up to a "#"            |
| resize         | str                    | how pictures became square: "letterbox", ...    |
| format_version | int                    | 1                                               |
| masks          | uint8 [N, 236, 30]     | which pixels show the instructed food, packed   |
|                |                        | by `pack_masks`; all 0 where that is not known  |

A sample might be its picture, [0.25, 0.5, 0.75, 0.5] (from left to right through the middle), the
embedding of "skewering banana", "skewering", "banana", "day_1/images/003.jpg".

Images, embeddings and masks of an uncompressed file (`np.savez`) stay on disk and are mapped.
Images that are compressed or floats are unpacked into a nameless file in TMPDIR (N * 167 kB).
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

import policy_specs
from food_data import image_placement, npz_files

FORMAT_VERSION = 1
NAME_ARRAYS = ("action_names", "food_types", "sources")
IMAGE_SHAPE = (policy_specs.IMAGE_SIZE, policy_specs.IMAGE_SIZE, 3)
MASK_SHAPE = IMAGE_SHAPE[:2]
PACKED_SHAPE = (policy_specs.IMAGE_SIZE, -(-policy_specs.IMAGE_SIZE // 8))
_ARRAYS = ("images", "actions", "embeddings")
# What one sample of each array has.
LAYOUT = {
    "images": IMAGE_SHAPE,
    "actions": (policy_specs.NUM_COORDINATES,),
    "embeddings": (policy_specs.EMBEDDING_SIZE,),
    "masks": PACKED_SHAPE,
    **dict.fromkeys(NAME_ARRAYS, ()),
}
# Kinds of NumPy types: what they are called, and who may have them.
_KINDS = {"images": "uf", "masks": "u", "actions": "f", "embeddings": "f"}
_CALLED = {"uf": "uint8 or floats", "u": "uint8", "f": "floats", "U": "strings"}
_UNIT_NORM_TOLERANCE = 1e-2
_CHUNK_SAMPLES, _CHUNK_IMAGES, _FINGERPRINT_IMAGES = 4096, 64, 256
_SPARE_BYTES = 64 * 1024**2


def pack_masks(masks: np.ndarray) -> np.ndarray:
    """bool [..., 236, 236] -> uint8 [..., 236, 30]: eight pixels of a row in a byte, the leftmost
    the highest bit: the row 1 1 0 0 0 0 0 0 1 0 ... begins with 192 and 128."""
    return np.packbits(masks, axis=-1)


def unpack_masks(packed: np.ndarray) -> np.ndarray:
    """uint8 [..., 236, 30] -> bool [..., 236, 236] (rows, columns), 56 kB each: a few at a time."""
    return np.unpackbits(packed, axis=-1, count=MASK_SHAPE[1]).view(bool)


def listed(samples: Sequence[int] | np.ndarray) -> str:
    """ "3 samples (7, 9, 21)"; of many the first five."""
    first = ", ".join([*(str(int(sample)) for sample in samples[:5]), "..."][: len(samples)])
    return f"{len(samples)} sample{'s' * (len(samples) != 1)} ({first})"


def layout_faults(arrays: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with names, types and shapes, by the array; "" for arrays that are absent.
    `resize` and `format_version` are plain values, all others have a `shape` and a `dtype`."""
    faults, absent = {}, [name for name in _ARRAYS if name not in arrays]
    if absent:
        lists = (", ".join(one) or "none" for one in (_ARRAYS, absent, arrays))
        faults[""] = "expected the arrays {}; absent: {}; found: {}.".format(*lists)
    number = next(iter(getattr(arrays.get("images"), "shape", ())), None)
    for name in [name for name in LAYOUT if name in arrays]:
        array, kinds = arrays[name], _KINDS.get(name, "U")
        kind, rows = array.dtype.kind, array.shape[:1] if number is None else (number,)
        fits = len(rows) and array.shape == (*rows, *LAYOUT[name]) and kind in kinds
        if not fits or (kind == "u" and array.dtype != np.uint8):
            expected = ["N" if number is None else number, *LAYOUT[name]]
            got = f"{array.dtype} {list(array.shape)}"
            faults[name] = f"{name}: expected {_CALLED[kinds]} {expected}, got {got}."
    if arrays.get("resize") not in (None, *image_placement.MODES):
        modes = ", ".join(image_placement.MODES)
        faults["resize"] = f"resize: expected one of {modes}; got {arrays['resize']!r}."
    if (version := arrays.get("format_version", FORMAT_VERSION)) != FORMAT_VERSION:
        faults["format_version"] = f"format_version: expected {FORMAT_VERSION}, got {version}."
    return faults


def label_faults(actions: np.ndarray) -> list[str]:
    """What is wrong with execution parameters [N, 4]."""
    finite, faults = np.isfinite(actions).all(axis=1), []
    if not finite.all():
        bad = listed(np.flatnonzero(~finite))
        faults.append(f"actions: expected finite numbers; {bad} have NaN or infinity.")
    outside = np.flatnonzero(finite & ~((actions >= 0) & (actions <= 1)).all(axis=1))
    if outside.size:
        faults.append(
            f"actions: expected x1, y1, x2, y2 in 0..1; {listed(outside)} are not, the first is "
            f"{actions[outside[0]].tolist()}. Pixels must be divided by the picture's size."
        )
    return faults


def norm_faults(chunks: Iterable[np.ndarray]) -> tuple[list[str], np.ndarray]:
    """What is wrong with embeddings that come in chunks [n, 512], and their norms [N]."""
    norms = [np.linalg.norm(np.asarray(chunk, np.float64), axis=1) for chunk in chunks]
    norms = np.concatenate([np.zeros(0), *norms])
    bad = np.flatnonzero(~(np.abs(norms - 1) <= _UNIT_NORM_TOLERANCE))  # NaN fails it, too.
    if not bad.size:
        return [], norms
    message = (
        f"embeddings: expected norm 1 within {_UNIT_NORM_TOLERANCE}; {listed(bad)} have others, "
        f"the first {norms[bad[0]]:.4g}. Divide each by its norm."
    )
    return [message], norms


def _to_uint8(images: np.ndarray) -> np.ndarray:
    """Float 0..1 -> uint8, exact for what was uint8 / 255; uint8 stays as it is."""
    if images.dtype == np.uint8:
        return images
    if not (images.min() >= 0 and images.max() <= 1):  # NaN fails it, too.
        raise ValueError(
            f"images: expected uint8 or floats in 0..1, got {images.dtype} from {images.min()} to "
            f"{images.max()}. Divide pixels by 255, or save them as uint8."
        )
    return np.rint(images * images.dtype.type(255)).astype(np.uint8)


def _open_images(array: npz_files.StoredArray) -> np.ndarray:
    """The images of an .npz file, mapped: as they are stored, or as a temporary file."""
    folder, needed = tempfile.gettempdir(), math.prod(array.shape)
    if not needed or (array.offset is not None and array.dtype == np.uint8):
        return array.map_or_load().astype(np.uint8, copy=False)
    free = shutil.disk_usage(folder).free
    if free < needed + _SPARE_BYTES:
        wanted = f"{needed / 1e9:.1f} GB free in {folder} to unpack its images"
        raise OSError(
            f"{array.path}: expected {wanted}, got {free / 1e9:.1f} GB. Set TMPDIR to another "
            "folder, or save uint8 images uncompressed (np.savez)."
        )
    with tempfile.TemporaryFile(dir=folder) as file:
        for chunk in array.chunks(_CHUNK_IMAGES):
            file.write(_to_uint8(chunk).data)
        file.flush()
        return np.memmap(file, np.uint8, "r", shape=array.shape)


@dataclasses.dataclass(frozen=True)
class FoodDataset:
    """The arrays of the module's table. Raises ValueError if one is not what the table says.
    `images` may be no array: it has shape, dtype and length, and gives the images of a number, a
    slice or an integer array as uint8. Do not compute with all of it."""

    images: np.ndarray
    actions: np.ndarray
    embeddings: np.ndarray
    action_names: np.ndarray | None = None
    food_types: np.ndarray | None = None
    sources: np.ndarray | None = None
    resize: str | None = None
    format_version: int = FORMAT_VERSION
    masks: np.ndarray | None = None
    # The files that the pictures were made of, while they are at hand: [N], never written.
    photos: Sequence[image_placement.PhotoFile] | None = None

    def __post_init__(self) -> None:
        faults = list(layout_faults(present(self)).values())
        if not faults:
            rows = range(0, len(self), _CHUNK_SAMPLES)  # Embeddings may be mapped.
            chunks = (self.embeddings[start : start + _CHUNK_SAMPLES] for start in rows)
            faults = label_faults(self.actions) + norm_faults(chunks)[0]
        if faults:
            raise ValueError(" ".join(faults))

    def __len__(self) -> int:
        return len(self.images)


def present(dataset: FoodDataset) -> dict[str, Any]:
    """Everything that a file would hold."""
    return {key: one for key, one in vars(dataset).items() if one is not None and key != "photos"}


def open_npz(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The arrays of a file, of which only headers were read; `resize` and `format_version` as
    plain values. Raises what `read_npz` raises for a file that is no .npz."""
    content: dict[str, Any] = dict(npz_files.open_arrays(path, "data set"))
    for name in {"resize", "format_version"} & content.keys():
        content[name] = content[name].load().tolist()
    return content


def read_npz(path: str | os.PathLike[str]) -> FoodDataset:
    """Opens a data set. The file must not be written into while it is used; replacing it by another
    is harmless. Raises ValueError if it is no .npz or not what the module's table says, and OSError
    if it is absent or unpacked images find no room in the temporary folder."""
    content, stored = open_npz(path), npz_files.StoredArray
    try:
        faults = layout_faults(content)
        if faults:
            raise ValueError(" ".join(faults.values()))
        read = dict.fromkeys(("actions", *NAME_ARRAYS), stored.load) | {"images": _open_images}
        for name in LAYOUT.keys() & content.keys():
            content[name] = read.get(name, stored.map_or_load)(content[name])
        for name in ("actions", "embeddings"):
            content[name] = content[name].astype(np.float32, copy=False)
        known = FoodDataset.__dataclass_fields__.keys() & content.keys()
        return FoodDataset(**{name: content[name] for name in known})
    except ValueError as error:
        prefix = "" if str(path) in str(error) else f"{path}: "
        raise ValueError(f"{prefix}{error}") from error


def write_npz(path: str | os.PathLike[str], *datasets: FoodDataset) -> None:
    """Writes data sets one after the other, uncompressed, whole or not at all. Arrays that are None
    are left out; masks that only some have are all 0 for the others."""
    with npz_files.open_writer(path) as writer:
        for name in dict.fromkeys(name for one in datasets for name in present(one)):
            arrays = [getattr(one, name) for one in datasets]
            if name in NAME_ARRAYS:
                writer.write(name, np.concatenate(arrays))
            elif name not in LAYOUT:
                writer.write(name, arrays[0])
            else:
                dtype = next(array.dtype for array in arrays if array is not None)
                shape = (sum(map(len, datasets)), *LAYOUT[name])
                wholes = [
                    np.broadcast_to(dtype.type(0), (len(one), *shape[1:])) if own is None else own
                    for one, own in zip(datasets, arrays)
                ]
                starts = [(w, i) for w in wholes for i in range(0, len(w), _CHUNK_IMAGES)]
                blocks = (np.asarray(whole[i : i + _CHUNK_IMAGES]) for whole, i in starts)
                writer.write_blocks(name, shape, dtype, blocks)


def dataset_fingerprint(path_or_dataset: str | os.PathLike[str] | FoodDataset) -> str:
    """SHA-256 of all labels and of 256 images (and their masks) that lie evenly over the data set,
    however it is stored: 43 MB instead of 20 GB. Where only other images differ, it is the same."""
    is_read = isinstance(path_or_dataset, FoodDataset)
    dataset, digest = path_or_dataset if is_read else read_npz(path_or_dataset), hashlib.sha256()
    count = min(len(dataset), _FINGERPRINT_IMAGES)
    sampled = np.unique(np.linspace(0, len(dataset) - 1, count).round().astype(np.int64))
    for name in ("images", "masks", "actions", "embeddings"):
        array = getattr(dataset, name)
        if array is None:
            continue
        digest.update(f"{name} {array.dtype} {array.shape};".encode())
        rows, size = range(0, len(array), _CHUNK_SAMPLES), _CHUNK_SAMPLES
        if name in ("images", "masks"):
            rows, size = sampled, 1
        for start in rows:
            digest.update(np.ascontiguousarray(array[start : start + size]).data)
    for name in NAME_ARRAYS:
        names = getattr(dataset, name)
        if names is not None:
            digest.update(f"{name};".encode() + "\0".join(names.tolist()).encode())
    return digest.hexdigest()
