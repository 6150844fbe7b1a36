"""Records are read from where they begin, and damaged ones are told from whole ones."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from folder_inference import pictures, sample_records
from tests.folder_inference import tfrecord_folder


@pytest.fixture
def file(tmp_path):
    """One validation sample, number 2, with a mask."""
    masks = np.zeros((3, 236, 30), np.uint8)
    masks[2, 100, 0] = 0b01000000
    tfrecord_folder.write(tmp_path, 3, masks=masks)
    return tmp_path / "val-00000-of-00001.tfrecord"


def test_offsets_of_records_of_known_length(tmp_path):
    path = tmp_path / "r.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in (b"", b"12345", b"1"):
            writer.write(record)
    # Each has 8 + 4 bytes before it and 4 behind it.
    assert sample_records.record_offsets(path, 3) == [0, 16, 37]
    with pytest.raises(ValueError, match="expected 2 whole records in 54 bytes, got 3 that take"):
        sample_records.record_offsets(path, 2)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="expected 3 whole records in 53 bytes, got 3 that take"):
        sample_records.record_offsets(path, 3)


def test_a_sample_comes_back(file):
    sample = sample_records.read_sample(file, 0)
    assert sample.about() == {"sample": 2, "source": "photo_1.jpg"}
    np.testing.assert_array_equal(sample.image, tfrecord_folder.square(2))
    assert np.flatnonzero(sample.embedding).tolist() == [2]
    assert np.argwhere(sample.mask).tolist() == [[100, 1]]


def test_without_source_and_with_an_unknown_mask(tmp_path):
    masks = np.zeros((3, 236, 30), np.uint8)
    tfrecord_folder.write(tmp_path, 3, masks=masks, sources=None)
    sample = sample_records.read_sample(tmp_path / "val-00000-of-00001.tfrecord", 0)
    assert (sample.about(), sample.mask) == ({"sample": 2, "source": None}, None)


def test_a_damaged_record_is_unreadable(file):
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.write_bytes(content)
    with pytest.raises(pictures.UnreadableError, match="at byte 0 cannot be read.*[Cc]orrupt"):
        sample_records.read_sample(file, 0)


def test_a_record_of_something_else_is_unreadable(file):
    with tf.io.TFRecordWriter(str(file)) as writer:
        writer.write(tf.train.Example().SerializeToString())
    with pytest.raises(pictures.UnreadableError, match=r"expected the features \['image', 'natur"):
        sample_records.read_sample(file, 0)
