import hypothesis
import numpy as np
from hypothesis import strategies

from food_data import sample_order


@hypothesis.given(
    strategies.lists(strategies.integers(0, 99), min_size=1, unique=True),
    strategies.integers(0, 2**32),
    strategies.integers(0, 1000),
)
@hypothesis.settings(max_examples=30)
def test_an_epochs_order_is_a_permutation(indices, seed, epoch):
    order = sample_order.epoch_order(np.array(indices), seed, epoch)
    assert order.dtype == np.int64
    assert sorted(order) == sorted(indices)
    np.testing.assert_array_equal(order, sample_order.epoch_order(np.array(indices), seed, epoch))


def test_without_a_seed_the_order_is_kept():
    assert sample_order.epoch_order(np.array([3, 1, 2]), None, 7).tolist() == [3, 1, 2]


def test_the_mixing_function_is_splitmix64():
    """The first three outputs of the generator with seed 0, as published with its code."""
    steps = np.arange(3, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert sample_order._mix(steps).tolist() == published


def test_seeds_of_samples_do_not_depend_on_their_company():
    together = sample_order.sample_seeds(5, 2, np.array([7, 8, 9]))
    assert together.shape == (3, 2)
    assert together.dtype == np.int32
    alone = sample_order.sample_seeds(5, np.array([2]), np.array([8]))
    np.testing.assert_array_equal(together[1:2], alone)


def test_seed_epoch_and_sample_all_matter():
    seeds = [
        tuple(sample_order.sample_seeds(seed, epoch, np.array([sample]))[0].tolist())
        for seed in range(8)
        for epoch in range(8)
        for sample in range(8)
    ]
    assert len(set(seeds)) == 512


def test_an_epoch_for_each_sample():
    mixed = sample_order.sample_seeds(1, np.array([0, 3]), np.array([4, 4]))
    for row, epoch in zip(mixed, (0, 3)):
        np.testing.assert_array_equal(row, sample_order.sample_seeds(1, epoch, np.array([4]))[0])


def test_seeds_are_spread_evenly():
    """Each of 64 bits is set in half of 4096 cases, within 5 standard deviations (160)."""
    seeds = sample_order.sample_seeds(0, 0, np.arange(4096))
    bits = np.unpackbits(seeds.view(np.uint8).reshape(4096, 8), axis=1).sum(axis=0)
    assert np.abs(bits - 2048.0).max() < 160


def test_nothing_overflows_with_a_warning(recwarn):
    sample_order.sample_seeds(2**63, 10**9, np.array([10**12]))
    assert not recwarn.list
