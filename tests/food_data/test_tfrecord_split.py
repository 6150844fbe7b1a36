import numpy as np
import pytest

from food_data import splits, tfrecord_index, tfrecord_split, tfrecord_writer


def test_a_side_comes_back_as_a_data_set(make_dataset, tmp_path):
    masks = np.random.default_rng(0).integers(0, 256, (6, 236, 30), np.uint8)
    dataset = make_dataset(6, masks=masks, resize="letterbox")
    split = splits.Split(np.array([0, 2]), np.array([1, 3, 4, 5]))
    tfrecord_writer.write_tfrecords(dataset, split, tmp_path, 3)
    samples = tfrecord_index.read_labels(tmp_path, "val")["samples"]
    read = tfrecord_split.read_split(tmp_path, "val")
    assert sorted(samples) == [1, 3, 4, 5]
    assert read.resize == "letterbox"
    for name in ("images", "actions", "embeddings", "masks", "food_types", "sources"):
        np.testing.assert_array_equal(getattr(read, name), getattr(dataset, name)[samples])


def test_without_names_and_masks(make_dataset, tmp_path):
    dataset = make_dataset(2, action_names=None, food_types=None, sources=None)
    split = splits.Split(np.arange(2), np.zeros(0, np.int64))
    tfrecord_writer.write_tfrecords(dataset, split, tmp_path, 5)
    read = tfrecord_split.read_split(tmp_path, "train")
    assert read.sources is read.masks is None
    with pytest.raises(ValueError, match="expected at least one sample of val, got none"):
        tfrecord_split.read_split(tmp_path, "val")
