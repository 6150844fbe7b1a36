"""The images of a data set as uint8 [N, H, W, 3], wherever and however they are stored.

| in the file               | becomes                                                             |
|---------------------------|---------------------------------------------------------------------|
| uint8, stored             | mapped: no memory                                                   |
| float 0..1, stored        | mapped; each batch is rounded to uint8 when it is asked for         |
| compressed, up to 2 GB    | one uint8 array in memory, filled chunk by chunk                    |
| compressed, above         | a file without a name in the temporary folder, mapped; it is gone   |
|                           | when the process ends. TMPDIR says where; it needs N * 167 kB.      |
"""

from __future__ import annotations

import shutil
import tempfile

import numpy as np

from food_data import stored_arrays

IN_MEMORY_BYTES = 2 * 1024**3
_CHUNK_IMAGES = 64
_SPARE_BYTES = 64 * 1024**2


def to_uint8(images: np.ndarray, name: str = "images") -> np.ndarray:
    """Float 0..1 -> uint8, exact for what was uint8 / 255; uint8 stays as it is.

    Args:
        images: of any shape.
        name: of what they are, for the message.

    Returns:
        uint8 of the same shape.

    Raises:
        ValueError: if they are neither, out of range or NaN.
    """
    if images.dtype == np.uint8:
        return images
    # Written so that NaN fails it.
    if images.dtype.kind != "f" or not (
        images.size == 0 or (images.min() >= 0 and images.max() <= 1)
    ):
        raise ValueError(
            f"{name}: expected uint8 or floats in 0..1, got {images.dtype} from {images.min()} to "
            f"{images.max()}. Divide pixels by 255, or save them as uint8."
        )
    return np.rint(images * images.dtype.type(255)).astype(np.uint8)


class FloatImages:
    """Images that are floats on disk and uint8 for whoever asks; holds nothing itself.

    Attributes:
        floats: what is on disk, mapped.
        shape: (N, H, W, 3).
        dtype: uint8.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, floats: np.ndarray, name: str) -> None:
        """Takes mapped floats [N, H, W, 3] in 0..1 and what errors call them."""
        self.floats, self._name = floats, name
        self.shape = floats.shape
        self.ndim = floats.ndim

    def __len__(self) -> int:
        """N."""
        return self.shape[0]

    def __getitem__(self, samples: int | slice | np.ndarray) -> np.ndarray:
        """uint8 images of the samples. Raises ValueError if one has a value outside 0..1."""
        return to_uint8(np.asarray(self.floats[samples]), f"{self._name}: images")

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        """All of them, in memory; rounded in chunks."""
        whole = np.empty(self.shape, np.uint8)
        for start in range(0, len(self), _CHUNK_IMAGES):
            whole[start : start + _CHUNK_IMAGES] = self[start : start + _CHUNK_IMAGES]
        return whole if dtype is None else whole.astype(dtype, copy=False)


def open_images(array: stored_arrays.StoredArray) -> np.ndarray | FloatImages:
    """The images of an .npz file, as the module's table says.

    Of mapped floats the first and the last image are checked now, and the others when they are
    asked for.

    Raises:
        ValueError: if they are not uint8 or floats in 0..1, or the file is damaged.
        OSError: if the temporary folder has no room.
    """
    if array.dtype.kind != "f" and array.dtype != np.uint8:
        raise ValueError(f"images: expected uint8 or floats in 0..1, got {array.dtype}.")
    if not array.shape:
        raise ValueError("images: expected [N, H, W, 3], got a single number.")
    if array.offset is not None:
        mapped = array.map()
        if array.dtype == np.uint8:
            return mapped
        images = FloatImages(mapped, str(array.path))
        for sample in {0, len(images) - 1} if len(images) else ():
            images[sample]
        return images
    if array.num_bytes // array.dtype.itemsize <= IN_MEMORY_BYTES:
        return _into_memory(array)
    return _into_temporary_file(array)


def _into_memory(array: stored_arrays.StoredArray) -> np.ndarray:
    images, start = np.empty(array.shape, np.uint8), 0
    for chunk in array.chunks(_CHUNK_IMAGES):
        images[start : start + len(chunk)] = to_uint8(chunk)
        start += len(chunk)
    return images


def _into_temporary_file(array: stored_arrays.StoredArray) -> np.ndarray:
    folder = tempfile.gettempdir()
    needed = array.num_bytes // array.dtype.itemsize
    free = shutil.disk_usage(folder).free
    if free < needed + _SPARE_BYTES:
        raise OSError(
            f"{array.path} is compressed: expected {needed / 1e9:.1f} GB free in {folder} for its "
            f"images, got {free / 1e9:.1f} GB. Set TMPDIR to a folder with more room, or save the "
            "file uncompressed (np.savez)."
        )
    with tempfile.TemporaryFile(dir=folder) as file:
        for chunk in array.chunks(_CHUNK_IMAGES):
            file.write(to_uint8(chunk).data)
        file.flush()
        return np.memmap(file, np.uint8, "r", shape=array.shape)
