"""Reading .npz files without reading their numbers, and writing those that do not fit into memory.

An .npz is a zip of .npy files. `np.savez` stores them as they are, so the numbers of an array lie
in one piece and can be mapped. Example: the local header of a member "images.npy" takes 30 bytes,
10 for the name and 20 more, the .npy header 128: the first pixel is byte 188 of the file.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import pathlib
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import numpy as np

from food_data import atomic_files

# RuntimeError: encrypted members, unknown compression.
_READ_ERRORS = (ValueError, EOFError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error)


@dataclasses.dataclass(frozen=True)
class StoredArray:
    """One array of an .npz file, of which nothing but the header was read."""

    path: pathlib.Path  # of the .npz
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int | None  # of the numbers in the .npz, bytes; None if they cannot be mapped

    def load(self) -> np.ndarray:
        """The whole array in memory; checks its checksum. Raises ValueError if it is damaged."""
        with _named_errors(self.path), np.load(self.path, allow_pickle=False) as content:
            return content[self.name]

    def map_or_load(self) -> np.ndarray:
        """The array as it lies in the file, read only, if it is neither compressed nor empty."""
        if self.offset is None or not math.prod(self.shape):
            return self.load()
        return np.memmap(self.path, self.dtype, "r", self.offset, self.shape)

    def chunks(self, num_rows: int) -> Iterator[np.ndarray]:
        """Pieces [up to num_rows, ...], one at a time; checks the checksum. Raises ValueError."""
        with (
            _named_errors(self.path),
            zipfile.ZipFile(self.path) as archive,
            archive.open(f"{self.name}.npy") as file,
        ):
            # With the first axis varying fastest it has no such pieces on disk.
            whole = self.load() if _read_header(file)[1] else None
            for start in range(0, self.shape[0], num_rows):
                if whole is not None:
                    yield np.ascontiguousarray(whole[start : start + num_rows])
                    continue
                shape = (min(num_rows, self.shape[0] - start), *self.shape[1:])
                data = file.read(math.prod(shape) * self.dtype.itemsize)
                yield np.frombuffer(data, self.dtype).reshape(shape)


def open_arrays(path: str | os.PathLike[str], kind: str) -> dict[str, StoredArray]:
    """The arrays of an .npz file by name; reads their headers only. `kind` is what it should be,
    for messages. Raises FileNotFoundError, and ValueError if it is not a readable .npz file."""
    path, arrays = pathlib.Path(path), {}
    atomic_files.check_local(path, kind)
    if not path.is_file():
        raise FileNotFoundError(f"No {kind} {path}.")
    atomic_files.refuse_pointer(path)
    with _named_errors(path, kind), zipfile.ZipFile(path) as archive, open(path, "rb") as raw:
        for member in archive.infolist():
            if not member.filename.endswith(".npy"):
                continue
            name = member.filename.removesuffix(".npy")
            with archive.open(member) as file:
                shape, fortran_order, dtype = _read_header(file)
                header_size = file.tell()
            size = header_size + math.prod(shape) * dtype.itemsize
            if dtype.hasobject or member.file_size != size:  # Python objects may run code.
                got = f"{dtype}, {member.file_size} bytes"
                raise ValueError(f"{name}: expected numbers or strings, {size} bytes; got {got}.")
            offset = None
            if member.compress_type == zipfile.ZIP_STORED and not fortran_order:
                # The directory at the end of the zip does not say how long this header is.
                raw.seek(member.header_offset)
                lengths = struct.unpack("<26x2H", raw.read(30))  # Of the name and what follows it.
                offset = member.header_offset + 30 + sum(lengths) + header_size
            arrays[name] = StoredArray(path, name, shape, dtype, offset)
    return arrays


@contextlib.contextmanager
def _named_errors(path: pathlib.Path, kind: str = "file") -> Iterator[None]:
    try:
        yield
    except _READ_ERRORS as error:
        raise ValueError(f"The {kind} {path} is not a readable .npz file: {error}") from error


def _read_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    form, version = np.lib.format, np.lib.format.read_magic(file)
    readers = {(1, 0): form.read_array_header_1_0, (2, 0): form.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"expected .npy format 1.0 or 2.0, got {version}")
    return readers[version](file)


class NpzWriter:
    """Writes the arrays of one .npz file one after the other; made by `open_writer`."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._zip = archive

    def write_blocks(
        self, name: str, shape: tuple[int, ...], dtype: type, blocks: Iterable[np.ndarray]
    ) -> None:
        """Writes an array whose rows come in blocks [n, ...]. Raises ValueError if they are fewer
        or more than `shape` says, or of another kind."""
        dtype, rows = np.dtype(dtype), 0
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False}
        with self._zip.open(f"{name}.npy", "w", force_zip64=True) as file:
            np.lib.format.write_array_header_2_0(file, {**header, "shape": tuple(shape)})
            for block in blocks:
                rows += len(block)
                if block.dtype != dtype or block.shape[1:] != shape[1:]:
                    raise ValueError(
                        f"{name}: expected {dtype} {shape}, got {block.shape} of {block.dtype}."
                    )
                file.write(np.ascontiguousarray(block).tobytes())
        if rows != shape[0]:
            raise ValueError(f"{name}: expected {shape[0]} rows, got {rows}.")

    def write(self, name: str, array: np.ndarray) -> None:
        """Writes a whole array."""
        array = np.asanyarray(array)
        with self._zip.open(f"{name}.npy", "w", force_zip64=array.nbytes > 1 << 30) as file:
            np.lib.format.write_array(file, array, allow_pickle=False)


@contextlib.contextmanager
def open_writer(path: str | os.PathLike[str]) -> Iterator[NpzWriter]:
    """Members are stored, so that they can be mapped; the file is there whole or not at all."""
    with (
        atomic_files.replace_file(path) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
    ):
        yield NpzWriter(archive)
