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

Images, embeddings and masks of an uncompressed file (`np.savez`) stay on disk and are mapped.
Images that are compressed or floats are unpacked into memory (N * 167 kB).
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
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
_FLOATS, _UINT8 = {"floats": np.floating}, {"uint8": np.uint8}
# What one sample of each array has, and its types by what they are called.
LAYOUT = {
    "images": (IMAGE_SHAPE, _UINT8 | _FLOATS),
    "actions": ((policy_specs.NUM_COORDINATES,), _FLOATS),
    "embeddings": ((policy_specs.EMBEDDING_SIZE,), _FLOATS),
    "masks": (PACKED_SHAPE, _UINT8),
    **dict.fromkeys(NAME_ARRAYS, ((), {"strings": np.str_})),
}
_UNIT_NORM_TOLERANCE = 1e-2
_CHUNK_IMAGES, _FINGERPRINT_IMAGES = 64, 256


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
        array, (shape, kinds) = arrays[name], LAYOUT[name]
        rows = array.shape[:1] if number is None else (number,)
        fits = len(rows) and array.shape == (*rows, *shape)
        if not fits or not any(np.issubdtype(array.dtype, kind) for kind in kinds.values()):
            expected = f"{' or '.join(kinds)} {['N' if number is None else number, *shape]}"
            got = f"{array.dtype} {list(array.shape)}"
            faults[name] = f"{name}: expected {expected}, got {got}."
    if (resize := arrays.get("resize")) not in (None, *image_placement.MODES):
        modes = ", ".join(image_placement.MODES)
        faults["resize"] = f"resize: expected one of {modes}; got {resize!r}."
    if (version := arrays.get("format_version", FORMAT_VERSION)) != FORMAT_VERSION:
        faults["format_version"] = f"format_version: expected {FORMAT_VERSION}, got {version}."
    return faults


def label_faults(actions: np.ndarray) -> list[str]:
    """What is wrong with execution parameters [N, 4]."""
    bad = np.flatnonzero(~((actions >= 0) & (actions <= 1)).all(axis=1))  # NaN fails it, too.
    if not bad.size:
        return []
    return [
        f"actions: expected x1, y1, x2, y2 in 0..1; {listed(bad)} are not, the first is "
        f"{actions[bad[0]].tolist()}. Pixels must be divided by the picture's size."
    ]


def norm_faults(chunks: Iterable[np.ndarray]) -> list[str]:
    """What is wrong with embeddings that come in chunks [n, 512]."""
    norms = [np.linalg.norm(np.asarray(chunk, np.float64), axis=1) for chunk in chunks]
    norms = np.concatenate([[], *norms])
    bad = np.flatnonzero(~(np.abs(norms - 1) <= _UNIT_NORM_TOLERANCE))  # NaN fails it, too.
    if not bad.size:
        return []
    return [
        f"embeddings: expected norm 1 within {_UNIT_NORM_TOLERANCE}; {listed(bad)} have others, "
        f"the first {norms[bad[0]]:.4g}. Divide each by its norm."
    ]


def _to_uint8(images: np.ndarray) -> np.ndarray:
    """Float 0..1 -> uint8, exact for what was uint8 / 255; uint8 stays as it is."""
    if images.dtype == np.uint8:
        return images
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 1):  # NaN fails it, too.
        text = f"images: expected uint8 or floats in 0..1, got {images.dtype} from {low} to {high}."
        raise ValueError(f"{text} Divide pixels by 255, or save them as uint8.")
    return np.rint(images * images.dtype.type(255)).astype(np.uint8)


def _open_images(array: npz_files.StoredArray) -> np.ndarray:
    """The images of an .npz file: mapped as they are stored, or unpacked."""
    if array.offset is not None and array.dtype == np.uint8:
        return array.map_or_load()
    images = np.empty(array.shape, np.uint8)
    for number, chunk in enumerate(array.chunks(_CHUNK_IMAGES)):
        images[number * _CHUNK_IMAGES :][: len(chunk)] = _to_uint8(chunk)
    return images


@dataclasses.dataclass(frozen=True)
class FoodDataset:
    """The arrays of the module's table. Raises ValueError if one is not what the table says.
    `images` may be no array, but what gives uint8 images of a number, a slice or an integer array,
    and has shape, dtype and length. Do not compute with all of it."""

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
            faults = label_faults(self.actions) + norm_faults([self.embeddings])
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
    if it is absent."""
    content, stored = open_npz(path), npz_files.StoredArray
    try:
        if faults := layout_faults(content):
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
            arrays, size = [getattr(one, name) for one in datasets], _CHUNK_IMAGES
            if name == "images":
                blocks = (
                    np.asarray(images[start : start + size])
                    for images in arrays
                    for start in range(0, len(images), size)
                )
                writer.write_blocks(name, (sum(map(len, arrays)), *IMAGE_SHAPE), np.uint8, blocks)
            elif name in LAYOUT:
                empty = [np.zeros((len(one), *PACKED_SHAPE), np.uint8) for one in datasets]
                wholes = [zero if own is None else own for own, zero in zip(arrays, empty)]
                writer.write(name, np.concatenate(wholes))
            else:
                writer.write(name, arrays[0])


def dataset_fingerprint(dataset: FoodDataset) -> str:
    """SHA-256 of all labels and of 256 images (and their masks) that lie evenly over the data set,
    however it is stored: 43 MB instead of 20 GB. Where only other images differ, it is the same."""
    digest, count = hashlib.sha256(), min(len(dataset), _FINGERPRINT_IMAGES)
    sampled = np.unique(np.linspace(0, len(dataset) - 1, count).round().astype(np.int64))
    for name in ("images", "masks", "actions", "embeddings"):
        array = getattr(dataset, name)
        if array is not None:
            digest.update(f"{name} {array.dtype} {array.shape};".encode())
            is_large = name in ("images", "masks")
            for part in (array[[row]] for row in sampled) if is_large else [array]:
                digest.update(np.ascontiguousarray(part).data)
    for name in NAME_ARRAYS:
        names = getattr(dataset, name)
        if names is not None:
            digest.update(f"{name};".encode() + "\0".join(names.tolist()).encode())
    return digest.hexdigest()
