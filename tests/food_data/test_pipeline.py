import re

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies

import policy_specs
from food_data import pipeline


def batches_of(dataset):
    """The sample numbers in each batch: sample i has the parameters i / 100."""
    return [np.rint(batch["bbox"].numpy()[:, 0] * 100).astype(int).tolist() for batch in dataset]


def test_a_batch_holds_what_belongs_together(make_dataset):
    (batch,) = pipeline.create_npz_dataset(make_dataset(5), np.array([4, 2]), 8)
    assert set(batch) == {
        policy_specs.IMAGE_KEY,
        policy_specs.EMBEDDING_KEY,
        policy_specs.ACTION_KEY,
    }
    assert batch["image"].dtype == tf.uint8
    assert batch["image"].shape == (2, 236, 236, 3)
    assert batch["image"][:, 0, 0, 0].numpy().tolist() == [4, 2]
    assert batch["natural_language_embedding"].dtype == tf.float32
    assert np.argmax(batch["natural_language_embedding"], axis=1).tolist() == [4, 2]
    np.testing.assert_array_equal(batch["bbox"], np.float32([[0.04] * 4, [0.02] * 4]))


def test_batches_in_order_and_the_last_smaller_one(make_dataset):
    dataset = make_dataset(5)
    assert batches_of(pipeline.create_npz_dataset(dataset, None, 2)) == [[0, 1], [2, 3], [4]]
    dropped = pipeline.create_npz_dataset(dataset, None, 2, drop_remainder=True)
    assert batches_of(dropped) == [[0, 1], [2, 3]]


def test_shapes_are_known_before_the_first_batch(make_dataset):
    spec = pipeline.create_npz_dataset(make_dataset(5), None, 2).element_spec
    assert spec["image"] == tf.TensorSpec((None, 236, 236, 3), tf.uint8)
    spec = pipeline.create_npz_dataset(make_dataset(5), None, 2, drop_remainder=True).element_spec
    assert spec["natural_language_embedding"] == tf.TensorSpec((2, 512), tf.float32)
    assert spec["bbox"] == tf.TensorSpec((2, 4), tf.float32)


def test_each_epoch_has_an_order_of_its_own_that_comes_again(make_dataset):
    indices = np.arange(3, 23)

    def three_epochs(seed):
        batches = pipeline.create_npz_dataset(make_dataset(30), indices, 7, shuffle_seed=seed)
        return [sum(batches_of(batches), []) for _ in range(3)]

    first = three_epochs(5)
    assert all(sorted(epoch) == indices.tolist() for epoch in first)
    assert len({tuple(epoch) for epoch in [indices.tolist(), *first]}) == 4
    assert three_epochs(5) == first
    assert three_epochs(6) != first


def test_a_resumed_run_goes_on_where_it_was(make_dataset):
    options = {"shuffle_seed": 1}
    batches = pipeline.create_npz_dataset(make_dataset(10), None, 3, **options)
    epochs = [batches_of(batches) for _ in range(3)]
    resumed = pipeline.create_npz_dataset(make_dataset(10), None, 3, **options, first_epoch=2)
    assert batches_of(resumed) == epochs[2]


def test_tensorflows_own_seed_makes_no_difference(make_dataset):
    orders = []
    for seed in (1, 2):
        tf.random.set_seed(seed)
        orders.append(
            batches_of(pipeline.create_npz_dataset(make_dataset(9), None, 9, shuffle_seed=0))
        )
    assert orders[0] == orders[1]


def test_no_array_becomes_a_constant_of_the_graph(make_dataset):
    """20 pictures are 3.3 MB; the serialised pipeline has to be far smaller."""
    batches = pipeline.create_npz_dataset(make_dataset(20), None, 4)
    graph = batches._as_serialized_graph().numpy()
    assert len(graph) < 50_000


def test_the_arrays_are_not_copied(make_dataset):
    """What is written into them later arrives in the next batch."""
    dataset = make_dataset(3)
    batches = pipeline.create_npz_dataset(dataset, None, 3)
    list(batches)
    dataset.images[1] = 77
    (batch,) = batches
    assert batch["image"][:, 5, 5, 2].numpy().tolist() == [0, 77, 2]


@hypothesis.given(
    strategies.lists(strategies.integers(0, 99), min_size=1, unique=True),
    strategies.integers(0, 2**32),
    strategies.integers(0, 1000),
)
def test_an_epochs_order_is_a_permutation(indices, seed, epoch):
    order = pipeline.epoch_order(np.array(indices), seed, epoch)
    assert order.dtype == np.int64
    assert sorted(order) == sorted(indices)
    np.testing.assert_array_equal(order, pipeline.epoch_order(np.array(indices), seed, epoch))


def test_without_a_seed_the_order_is_kept():
    assert pipeline.epoch_order(np.array([3, 1, 2]), None, 7).tolist() == [3, 1, 2]


@pytest.mark.parametrize(
    "indices, batch_size, options, message",
    [
        ([5], 1, {}, "indices: expected 0..4, got 5"),
        ([-1], 1, {}, "indices: expected 0..4, got -1"),
        ([], 1, {}, "expected at least one sample [n], got shape (0,)"),
        ([[1]], 1, {}, "got shape (1, 1)"),
        ([1], 0, {}, "batch_size: expected at least 1, got 0"),
        ([1, 2], 3, {"drop_remainder": True}, "2 samples do not fill one batch of 3"),
    ],
)
def test_what_makes_no_batch_is_refused(make_dataset, indices, batch_size, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        pipeline.create_npz_dataset(make_dataset(5), np.array(indices), batch_size, **options)
