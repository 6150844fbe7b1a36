"""Writing .npz files whose arrays do not fit into memory: they are written through as they come.

    with npz_writer.NpzStreamWriter("plates.npz") as writer:
        with writer.stream("images", (1000, 236, 236, 3), np.uint8) as images:
            for block in blocks:        # of shapes [n, 236, 236, 3]; 1000 in all
                images.append(block)
        writer.write("actions", actions)

Members are stored, not compressed, so that they can be memory-mapped. The file is there whole or
not at all.
"""

from __future__ import annotations

import contextlib
import os
import types
import zipfile
from collections.abc import Iterator
from typing import IO

import numpy as np

from food_data import atomic_files


class ArrayStream:
    """One array of the file, written block by block along its first axis.

    Args:
        file: the open member.
        name: of the array, for messages.
        shape: of the whole array.
        dtype: of the array.
    """

    def __init__(self, file: IO[bytes], name: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self._file, self._name = file, name
        self._shape, self._dtype = shape, dtype
        self._rows = 0
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False}
        np.lib.format.write_array_header_2_0(file, {**header, "shape": shape})

    def append(self, block: np.ndarray) -> None:
        """Writes the next rows [n, ...]. Raises ValueError for another shape or dtype."""
        if block.dtype != self._dtype or block.shape[1:] != self._shape[1:]:
            raise ValueError(
                f"{self._name}: expected blocks of {self._dtype} [n, *{self._shape[1:]}], got "
                f"{block.dtype} {list(block.shape)}; convert them before they are written."
            )
        self._rows += len(block)
        if self._rows > self._shape[0]:
            raise ValueError(
                f"{self._name}: expected {self._shape[0]} rows, got {self._rows}; state as many as "
                "there are when the stream is opened."
            )
        self._file.write(np.ascontiguousarray(block).data.cast("B") if block.size else b"")

    def check_complete(self) -> None:
        """Raises ValueError if rows are missing."""
        if self._rows != self._shape[0]:
            raise ValueError(
                f"{self._name}: expected {self._shape[0]} rows, got {self._rows}; state as many as "
                "there are when the stream is opened."
            )


class NpzStreamWriter:
    """A context in which the arrays of one .npz file are written, one after the other.

    Args:
        path: of the file; what is there is replaced if the block ends well.

    Raises:
        FileNotFoundError: on entry, if the folder of `path` does not exist.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = path
        self._stack = contextlib.ExitStack()
        self._zip: zipfile.ZipFile

    def __enter__(self) -> NpzStreamWriter:
        """Opens a temporary file beside the path."""
        file = self._stack.enter_context(atomic_files.replace_file(self._path))
        self._zip = self._stack.enter_context(zipfile.ZipFile(file, "w", zipfile.ZIP_STORED))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        """Puts the file in place, or removes it after an error."""
        self._stack.__exit__(kind, error, traceback)

    @contextlib.contextmanager
    def stream(self, name: str, shape: tuple[int, ...], dtype: type) -> Iterator[ArrayStream]:
        """Opens one array for writing; no other may be written until it is closed.

        Args:
            name: of the array.
            shape: of the whole array; as many rows must be appended.
            dtype: of the array.

        Yields:
            What the rows are appended to.

        Raises:
            ValueError: if there are fewer or more rows than stated, or of another kind.
        """
        with self._zip.open(f"{name}.npy", "w", force_zip64=True) as file:
            array = ArrayStream(file, name, tuple(shape), np.dtype(dtype))
            yield array
            array.check_complete()

    def write(self, name: str, array: np.ndarray) -> None:
        """Writes a whole array."""
        array = np.asanyarray(array)
        with self._zip.open(f"{name}.npy", "w", force_zip64=array.nbytes > 1 << 30) as file:
            np.lib.format.write_array(file, array, allow_pickle=False)
