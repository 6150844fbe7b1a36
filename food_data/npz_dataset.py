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

The first sample of a file might be: its picture, [0.25, 0.5, 0.75, 0.5] (from left to right through
the middle), the embedding of "skewering banana", "skewering", "banana", "day_1/images/003.jpg".

An uncompressed file (`np.savez`) is memory-mapped; `stored_images` says what becomes of others.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Sequence

import numpy as np

import policy_specs
from food_data import image_placement, npz_writer, stored_arrays, stored_images
from food_data.packed_masks import PACKED_SHAPE, pack_masks, unpack_masks

__all__ = [
    "ARRAYS",
    "FORMAT_VERSION",
    "IMAGE_SHAPE",
    "NAME_ARRAYS",
    "FoodDataset",
    "dataset_fingerprint",
    "pack_masks",
    "read_npz",
    "unpack_masks",
    "write_npz",
]

FORMAT_VERSION = 1
ARRAYS = ("images", "actions", "embeddings")
NAME_ARRAYS = ("action_names", "food_types", "sources")
IMAGE_SHAPE = (policy_specs.IMAGE_SIZE, policy_specs.IMAGE_SIZE, 3)
UNIT_NORM_TOLERANCE = 1e-2
_CHUNK_SAMPLES = 4096
_FINGERPRINT_IMAGES = 256
_WRITTEN_SAMPLES = 64


@dataclasses.dataclass(frozen=True)
class FoodDataset:
    """The arrays of the module's table, checked on construction.

    `photos` are the files that the pictures were made of, while they are at hand: [N], in memory
    only, not written.

    `images` may be no array in memory: it has shape, dtype and length, and gives the images of a
    number, a slice or an integer array as uint8. Do not compute with all of it.

    Raises:
        ValueError: if an array is not what the table says; names the array and the first bad
            sample.
    """

    images: np.ndarray | stored_images.FloatImages
    actions: np.ndarray
    embeddings: np.ndarray
    action_names: np.ndarray | None = None
    food_types: np.ndarray | None = None
    sources: np.ndarray | None = None
    resize: str | None = None
    format_version: int = FORMAT_VERSION
    masks: np.ndarray | None = None
    photos: Sequence[image_placement.PhotoFile] | None = None

    def __post_init__(self) -> None:
        """Checks everything that can be checked without looking at the pixels."""
        if self.format_version != FORMAT_VERSION:
            raise ValueError(
                f"format_version: expected {FORMAT_VERSION}, got {self.format_version}."
            )
        _check_array("images", self.images, np.uint8, (len(self), *IMAGE_SHAPE))
        _check_array("actions", self.actions, np.float32, (len(self), policy_specs.NUM_COORDINATES))
        size = policy_specs.EMBEDDING_SIZE
        _check_array("embeddings", self.embeddings, np.float32, (len(self), size))
        if self.resize not in (None, *image_placement.MODES):
            raise ValueError(
                f"resize: expected one of {', '.join(image_placement.MODES)}; got {self.resize!r}."
            )
        for name in NAME_ARRAYS:
            names = getattr(self, name)
            if names is not None and (names.shape != (len(self),) or names.dtype.kind != "U"):
                raise ValueError(
                    f"{name}: expected strings [{len(self)}], got {names.dtype} {names.shape}."
                )
        if self.masks is not None:
            _check_array("masks", self.masks, np.uint8, (len(self), *PACKED_SHAPE))
        _check_values(self.actions, self.embeddings)

    def __len__(self) -> int:
        """N."""
        return len(self.images)


