"""The arrays of an .npz file without reading them: memory-mapped, or streamed from compression.

An .npz is a zip of .npy files. `np.savez` stores them as they are, so the numbers of an array lie
in one piece of the file and can be mapped: 20 GB of images need no memory but the operating
system's cache. `np.savez_compressed` does not; such an array can only be read from its beginning,
here in chunks.

A worked example: a file of 100 stored images has a member "images.npy", whose local header begins
at byte 0 and takes 30 bytes, 10 for the name and 20 more; the .npy header after it says uint8,
[100, 236, 236, 3], and takes 128. So the first pixel is byte 188 of the file.
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
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

READ_ERRORS = (
    ValueError,
    EOFError,
    OSError,
    RuntimeError,  # encrypted members, unknown compression
    zipfile.BadZipFile,
    zlib.error,
)
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")


@dataclasses.dataclass(frozen=True)
class StoredArray:
    """One array of an .npz file, of which nothing but the header was read.

    Attributes:
        path: of the .npz.
        name: "images".
        shape, dtype: of the array.
        fortran_order: the first axis varies fastest.
        offset: of the numbers in the .npz, bytes; None if they are compressed.
    """

    path: pathlib.Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    fortran_order: bool
    offset: int | None

    @property
    def num_bytes(self) -> int:
        """Of the array, decompressed."""
        return math.prod(self.shape) * self.dtype.itemsize

    def load(self) -> np.ndarray:
        """The whole array in memory; checks its checksum. Raises ValueError if it is damaged."""
        with _named_errors(self.path), np.load(self.path, allow_pickle=False) as content:
            return content[self.name]

    def map(self) -> np.ndarray:
        """The array as it lies in the file, read only, in no memory of ours; checks no checksum.

        Raises:
            ValueError: if it is compressed.
        """
        if self.offset is None:
            raise ValueError(f"{self.path}: {self.name} is compressed; `chunks` or `load` read it.")
        if not self.num_bytes:
            return np.zeros(self.shape, self.dtype)
        order = "F" if self.fortran_order else "C"
        return np.memmap(self.path, self.dtype, "r", self.offset, self.shape, order)

    def chunks(self, num_rows: int) -> Iterator[np.ndarray]:
        """The array in pieces [up to num_rows, ...] along its first axis; checks its checksum.

        Holds one piece. A compressed array in Fortran order has no such pieces on disk and is read
        whole.

        Raises:
            ValueError: if the file is damaged.
        """
        if self.fortran_order:
            whole = self.load() if self.offset is None else self.map()
            for start in range(0, self.shape[0], num_rows):
                yield np.ascontiguousarray(whole[start : start + num_rows])
            return
        row = self.dtype.itemsize * math.prod(self.shape[1:])
        with contextlib.ExitStack() as stack:
            stack.enter_context(_named_errors(self.path))
            archive = stack.enter_context(zipfile.ZipFile(self.path))
            file = stack.enter_context(archive.open(f"{self.name}.npy"))
            _read_header(file)
            for start in range(0, self.shape[0], num_rows):
                rows = min(num_rows, self.shape[0] - start)
                data = np.frombuffer(_read_exactly(file, rows * row), self.dtype)
                yield data.reshape(rows, *self.shape[1:])
            file.read(1)  # The checksum is compared at the end of the member.


def open_arrays(path: str | os.PathLike[str], kind: str) -> dict[str, StoredArray]:
    """The arrays of an .npz file by name; reads their headers only.

    Args:
        path: of the file.
        kind: what the file should be, for the message: "data set".

    Returns:
        In the order of the file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a readable .npz file, or an array would have to be unpickled.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No {kind} {path}.")
    with _named_errors(path, kind), zipfile.ZipFile(path) as archive, open(path, "rb") as raw:
        members = [one for one in archive.infolist() if one.filename.endswith(".npy")]
        arrays = [_open_array(path, archive, raw, member) for member in members]
    return {array.name: array for array in arrays}


@contextlib.contextmanager
def _named_errors(path: pathlib.Path, kind: str = "file") -> Iterator[None]:
    try:
        yield
    except READ_ERRORS as error:
        raise ValueError(f"The {kind} {path} is not a readable .npz file: {error}") from error


def _open_array(
    path: pathlib.Path, archive: zipfile.ZipFile, raw: BinaryIO, member: zipfile.ZipInfo
) -> StoredArray:
    name = member.filename[: -len(".npy")]
    with archive.open(member) as file:
        shape, fortran_order, dtype = _read_header(file)
        header_size = file.tell()
    if dtype.hasobject:
        raise ValueError(
            f"{name} holds Python objects, which only allow_pickle would read and which may run "
            "code. Save numbers or strings."
        )
    size = header_size + math.prod(shape) * dtype.itemsize
    if member.file_size != size:
        raise ValueError(f"{name}: expected {size} bytes, got {member.file_size}")
    offset = None
    if member.compress_type == zipfile.ZIP_STORED:
        offset = _data_offset(raw, member) + header_size
    return StoredArray(path, name, shape, dtype, fortran_order, offset)


def _read_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)
    raise ValueError(f"expected .npy format 1.0 or 2.0, got {version}")


def _data_offset(raw: BinaryIO, member: zipfile.ZipInfo) -> int:
    """Where the content of a stored member begins; the directory at the end does not say."""
    raw.seek(member.header_offset)
    fields = _LOCAL_HEADER.unpack(_read_exactly(raw, _LOCAL_HEADER.size))
    if fields[0] != b"PK\x03\x04":
        raise zipfile.BadZipFile(f"{member.filename} has no local header")
    name_size, extra_size = fields[-2:]
    return member.header_offset + _LOCAL_HEADER.size + name_size + extra_size


def _read_exactly(file: BinaryIO, size: int) -> bytearray:
    """As many bytes as asked for, which one `read` of a zip member need not give."""
    data = bytearray(size)
    view, done = memoryview(data), 0
    while done < size:
        count = file.readinto(view[done:])
        if not count:
            raise EOFError(f"expected {size} more bytes, got {done}")
        done += count
    return data
