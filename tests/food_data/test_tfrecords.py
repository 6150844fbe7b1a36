import re

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.data.experimental.ops import distribute

from food_data import pipeline, sample_order, splits, tfrecord_writer, tfrecords


@pytest.fixture(scope="module")
def folder(make_dataset, tmp_path_factory):
    """30 training samples in 8 shards, 6 validation samples in 2; sample i is i / 100."""
    path = tmp_path_factory.mktemp("records")
    split = splits.Split(np.arange(30), np.arange(30, 36))
    tfrecord_writer.write_tfrecords(make_dataset(36), split, path, 4)
    return path


def batches_of(dataset):
    return [np.rint(batch["bbox"].numpy()[:, 0] * 100).astype(int).tolist() for batch in dataset]


def create(folder, split="train", batch_size=4, **options):
    return tfrecords.create_tfrecord_dataset(folder, split, batch_size, **options)


def test_batches_are_like_those_of_an_npz(folder, make_dataset):
    order = tfrecords.read_labels(folder, "val")["samples"]
    dataset = make_dataset(36)
    from_npz = pipeline.create_npz_dataset(dataset, order, 4)
    from_records = create(folder, "val")
    assert from_records.element_spec == from_npz.element_spec
    for expected, got in zip(from_npz, from_records):
        for key in expected:
            np.testing.assert_array_equal(got[key], expected[key])
    spec = create(folder, drop_remainder=True).element_spec
    assert spec["image"] == tf.TensorSpec((4, 236, 236, 3), tf.uint8)


def test_epochs_are_complete_different_and_come_again(folder):
    def two_epochs(seed, **options):
        batches = create(folder, shuffle_seed=seed, **options)
        return [batches_of(batches) for _ in range(2)]

    first = two_epochs(5)
    for epoch in first:
        assert [len(batch) for batch in epoch] == [4] * 7 + [2]
        assert sorted(sum(epoch, [])) == list(range(30))
    assert first[0] != first[1]
    tf.random.set_seed(1)
    assert two_epochs(5, num_parallel_calls=1) == first
    assert two_epochs(6) != first
    small_windows = two_epochs(5, window_samples=7)
    assert small_windows != first
    assert sorted(sum(small_windows[1], [])) == list(range(30))


def test_a_resumed_run_goes_on_where_it_was(folder):
    batches = create(folder, shuffle_seed=1, window_samples=7)
    epochs = [batches_of(batches) for _ in range(3)]
    resumed = create(folder, shuffle_seed=1, window_samples=7, first_epoch=1, first_batch=3)
    assert batches_of(resumed) == epochs[1][3:]
    assert batches_of(resumed) == epochs[2]
    assert batches_of(create(folder, shuffle_seed=1, first_batch=8)) == []


@pytest.mark.slow
def test_a_pass_that_is_broken_off_counts_as_an_epoch(folder):
    batches = create(folder, shuffle_seed=1)
    expected = [batches_of(batches) for _ in range(2)]
    again = create(folder, shuffle_seed=1)
    next(iter(again))
    assert batches_of(again) == expected[1]


@pytest.mark.parametrize("seed", [pytest.param(None, marks=pytest.mark.slow), 1])
def test_workers_share_the_shards(folder, seed):
    parts = [create(folder, shuffle_seed=seed, shard=(index, 2)) for index in range(2)]
    for _ in range(2):
        epoch = [batches_of(part) for part in parts]
        assert sorted(sum(sum(epoch, []), [])) == list(range(30))
        assert {len(batch) for part in epoch for batch in part[:-1]} == {2}
    resumed = create(folder, shuffle_seed=seed, shard=(1, 2), first_epoch=1, first_batch=2)
    assert batches_of(resumed) == epoch[1][2:]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [None, 1])
def test_tensorflow_divides_the_shards_by_itself(folder, seed):
    """What a strategy of several workers does to its data set, two epochs of two workers."""
    options = tf.data.Options()
    policy = tf.data.experimental.AutoShardPolicy.FILE
    options.experimental_distribute.auto_shard_policy = policy
    parts = [
        distribute._AutoShardDataset(
            create(folder, batch_size=2, shuffle_seed=seed).with_options(options), 2, index
        )
        for index in range(2)
    ]
    for _ in range(2):
        epoch = [batches_of(part) for part in parts]
        assert all(len(part) >= 6 for part in epoch)
        assert sorted(sum(sum(epoch, []), [])) == list(range(30))


def test_augmentation_has_the_seeds_of_epoch_and_sample(folder):
    seen = []

    def note(images, actions, seeds):
        def keep(actions, seeds):
            samples = np.rint(actions[:, 0] * 100).astype(int).tolist()
            seen.append(dict(zip(samples, seeds.tolist())))
            return actions

        return images, tf.numpy_function(keep, [actions, seeds], tf.float32)

    batches = create(folder, batch_size=30, shuffle_seed=3, augmentation=note)
    for epoch in range(2):
        assert list(batches)[0]["bbox"].shape == (30, 4)
        expected = sample_order.sample_seeds(3, epoch, np.arange(30)).tolist()
        assert seen[epoch] == dict(enumerate(expected))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"split": "test"}, "split: expected one of train, val; got 'test'"),
        ({"batch_size": 0}, "batch_size: expected at least 1, got 0"),
        ({"first_batch": 9}, "first_batch: expected 0..8"),
        ({"shard": (0, 9), "batch_size": 9}, "at most as many workers as shards, got 9 for 8"),
        ({"shard": (0, 3)}, "batch_size: expected a multiple of the 3 shards, got 4"),
        ({"augmentation": lambda *a: a}, "augmentation: expected a shuffle_seed"),
    ],
)
def test_what_does_not_fit_is_refused(folder, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        create(folder, **options)


def test_a_side_without_samples_is_refused(make_dataset, tmp_path):
    split = splits.Split(np.arange(2), np.zeros(0, np.int64))
    tfrecord_writer.write_tfrecords(make_dataset(2), split, tmp_path, 2)
    with pytest.raises(ValueError, match="expected at least one sample of this split, got none"):
        create(tmp_path, "val")


def test_the_pictures_are_no_constants_of_the_graph(folder):
    graph = create(folder, shuffle_seed=0)._as_serialized_graph().numpy()
    assert len(graph) < 50_000


@pytest.mark.parametrize("count", [2, 4])
def test_workers_share_each_batch(folder, count):
    options = {"shuffle_seed": 3, "first_batch": 1}
    whole = batches_of(create(folder, **options))
    parts = [batches_of(create(folder, **options, batch_part=(i, count))) for i in range(count)]
    assert len(whole) == 7 and len(whole[-1]) == 2
    for index, part in enumerate(parts):
        assert part == [batch[index::count] or batch[:1] for batch in whole]
