"""Single records of TFRecord files, read where they begin.

    length (8 bytes, little-endian) | its CRC (4) | record | its CRC (4)

is how each one lies in its file (tensorflow.org/tutorials/load_data/tfrecord, "TFRecords format
details"), so the lengths alone tell where all of them begin.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import message

# TensorFlow's only reader that can begin anywhere in a file; it checks both CRCs.
from tensorflow.python.lib.io import tf_record

import policy_specs
from folder_inference import pictures
from food_data import npz_dataset

_LENGTH_BYTES, _CRC_BYTES = 8, 4


@dataclasses.dataclass(frozen=True)
class Sample:
    """One record.

    Attributes:
        number: in the data set that was converted.
        source: the photo that it was made of, or None.
        image: uint8 [236, 236, 3], RGB.
        embedding: float32 [512], of its instruction.
        mask: bool [236, 236], where its food is, or None.
    """

    number: int
    source: str | None
    image: np.ndarray
    embedding: np.ndarray
    mask: np.ndarray | None

    def about(self) -> dict[str, Any]:
        """What an entry of `results` says about it."""
        return {"sample": self.number, "source": self.source}


def record_offsets(file: pathlib.Path, expected: int) -> list[int]:
    """Where each record of a file begins, in bytes.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it does not hold `expected` whole records and nothing else.
    """
    offsets, offset = [], 0
    with file.open("rb", buffering=0) as opened:
        size = os.fstat(opened.fileno()).st_size
        while offset + _LENGTH_BYTES + 2 * _CRC_BYTES <= size:
            length = int.from_bytes(os.pread(opened.fileno(), _LENGTH_BYTES, offset), "little")
            offsets.append(offset)
            offset += _LENGTH_BYTES + length + 2 * _CRC_BYTES
    if offset != size or len(offsets) != expected:
        raise ValueError(
            f"{file}: expected {expected} whole records in {size} bytes, got {len(offsets)} that "
            f"take {offset}. Copy it again."
        )
    return offsets


def read_sample(file: pathlib.Path, offset: int) -> Sample:
    """The record that begins at a byte. Raises UnreadableError if it is damaged."""
    try:
        record, _ = tf_record.tf_record_random_reader(str(file)).read(offset)
        return _parse(record)
    except (tf.errors.OpError, IndexError, message.DecodeError, ValueError) as error:
        raise pictures.UnreadableError(
            f"{file.name}: the record at byte {offset} cannot be read ({error}). Copy the file "
            "again."
        ) from error


def _parse(record: bytes) -> Sample:
    feature = tf.train.Example.FromString(record).features.feature
    absent = {policy_specs.IMAGE_KEY, policy_specs.EMBEDDING_KEY, "sample"} - set(feature)
    if absent:
        raise ValueError(f"expected the features {sorted(absent)}, got {sorted(feature)}")
    values = {name: feature[name].bytes_list.value[0] for name in feature if name != "sample"}
    mask = None
    if "mask" in values:
        packed = np.frombuffer(values["mask"], np.uint8).reshape(npz_dataset.PACKED_SHAPE)
        # All 0 where it is not known.
        mask = npz_dataset.unpack_masks(packed) if packed.any() else None
    image = np.frombuffer(values[policy_specs.IMAGE_KEY], np.uint8)
    embedding = np.frombuffer(values[policy_specs.EMBEDDING_KEY], "<f4")
    return Sample(
        number=int(feature["sample"].int64_list.value[0]),
        source=values["source"].decode() if "source" in values else None,
        image=image.reshape(npz_dataset.IMAGE_SHAPE),
        embedding=embedding.reshape(policy_specs.EMBEDDING_SIZE),
        mask=mask,
    )
