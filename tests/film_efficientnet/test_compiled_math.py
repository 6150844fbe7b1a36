"""The compiled loops against NumPy in double precision, with and without rows left over."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from film_efficientnet import compiled_math

# 6 positions: fewer than the eight strips; 16: two each; 35: four each and three left over.
SIZES = [(2, 3), (4, 4), (5, 7)]


def draw(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def affine(channels: int) -> tuple[np.ndarray, ...]:
    return tuple(draw(seed, channels) for seed in (11, 12, 13))


def exact_normalized(x: np.ndarray) -> np.ndarray:
    mean, scale, shift = (part.astype(np.float64) for part in affine(x.shape[-1]))
    return (x - mean) * scale + shift


def exact_silu(z: np.ndarray) -> np.ndarray:
    return z / (1.0 + np.exp(-z))


def test_sum_by_hand():
    """1 + 2 + .. + 20 in one channel, twice that in the other."""
    one_to_twenty = np.arange(1, 21, dtype=np.float32).reshape(1, 5, 4, 1)
    x = tf.constant(np.concatenate([one_to_twenty, 2 * one_to_twenty], axis=-1))

    np.testing.assert_array_equal(compiled_math.spatial_sum(x), [[210.0, 420.0]])


@pytest.mark.parametrize("size", SIZES)
def test_sums(size):
    x, factor = draw(0, 2, *size, 3), draw(1, 2, *size, 3)
    silu = exact_silu(exact_normalized(x))
    found = {
        "x": (compiled_math.spatial_sum(x), x),
        "silu": (compiled_math.spatial_sum_of_silu(x, affine(3)), silu),
        "times": (compiled_math.spatial_sum_of_silu_times(x, affine(3), factor), silu * factor),
    }

    for ours, terms in found.values():
        np.testing.assert_allclose(ours, terms.sum((1, 2), dtype=np.float64), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_moments_far_from_zero(size):
    """The mean of the squares minus the square of the mean would lose all digits here."""
    x = 1000.0 + draw(0, 2, *size, 3)

    mean, variance = compiled_math.moments(x)

    exact = x.astype(np.float64)
    np.testing.assert_allclose(mean, exact.mean((0, 1, 2)), rtol=2e-7)
    np.testing.assert_allclose(variance, exact.var((0, 1, 2)), rtol=1e-4)


def test_silu_with_a_gate():
    x, gate = draw(0, 2, 3, 4, 3), draw(1, 2, 1, 1, 3)

    ours = compiled_math.normalize_silu(x, affine(3), gate)

    np.testing.assert_allclose(ours, exact_silu(exact_normalized(x)) * gate, rtol=1e-5, atol=1e-6)


def test_silu_by_hand():
    """(2 - 1) * 3 - 3 = 0, whose silu is 0; (3 - 1) * 3 - 3 = 3, whose silu is 3 * 0.9525741."""
    x = tf.constant([[[[2.0], [3.0]]]])

    silu = compiled_math.normalize_silu(x, ([1.0], [3.0], [-3.0]))

    np.testing.assert_allclose(silu[0, 0, :, 0], [0.0, 2.8577224], rtol=1e-6)


@pytest.mark.parametrize("drop", [(0, 0), (3, 0), (0, 2)])
def test_columns(drop):
    x = draw(0, 2, 3, 6, 3)

    ours = compiled_math.normalize_silu_columns(x, affine(3), (1, 2), drop).numpy()

    padded = np.pad(exact_silu(exact_normalized(x)), ((0, 0), (1, 2), (1, 2), (0, 0)))
    expected = padded[:, :, drop[0] : padded.shape[2] - drop[1]]
    assert ours.shape == expected.shape
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


def test_silu_gradient_is_the_slope():
    x, upstream = draw(0, 2, 3, 4, 3), draw(1, 2, 3, 4, 3)
    gate, addend = draw(2, 2, 1, 1, 3), draw(3, 2, 1, 1, 3)

    ours = compiled_math.normalize_silu_gradient(x, affine(3), upstream, gate, addend)

    z, step = exact_normalized(x), 1e-5
    slope = (exact_silu(z + step) - exact_silu(z - step)) / (2 * step)
    np.testing.assert_allclose(ours, (upstream * gate + addend) * slope, rtol=1e-4, atol=1e-5)


def test_film_of_sum_and_its_gradients():
    x, skip, upstream = draw(0, 2, 3, 4, 3), draw(1, 2, 3, 4, 3), draw(2, 2, 3, 4, 3)
    multiplier, addend, keep = draw(3, 2, 1, 1, 3), draw(4, 2, 1, 1, 3), draw(5, 2, 1, 1, 1)
    branch = (x, affine(3), keep)
    total = exact_normalized(x) * keep + skip

    ours = compiled_math.film_of_sum(branch, skip, multiplier, addend)
    gradients = compiled_math.film_of_sum_gradients(branch, skip, multiplier, upstream)

    by_sum = upstream * multiplier
    expected = (total * multiplier + addend, by_sum * keep, by_sum, upstream * total)
    for found, exact in zip((ours, *gradients), expected):
        np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-5)


def test_unknown_batch_size():
    """The last batch of an epoch is smaller, and its trace knows no size."""

    @tf.function(input_signature=[tf.TensorSpec((None, 3, 4, 2))], autograph=False)
    def sums(x: tf.Tensor) -> tf.Tensor:
        return compiled_math.spatial_sum(x)

    for batch_size in (1, 3):
        x = draw(0, batch_size, 3, 4, 2)
        np.testing.assert_allclose(sums(x), x.sum((1, 2)), rtol=1e-5, atol=1e-5)
