"""The .npz data set: one sample is a picture, an instruction's embedding and execution parameters.

| array          | dtype, shape           | holds                                           |
|----------------|------------------------|-------------------------------------------------|
| images         | uint8 [N, 236, 236, 3] | RGB; float 0..1 is read too, rounded to uint8   |
| actions        | float32 [N, 4]         | x1, y1, x2, y2 in 0..1, origin top left, y down |
| embeddings     | float32 [N, 512]       | the instruction, unit norm                      |
| action_names   | str [N], may be absent | "skewering"                                     |
| food_types     | str [N], may be absent | "cherry_tomato"                                 |
| sources        | str [N], may be absent | which picture; a split never parts equal ones   |
| resize         | str, may be absent     | how pictures became square: "letterbox", ...     |
| format_version | int, may be absent     | 1                                               |

The first sample of a file might be: its picture, [0.25, 0.5, 0.75, 0.5] (from left to right through
the middle), the embedding of "skewering banana", "skewering", "banana", "day_1/images/003.jpg".
"""

from __future__ import annotations

import dataclasses
import hashlib
import os

import numpy as np

import policy_specs
from food_data import atomic_files, image_placement, npz_files

FORMAT_VERSION = 1
ARRAYS = ("images", "actions", "embeddings")
NAME_ARRAYS = ("action_names", "food_types", "sources")
IMAGE_SHAPE = (policy_specs.IMAGE_SIZE, policy_specs.IMAGE_SIZE, 3)
_UNIT_NORM_TOLERANCE = 1e-2
_CHUNK_SAMPLES = 256


@dataclasses.dataclass(frozen=True)
class FoodDataset:
    """The arrays of the module's table, checked on construction.

    Raises:
        ValueError: if an array is not what the table says; names the array and the first bad
            sample.
    """

    images: np.ndarray
    actions: np.ndarray
    embeddings: np.ndarray
    action_names: np.ndarray | None = None
    food_types: np.ndarray | None = None
    sources: np.ndarray | None = None
    resize: str | None = None
    format_version: int = FORMAT_VERSION

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
    norms = np.linalg.norm(embeddings, axis=1)
    bad = np.flatnonzero(~(np.abs(norms - 1) <= _UNIT_NORM_TOLERANCE))
    if bad.size:
        raise ValueError(
            f"embeddings: expected unit norm within {_UNIT_NORM_TOLERANCE}; {bad.size} samples are "
            f"not, the first is {bad[0]} with norm {norms[bad[0]]}."
        )


def read_npz(path: str | os.PathLike[str]) -> FoodDataset:
    """Reads a data set into memory, once.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no .npz, lacks an array, or an array is not what the table says.
    """
    arrays = npz_files.read_arrays(path, "data set")
    absent = [name for name in ARRAYS if name not in arrays]
    if absent:
        raise ValueError(
            f"{path}: expected the arrays {', '.join(ARRAYS)}; absent: {', '.join(absent)}; "
            f"found: {', '.join(arrays) or 'none'}."
        )
    try:
        return _from_arrays(arrays)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _from_arrays(arrays: dict[str, np.ndarray]) -> FoodDataset:
    images = arrays.pop("images")
    floats = (np.asarray(arrays[name], np.float32) for name in ("actions", "embeddings"))
    names = (arrays.get(name) for name in NAME_ARRAYS)
    resize = str(arrays["resize"]) if "resize" in arrays else None
    version = int(arrays.get("format_version", FORMAT_VERSION))
    if images.dtype.kind == "f":
        images = _to_uint8(images)
    return FoodDataset(images, *floats, *names, resize, version)


def _to_uint8(images: np.ndarray) -> np.ndarray:
    """Float 0..1 -> uint8, exact for what was uint8 / 255; a chunk at a time, to spare memory."""
    converted = np.empty(images.shape, np.uint8)
    for start in range(0, len(images), _CHUNK_SAMPLES):
        chunk = images[start : start + _CHUNK_SAMPLES]
        if not (chunk.min() >= 0 and chunk.max() <= 1):
            raise ValueError(
                f"images: expected uint8 or floats in 0..1, got {images.dtype} from {chunk.min()} "
                f"to {chunk.max()} in samples {start} to {start + len(chunk) - 1}."
            )
        converted[start : start + _CHUNK_SAMPLES] = np.rint(chunk * 255)
    return converted


def write_npz(path: str | os.PathLike[str], dataset: FoodDataset) -> None:
    """Writes a data set, whole or not at all. Arrays that are None are left out."""
    arrays = {f.name: getattr(dataset, f.name) for f in dataclasses.fields(dataset)}
    present = {name: array for name, array in arrays.items() if array is not None}
    with atomic_files.replace_file(path) as file:
        np.savez(file, **present)


def dataset_fingerprint(path_or_dataset: str | os.PathLike[str] | FoodDataset) -> str:
    """SHA-256 of what the data set holds; a file and what is read from it have the same.

    How the file was compressed, and whether its images were float or uint8, makes no difference.
    """
    dataset = path_or_dataset
    if not isinstance(dataset, FoodDataset):
        dataset = read_npz(dataset)
    digest = hashlib.sha256()
    for name in ARRAYS:
        array = np.ascontiguousarray(getattr(dataset, name))
        digest.update(f"{name} {array.dtype} {array.shape};".encode())
        digest.update(array.data)
    for name in NAME_ARRAYS:
        names = getattr(dataset, name)
        if names is not None:
            digest.update(f"{name};".encode() + "\0".join(names.tolist()).encode())
    return digest.hexdigest()
