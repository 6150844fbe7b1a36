import os

import numpy as np
import pytest
import tensorflow as tf

from food_data import npz_dataset, splits, tfrecord_index, tfrecord_writer


@pytest.fixture
def split():
    return splits.Split(np.arange(7), np.array([7, 8]))


def records_of(path):
    records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    return [tf.train.Example.FromString(record).features.feature for record in records]


def test_each_sample_is_in_one_shard_with_all_that_belongs_to_it(make_dataset, split, tmp_path):
    masks = np.zeros((9, 236, 30), np.uint8)
    masks[:, 3, 4] = np.arange(9)
    dataset = make_dataset(9, masks=masks, resize="crop")
    index = tfrecord_writer.write_tfrecords(dataset, split, tmp_path / "new", 3)
    assert index == tfrecord_index.read_index(tmp_path / "new")
    assert [shard.num_samples for shard in index.train] == [3, 2, 2]
    assert [shard.file for shard in index.val] == ["val-00000-of-00001.tfrecord"]
    assert (index.resize, index.has_masks, index.food_types) == ("crop", True, ("banana",))
    assert index.fingerprint == npz_dataset.dataset_fingerprint(dataset)
    found = []
    for shard in (*index.train, *index.val):
        for record in records_of(tmp_path / "new" / shard.file):
            values = {name: one.bytes_list.value for name, one in record.items()}
            (sample,) = record["sample"].int64_list.value
            found.append(sample)
            assert values["image"][0] == dataset.images[sample].tobytes()
            assert values["mask"][0] == masks[sample].tobytes()
            assert values["source"][0] == f"day_1/{sample}.jpg".encode()
            assert values["action_name"][0] == b"skewering"
            bbox = np.frombuffer(values["bbox"][0], "<f4")
            np.testing.assert_array_equal(bbox, dataset.actions[sample])
    assert sorted(found) == list(range(9))
    assert sorted(found[:7]) == list(range(7))


def test_labels_are_in_the_order_of_the_shards(make_dataset, split, tmp_path):
    index = tfrecord_writer.write_tfrecords(make_dataset(9), split, tmp_path, 3)
    labels = tfrecord_index.read_labels(tmp_path, "train")
    in_shards = [
        record["sample"].int64_list.value[0]
        for shard in index.train
        for record in records_of(tmp_path / shard.file)
    ]
    assert labels["samples"].tolist() == in_shards
    np.testing.assert_array_equal(labels["sources"], [f"day_1/{i}.jpg" for i in in_shards])
    assert labels["actions"].shape == (7, 4)


def test_samples_are_dealt_by_the_seed(make_dataset, split, tmp_path):
    orders = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        tfrecord_writer.write_tfrecords(make_dataset(9), split, tmp_path / name, 7, seed)
        labels = tfrecord_index.read_labels(tmp_path / name, "train")
        orders.append(labels["samples"].tolist())
    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != list(range(7))


def test_a_data_set_without_names_and_validation(make_dataset, tmp_path):
    dataset = make_dataset(2, action_names=None, food_types=None, sources=None)
    split = splits.Split(np.arange(2), np.zeros(0, np.int64))
    index = tfrecord_writer.write_tfrecords(dataset, split, tmp_path, 5)
    assert (index.val, index.action_names, index.has_masks) == ((), (), False)
    assert set(tfrecord_index.read_labels(tmp_path, "val")) == {"samples", "actions"}


def test_nothing_is_written_over(make_dataset, split, tmp_path):
    tfrecord_writer.write_tfrecords(make_dataset(9), split, tmp_path, 9)
    with pytest.raises(FileExistsError, match="holds TFRecords already"):
        tfrecord_writer.write_tfrecords(make_dataset(9), split, tmp_path, 9)


def test_an_interrupted_conversion_leaves_no_index_and_no_half_shard(
    make_dataset, split, tmp_path, monkeypatch
):
    encode, done = tfrecord_writer.encode_sample, []

    def fails_at_the_fifth(*arguments):
        done.append(1)
        if len(done) == 5:
            raise KeyboardInterrupt
        return encode(*arguments)

    monkeypatch.setattr(tfrecord_writer, "encode_sample", fails_at_the_fifth)
    with pytest.raises(KeyboardInterrupt):
        tfrecord_writer.write_tfrecords(make_dataset(9), split, tmp_path, 3)
    assert os.listdir(tmp_path) == ["train-00000-of-00003.tfrecord"]
    monkeypatch.undo()
    tfrecord_writer.write_tfrecords(make_dataset(9), split, tmp_path, 3)


def test_no_samples_in_a_shard(make_dataset, split, tmp_path):
    with pytest.raises(ValueError, match="samples_per_shard: expected at least 1, got 0"):
        tfrecord_writer.write_tfrecords(make_dataset(9), split, tmp_path, 0)
