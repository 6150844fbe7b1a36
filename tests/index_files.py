"""Checksums from the index of a TensorFlow checkpoint, read without its data.

An index is a sorted table of LevelDB's format, of blocks that may be packed with Snappy; its values
are `BundleEntryProto`. TensorFlow reads it, but does not give the checksums away.
"""

from __future__ import annotations

import pathlib

import pyarrow
from tensorflow.core.protobuf import tensor_bundle_pb2


def checksums(path: str | pathlib.Path) -> dict[str, int]:
    """{key: masked CRC-32C} of every tensor."""
    data = pathlib.Path(path).read_bytes()
    # The last 48 bytes: offset and size of the block of metadata, then of that of blocks.
    blocks = _varints(data[-48:], 4)[0][2:]
    found = {}
    for _, handle in _entries(data, *blocks):
        for key, value in _entries(data, *_varints(handle, 2)[0]):
            entry = tensor_bundle_pb2.BundleEntryProto.FromString(value)
            found[key.decode()] = entry.crc32c
    return found


def _varints(data: bytes, count: int, at: int = 0) -> tuple[list[int], int]:
    """So many numbers of seven bits a byte, and where they end."""
    numbers = []
    while len(numbers) < count:
        start = at
        while data[at] & 128:
            at += 1
        at += 1
        numbers.append(sum((byte & 127) << 7 * i for i, byte in enumerate(data[start:at])))
    return numbers, at


def _entries(data: bytes, offset: int, size: int) -> list[tuple[bytes, bytes]]:
    block = data[offset : offset + size]
    if data[offset + size] == 1:
        (length,), _ = _varints(block, 1)
        block = pyarrow.Codec("snappy").decompress(block, length, asbytes=True)
    restarts = int.from_bytes(block[-4:], "little")
    at, key, found = 0, b"", []
    while at < len(block) - 4 - 4 * restarts:
        (shared, own, length), at = _varints(block, 3, at)
        key = key[:shared] + block[at : at + own]
        found.append((key, block[at + own : at + own + length]))
        at += own + length
    return found
