"""Checksums from the index of a TensorFlow checkpoint, read without its data.

An index is a sorted table of LevelDB's format, of blocks that may be packed with Snappy; its values
are `BundleEntryProto`. TensorFlow reads it, but does not give the checksums away.
"""

from __future__ import annotations

import pathlib

from tensorflow.core.protobuf import tensor_bundle_pb2

_FOOTER_BYTES = 48


def checksums(path: str | pathlib.Path) -> dict[str, int]:
    """{key: masked CRC-32C} of every tensor."""
    data = pathlib.Path(path).read_bytes()
    footer = data[-_FOOTER_BYTES:]
    numbers, at = [], 0
    while len(numbers) < 4:  # Offset and size of the block of metadata, then of that of blocks.
        number, at = _varint(footer, at)
        numbers.append(number)
    found = {}
    for _, handle in _entries(data, *numbers[2:]):
        offset, at = _varint(handle, 0)
        for key, value in _entries(data, offset, _varint(handle, at)[0]):
            if key:  # Without a name stands the header.
                entry = tensor_bundle_pb2.BundleEntryProto.FromString(value)
                found[key.decode()] = entry.crc32c
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at


def _entries(data: bytes, offset: int, size: int) -> list[tuple[bytes, bytes]]:
    block = data[offset : offset + size]
    if data[offset + size] == 1:
        block = _unpacked(block)
    restarts = int.from_bytes(block[-4:], "little")
    at, key, found = 0, b"", []
    while at < len(block) - 4 - 4 * restarts:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + own]
        at += own
        found.append((key, block[at : at + length]))
        at += length
    return found


def _unpacked(data: bytes) -> bytes:
    """Snappy: literals, and copies of what came out before."""
    length, at = _varint(data, 0)
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        if tag & 3 == 0:
            size = (tag >> 2) + 1
            if size > 60:
                extra = size - 60
                size = int.from_bytes(data[at : at + extra], "little") + 1
                at += extra
            out += data[at : at + size]
            at += size
            continue
        if tag & 3 == 1:
            size, back = 4 + (tag >> 2 & 7), (tag >> 5) << 8 | data[at]
            at += 1
        else:
            width = 2 if tag & 3 == 2 else 4
            size, back = 1 + (tag >> 2), int.from_bytes(data[at : at + width], "little")
            at += width
        for _ in range(size):
            out.append(out[-back])
    assert len(out) == length
    return bytes(out)