def _check_array(name: str, array: np.ndarray, dtype: type, shape: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(
            f"{name}: expected {np.dtype(dtype)} {shape}, got {array.dtype} {array.shape}."
        )


def _check_values(actions: np.ndarray, embeddings: np.ndarray) -> None:
    # Comparisons are written so that NaN fails them.
    bad = np.flatnonzero(~((actions >= 0) & (actions <= 1)).all(axis=1))
    if bad.size:
        raise ValueError(
            f"actions: expected x1, y1, x2, y2 in 0..1; {bad.size} samples are not, the first is "
            f"{bad[0]}: {actions[bad[0]]}. Pixels must be divided by the picture's size."
        )
    norms = embedding_norms(embeddings)
    bad = np.flatnonzero(~(np.abs(norms - 1) <= UNIT_NORM_TOLERANCE))
    if bad.size:
        raise ValueError(
            f"embeddings: expected unit norm within {UNIT_NORM_TOLERANCE}; {bad.size} samples are "
            f"not, the first is {bad[0]} with norm {norms[bad[0]]}."
        )


def embedding_norms(embeddings: np.ndarray) -> np.ndarray:
    """Norms [N] of float [N, D], some rows at a time, because they may be mapped."""
    starts = range(0, len(embeddings), _CHUNK_SAMPLES)
    norms = [np.linalg.norm(embeddings[i : i + _CHUNK_SAMPLES], axis=1) for i in starts]
    return np.concatenate([np.zeros(0, np.float32), *norms])


def read_npz(path: str | os.PathLike[str]) -> FoodDataset:
    """Opens a data set; images, embeddings and masks of an uncompressed file stay on disk.

    The file must not be written into while it is used; replacing it by another is harmless.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no .npz, lacks an array, or an array is not what the table says.
        OSError: if a large compressed file finds no room in the temporary folder.
    """
    arrays = stored_arrays.open_arrays(path, "data set")
    absent = [name for name in ARRAYS if name not in arrays]
    if absent:
        raise ValueError(
            f"{path}: expected the arrays {', '.join(ARRAYS)}; absent: {', '.join(absent)}; "
            f"found: {', '.join(arrays) or 'none'}."
        )
    try:
        return _from_arrays(arrays)
    except ValueError as error:
        prefix = "" if str(path) in str(error) else f"{path}: "
        raise ValueError(f"{prefix}{error}") from error


def _from_arrays(arrays: dict[str, stored_arrays.StoredArray]) -> FoodDataset:
    names = {name: arrays[name].load() for name in NAME_ARRAYS if name in arrays}
    if "resize" in arrays:
        names["resize"] = str(arrays["resize"].load())
    if "format_version" in arrays:
        names["format_version"] = int(arrays["format_version"].load())
    if "masks" in arrays:
        names["masks"] = _map_or_load(arrays["masks"])
    return FoodDataset(
        stored_images.open_images(arrays["images"]),
        np.asarray(arrays["actions"].load(), np.float32),
        _map_or_load(arrays["embeddings"]).astype(np.float32, copy=False),
        **names,
    )


def _map_or_load(array: stored_arrays.StoredArray) -> np.ndarray:
    return array.load() if array.offset is None else array.map()


def write_npz(path: str | os.PathLike[str], dataset: FoodDataset) -> None:
    """Writes a data set uncompressed, whole or not at all. Arrays that are None are left out."""
    arrays = {f.name: getattr(dataset, f.name) for f in dataclasses.fields(dataset)}
    del arrays["photos"]
    with npz_writer.NpzStreamWriter(path) as writer:
        for name, array in arrays.items():
            if name in ("images", "embeddings", "masks") and array is not None:
                with writer.stream(name, array.shape, array.dtype) as stream:
                    for start in range(0, len(array), _WRITTEN_SAMPLES):
                        stream.append(np.asarray(array[start : start + _WRITTEN_SAMPLES]))
            elif array is not None:
                writer.write(name, array)


def dataset_fingerprint(path_or_dataset: str | os.PathLike[str] | FoodDataset) -> str:
    """SHA-256 of all labels and some images; a file and what is read from it have the same.

    How the file was compressed, and whether its images were float or uint8, makes no difference.

    Of more than 256 images, 256 that lie evenly over the data set are hashed (with their masks,
    if any): 43 MB, a fraction of a second, instead of a minute for 20 GB. So a data set of which
    some other image was changed, and nothing else, is taken for the same.
    """
    dataset = path_or_dataset
    if not isinstance(dataset, FoodDataset):
        dataset = read_npz(dataset)
    digest = hashlib.sha256()
    count = min(len(dataset), _FINGERPRINT_IMAGES)
    sampled = np.unique(np.linspace(0, len(dataset) - 1, count).round().astype(np.int64))
    for name in ("images", "masks", "actions", "embeddings"):
        array = getattr(dataset, name)
        if array is None:
            continue
        digest.update(f"{name} {array.dtype} {array.shape};".encode())
        rows = sampled if name in ("images", "masks") else range(0, len(array), _CHUNK_SAMPLES)
        size = 1 if name in ("images", "masks") else _CHUNK_SAMPLES
        for start in rows:
            digest.update(np.ascontiguousarray(array[start : start + size]).data)
    for name in NAME_ARRAYS:
        names = getattr(dataset, name)
        if names is not None:
            digest.update(f"{name};".encode() + "\0".join(names.tolist()).encode())
    return digest.hexdigest()
