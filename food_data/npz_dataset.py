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

Images, embeddings and masks of an uncompressed file (`np.savez`) stay on disk and are mapped; float
images are rounded when they are asked for. Compressed images are unpacked into a file without a
name in the temporary folder (TMPDIR; N * 167 kB), which is gone when the process ends.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence

import numpy as np

import policy_specs
from food_data import image_placement, npz_files

FORMAT_VERSION = 1
ARRAYS = ("images", "actions", "embeddings")
NAME_ARRAYS = ("action_names", "food_types", "sources")
IMAGE_SHAPE = (policy_specs.IMAGE_SIZE, policy_specs.IMAGE_SIZE, 3)
MASK_SHAPE = IMAGE_SHAPE[:2]
PACKED_SHAPE = (policy_specs.IMAGE_SIZE, -(-policy_specs.IMAGE_SIZE // 8))
# What one sample of each array has, and the type in which it is held.
LAYOUT = {
    "images": (IMAGE_SHAPE, np.uint8),
    "actions": ((policy_specs.NUM_COORDINATES,), np.float32),
    "embeddings": ((policy_specs.EMBEDDING_SIZE,), np.float32),
    "masks": (PACKED_SHAPE, np.uint8),
}
UNIT_NORM_TOLERANCE = 1e-2
_CHUNK_SAMPLES = 4096
_CHUNK_IMAGES = 64
_FINGERPRINT_IMAGES = 256
_SPARE_BYTES = 64 * 1024**2


def pack_masks(masks: np.ndarray) -> np.ndarray:
    """bool [..., 236, 236] -> uint8 [..., 236, 30]: eight pixels of a row in a byte.

    The leftmost is the highest bit: the row 1 1 0 0 0 0 0 0 1 0 ... begins with 0b11000000 = 192
    and 0b10000000 = 128. Raises ValueError if the masks are not bool or of another size.
    """
    masks = np.asarray(masks)
    if masks.dtype != bool or masks.shape[-2:] != MASK_SHAPE:
        raise ValueError(
            f"masks: expected bool [..., {MASK_SHAPE[0]}, {MASK_SHAPE[1]}], got {masks.dtype} "
            f"{list(masks.shape)}. Masks of other sizes go through image_placement first."
        )
    return np.packbits(masks, axis=-1)


def unpack_masks(packed: np.ndarray) -> np.ndarray:
    """uint8 [..., 236, 30] -> bool [..., 236, 236] (rows, columns), 56 kB each: a few at a time.

    Raises:
        ValueError: if these are no packed masks.
    """
    packed = np.asarray(packed)
    if packed.dtype != np.uint8 or packed.shape[-2:] != PACKED_SHAPE:
        raise ValueError(
            f"masks: expected uint8 [..., {PACKED_SHAPE[0]}, {PACKED_SHAPE[1]}] of `pack_masks`, "
            f"got {packed.dtype} {list(packed.shape)}."
        )
    return np.unpackbits(packed, axis=-1, count=MASK_SHAPE[1]).view(bool)


class FloatImages:
    """Images that are floats on disk and uint8 for whoever asks; holds nothing itself.

    Attributes:
        floats: what is on disk, mapped, [N, H, W, 3] in 0..1.
        shape, ndim, dtype: (N, H, W, 3), 4, uint8.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, floats: np.ndarray, name: str) -> None:
        """Takes mapped floats and what errors call them."""
        self.floats, self._name = floats, name
        self.shape, self.ndim = floats.shape, floats.ndim

    def __len__(self) -> int:
        """N."""
        return self.shape[0]

    def __getitem__(self, samples: int | slice | np.ndarray) -> np.ndarray:
        """uint8 images of the samples. Raises ValueError if one has a value outside 0..1."""
        return _to_uint8(np.asarray(self.floats[samples]), f"{self._name}: images")

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        """All of them, in memory; rounded in chunks."""
        whole = np.empty(self.shape, np.uint8)
        for start in range(0, len(self), _CHUNK_IMAGES):
            whole[start : start + _CHUNK_IMAGES] = self[start : start + _CHUNK_IMAGES]
        return whole if dtype is None else whole.astype(dtype, copy=False)


def _to_uint8(images: np.ndarray, name: str) -> np.ndarray:
    """Float 0..1 -> uint8, exact for what was uint8 / 255; uint8 stays as it is."""
    if images.dtype == np.uint8:
        return images
    # Written so that NaN fails it.
    if images.size and not (images.min() >= 0 and images.max() <= 1):
        raise ValueError(
            f"{name}: expected uint8 or floats in 0..1, got {images.dtype} from {images.min()} to "
            f"{images.max()}. Divide pixels by 255, or save them as uint8."
        )
    return np.rint(images * images.dtype.type(255)).astype(np.uint8)


def _open_images(array: npz_files.StoredArray) -> np.ndarray | FloatImages:
    """The images of an .npz file, however they are stored."""
    if array.dtype.kind != "f" and array.dtype != np.uint8:
        raise ValueError(f"images: expected uint8 or floats in 0..1, got {array.dtype}.")
    if not array.shape:
        raise ValueError("images: expected [N, H, W, 3], got a single number.")
    if array.offset is None and 0 not in array.shape:
        return _unpack_images(array)
    if array.dtype == np.uint8:
        return array.map_or_load()
    images = FloatImages(array.map_or_load(), str(array.path))
    # The others are checked when they are asked for.
    for sample in {0, len(images) - 1} if len(images) else ():
        images[sample]
    return images


def _unpack_images(array: npz_files.StoredArray) -> np.ndarray:
    """Compressed images as a mapped temporary file."""
    folder, needed = tempfile.gettempdir(), int(np.prod(array.shape))
    free = shutil.disk_usage(folder).free
    if free < needed + _SPARE_BYTES:
        raise OSError(
            f"{array.path} is compressed: expected {needed / 1e9:.1f} GB free in {folder} for its "
            f"images, got {free / 1e9:.1f} GB. Set TMPDIR to a folder with more room, or save the "
            "file uncompressed (np.savez)."
        )
    with tempfile.TemporaryFile(dir=folder) as file:
        for chunk in array.chunks(_CHUNK_IMAGES):
            file.write(_to_uint8(chunk, "images").data)
        file.flush()
        return np.memmap(file, np.uint8, "r", shape=array.shape)


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

    images: np.ndarray | FloatImages
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
        for name, (shape, dtype) in LAYOUT.items():
            array, expected = getattr(self, name), (len(self), *shape)
            if array is not None and (array.dtype != dtype or array.shape != expected):
                raise ValueError(
                    f"{name}: expected {np.dtype(dtype)} {expected}, got {array.dtype} "
                    f"{array.shape}."
                )
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
        # Comparisons are written so that NaN fails them.
        bad = np.flatnonzero(~((self.actions >= 0) & (self.actions <= 1)).all(axis=1))
        if bad.size:
            raise ValueError(
                f"actions: expected x1, y1, x2, y2 in 0..1; {bad.size} samples are not, the first "
                f"is {bad[0]}: {self.actions[bad[0]]}. Pixels must be divided by the picture's "
                "size."
            )
        norms = np.zeros(len(self), np.float32)
        for start in range(0, len(self), _CHUNK_SAMPLES):  # They may be mapped.
            rows = slice(start, start + _CHUNK_SAMPLES)
            norms[rows] = np.linalg.norm(self.embeddings[rows], axis=1)
        bad = np.flatnonzero(~(np.abs(norms - 1) <= UNIT_NORM_TOLERANCE))
        if bad.size:
            raise ValueError(
                f"embeddings: expected unit norm within {UNIT_NORM_TOLERANCE}; {bad.size} samples "
                f"are not, the first is {bad[0]} with norm {norms[bad[0]]}."
            )

    def __len__(self) -> int:
        """N."""
        return len(self.images)


def read_npz(path: str | os.PathLike[str]) -> FoodDataset:
    """Opens a data set; images, embeddings and masks of an uncompressed file stay on disk.

    The file must not be written into while it is used; replacing it by another is harmless.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no .npz, lacks an array, or an array is not what the table says.
        OSError: if compressed images find no room in the temporary folder.
    """
    arrays = npz_files.open_arrays(path, "data set")
    absent = [name for name in ARRAYS if name not in arrays]
    if absent:
        raise ValueError(
            f"{path}: expected the arrays {', '.join(ARRAYS)}; absent: {', '.join(absent)}; "
            f"found: {', '.join(arrays) or 'none'}."
        )
    try:
        rest = {name: arrays[name].load() for name in NAME_ARRAYS if name in arrays}
        if "resize" in arrays:
            rest["resize"] = str(arrays["resize"].load())
        if "format_version" in arrays:
            rest["format_version"] = int(arrays["format_version"].load())
        if "masks" in arrays:
            rest["masks"] = arrays["masks"].map_or_load()
        return FoodDataset(
            _open_images(arrays["images"]),
            np.asarray(arrays["actions"].load(), np.float32),
            arrays["embeddings"].map_or_load().astype(np.float32, copy=False),
            **rest,
        )
    except ValueError as error:
        prefix = "" if str(path) in str(error) else f"{path}: "
        raise ValueError(f"{prefix}{error}") from error


def write_npz(path: str | os.PathLike[str], dataset: FoodDataset) -> None:
    """Writes a data set uncompressed, whole or not at all. Arrays that are None are left out."""
    with npz_files.open_writer(path) as writer:
        for field in dataclasses.fields(dataset):
            array = getattr(dataset, field.name)
            if array is None or field.name == "photos":
                continue
            if field.name not in LAYOUT:
                writer.write(field.name, array)
                continue
            with writer.stream(field.name, array.shape, array.dtype) as stream:
                for start in range(0, len(array), _CHUNK_IMAGES):
                    stream.append(np.asarray(array[start : start + _CHUNK_IMAGES]))


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
