"""Single samples of the TFRecords that `build_dataset.py to_tfrecord` wrote, read by name.

Sample 17 of "val" is called "val/00000017": its number is that in the data set which was converted,
whichever file it was dealt to. In a file a record lies as

    length (8 bytes, little-endian) | its CRC (4) | record | its CRC (4)

(tensorflow.org/tutorials/load_data/tfrecord, "TFRecords format details"), so that the lengths alone
tell where all of them begin, and a task of a job array reads its own samples only.
"""

from __future__ import annotations

import os
import pathlib

import numpy as np
import tensorflow as tf
from google.protobuf import message

# TensorFlow's only reader that can begin anywhere in a file; it checks both CRCs.
from tensorflow.python.lib.io import tf_record

import policy_specs
from food_data import npz_dataset, tfrecord_index

_LENGTH_BYTES, _CRC_BYTES = 8, 4


class TfrecordSamples:
    """The samples of one side of a split; several threads may read.

    Attributes:
        fingerprint: of the data set that was converted.
        labels: name -> (action, food, motion float [4] in 0..1 of the square), in the order of the
            numbers; action and food are None if the data set has no names.
    """

    def __init__(self, directory: pathlib.Path, split: str) -> None:
        """Args:
            directory: of the TFRecords.
            split: "train" or "val".

        Raises:
            FileNotFoundError, ValueError: if the folder is not complete, or has no such samples.
        """
        index = tfrecord_index.read_index(directory)
        arrays = tfrecord_index.read_labels(directory, split)
        numbers = arrays["samples"]
        places = [
            (directory / shard.file, offset)
            for shard in index.shards(split)
            for offset in _record_offsets(directory / shard.file, shard.num_samples)
        ]
        if not places or len(places) != len(numbers):
            raise ValueError(
                f"{directory}: expected records and labels of the same samples of {split}, at "
                f"least one, got {len(places)} and {len(numbers)}. Convert it again."
            )
        self.fingerprint = index.fingerprint
        self.labels, self._places = {}, {}
        for row in np.argsort(numbers):
            name = f"{split}/{numbers[row]:08d}"
            words = (arrays.get(array) for array in ("action_names", "food_types"))
            action, food = (None if array is None else str(array[row]) for array in words)
            self.labels[name] = action, food, arrays["actions"][row]
            self._places[name] = *places[row], int(numbers[row])

    def read(self, name: str) -> tuple[np.ndarray, np.ndarray, dict[str, object]]:
        """A sample.

        Returns:
            Picture uint8 [236, 236, 3], embedding float32 [512], and {"sample": its number,
            "source": the photo that it was made of, or None}.

        Raises:
            ValueError: if the record is damaged, or that of another sample.
        """
        file, offset, number = self._places[name]
        try:
            record, _ = tf_record.tf_record_random_reader(str(file)).read(offset)
            feature = tf.train.Example.FromString(record).features.feature
            values = {key: feature[key].bytes_list.value[:1] for key in feature}
            (image,), (embedding,) = (
                values[key] for key in (policy_specs.IMAGE_KEY, policy_specs.EMBEDDING_KEY)
            )
            image = np.frombuffer(image, np.uint8).reshape(npz_dataset.IMAGE_SHAPE)
            embedding = np.frombuffer(embedding, "<f4").reshape(policy_specs.EMBEDDING_SIZE)
            (found,) = feature["sample"].int64_list.value
        except (tf.errors.OpError, KeyError, message.DecodeError, ValueError) as error:
            raise ValueError(
                f"{file.name}: the record at byte {offset} cannot be read ({error}). Copy the file "
                "again."
            ) from error
        if found != number:
            raise ValueError(
                f"{file.name}: expected sample {number} at byte {offset}, got {found}. "
                f"{tfrecord_index.LABELS_FILE} is of another data set; convert it again."
            )
        (source,) = values.get("source", [None])
        source = None if source is None else source.decode()
        return image, embedding, {"sample": number, "source": source}


def _record_offsets(file: pathlib.Path, expected: int) -> list[int]:
    """Where each record begins, in bytes. Raises ValueError unless so many fill the file."""
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
