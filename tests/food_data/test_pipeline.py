"""Batches: their order, their seeds, resuming, shares of workers; all depend on seed and epoch."""

import numpy as np
import pytest
import tensorflow as tf

from food_data import pipeline


def batches_of(dataset):
    """The sample numbers in each batch: sample i has the parameters i / 100."""
    return [np.rint(batch["bbox"].numpy()[:, 0] * 100).astype(int).tolist() for batch in dataset]


def test_batches_in_order_the_last_smaller_one_and_shapes_known_before(make_dataset):
    dataset = make_dataset(5)
    (batch,) = pipeline.create_npz_dataset(dataset, np.array([4, 2]), 8)
    assert (batch["image"].dtype, batch["image"].shape) == (tf.uint8, (2, 236, 236, 3))
    assert batch["image"][:, 0, 0, 0].numpy().tolist() == [4, 2]
    assert np.argmax(batch["natural_language_embedding"], axis=1).tolist() == [4, 2]
    np.testing.assert_array_equal(batch["bbox"], np.float32([[0.04] * 4, [0.02] * 4]))
    assert batches_of(pipeline.create_npz_dataset(dataset, None, 2)) == [[0, 1], [2, 3], [4]]
    options = {"drop_remainder": True, "shuffle_seed": 0, "augmentation": shift, "shard": (1, 2)}
    batches = pipeline.create_npz_dataset(dataset, None, 4, **options)
    assert batches.element_spec["bbox"] == tf.TensorSpec((2, 4), tf.float32)
    assert len(list(batches)) == 1


class WatchedImages(np.ndarray):
    """Images that note which samples were asked for."""

    def __getitem__(self, samples):
        if isinstance(samples, np.ndarray):
            self.read.extend(samples.tolist())
        return super().__getitem__(samples)


def test_a_resume_in_the_middle_of_an_epoch_skips_batches_without_reading_them(make_dataset):
    batches = pipeline.create_npz_dataset(make_dataset(10), None, 3, shuffle_seed=1)
    epochs = [batches_of(batches) for _ in range(3)]
    images = make_dataset(10).images.view(WatchedImages)
    images.read, dataset = [], make_dataset(10, images=images)
    options = {"shuffle_seed": 1, "first_epoch": 1, "first_batch": 2}
    resumed = pipeline.create_npz_dataset(dataset, None, 3, **options)
    assert batches_of(resumed) == epochs[1][2:]
    assert sorted(images.read) == sorted(sum(epochs[1][2:], []))
    assert batches_of(resumed) == epochs[2]
    assert len({tuple(sum(epoch, [])) for epoch in [[list(range(10))], *epochs]}) == 4


def shift(images, actions, seeds):
    """An augmentation whose effect can be read off: the seeds are written into the picture."""
    image = tf.cast(tf.bitcast(seeds, tf.uint8), tf.uint8)
    marks = tf.pad(tf.reshape(image, (-1, 1, 8, 1)), ((0, 0), (0, 235), (0, 228), (0, 2)))
    return tf.where(marks > 0, marks, images * 0), actions + 0.5


def seeds_of(dataset):
    """sample -> the seeds that its picture shows, over one pass."""
    found = {}
    for batch in dataset:
        marks = np.ascontiguousarray(batch["image"].numpy()[:, 0, :8, 0]).view(np.int32)
        numbers = np.rint((batch["bbox"].numpy()[:, 0] - 0.5) * 100).astype(int)
        found.update((int(n), tuple(m.tolist())) for n, m in zip(numbers, marks))
    return found


def test_augmentation_depends_on_seed_epoch_and_sample_alone(make_dataset):
    def create(batch_size, seed=3, **options):
        options |= {"shuffle_seed": seed, "augmentation": shift}
        return pipeline.create_npz_dataset(make_dataset(10), None, batch_size, **options)

    batches = create(4)
    first, second = seeds_of(batches), seeds_of(batches)
    expected = pipeline.sample_seeds(3, 0, np.arange(10)).tolist()
    assert first == {i: tuple(row) for i, row in enumerate(expected)} == seeds_of(create(7))
    resumed = seeds_of(create(4, first_epoch=1, first_batch=1))
    assert len(resumed) == 6 and resumed.items() <= second.items()
    for others in (second, seeds_of(create(4, seed=4))):
        assert not set(others.values()) & set(first.values())


def test_each_sample_is_read_by_one_worker_and_the_batches_are_the_same(make_dataset):
    def read(shard):
        options = {"shuffle_seed": 1, "first_batch": 1, "shard": shard}
        return batches_of(pipeline.create_npz_dataset(make_dataset(15), None, 4, **options))

    parts = zip(*(read((index, 4)) for index in range(4)), strict=True)
    # Of the last three samples the fourth worker reads the first one again.
    shares = [
        [batch[index : index + 1] or batch[:1] for index in range(4)] for batch in read((0, 1))
    ]
    assert list(map(list, parts)) == shares


@pytest.mark.parametrize(
    "indices, batch_size, options, message",
    [
        ([], 1, {}, "got 1 for 0 samples"),
        ([1], 0, {}, "got 0"),
        ([1, 2], 3, {"drop_remainder": True}, "got 3 for 2 samples"),
        ([1, 2, 3], 2, {"first_batch": 3}, "first_batch in 0..2; got .*first_batch 3"),
        ([1, 2], 3, {"shard": (0, 2)}, "a multiple of 2.*got 3"),
        ([1], 1, {"augmentation": lambda *a: a}, "augmentation: expected a shuffle_seed"),
    ],
)
def test_what_makes_no_batch_is_refused(make_dataset, indices, batch_size, options, message):
    with pytest.raises(ValueError, match=message):
        pipeline.create_npz_dataset(make_dataset(5), np.array(indices), batch_size, **options)


def test_orders_and_seeds_are_those_they_always_were():
    """Frozen: a run that is resumed with a later version goes on as it began."""
    assert pipeline.epoch_order(np.arange(3, 13), 7, 2).tolist() == ORDER
    assert pipeline.sample_seeds(7, 2, np.array([0, 40])).tolist() == SEEDS
    assert pipeline.epoch_order(np.array([4, 2]), None, 5).tolist() == [4, 2]
    epochs = pipeline.sample_seeds(7, np.array([2, 3]), np.array([40, 40])).tolist()
    assert epochs[0] == SEEDS[1] != epochs[1]


ORDER = [4, 8, 6, 7, 9, 12, 3, 11, 5, 10]
SEEDS = [[-1867286051, -2117697768], [1573053050, -704987528]]
