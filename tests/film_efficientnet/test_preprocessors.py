"""Pixels to 0..1, and the shift of pad-and-crop. Golden g holds RT-1's own offsets."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from film_efficientnet import preprocessors
from tests import small_model


def test_bytes_become_0_to_1():
    values = preprocessors.convert_image_dtype(tf.constant([0, 51, 127, 255], tf.uint8))

    assert values.dtype == tf.float32
    np.testing.assert_allclose(values, [0.0, 0.2, 127 / 255, 1.0], rtol=1e-6)
    assert values[3] == 1.0  # exactly: the encoder refuses more


def test_floats_stay():
    values = np.float32([0.0, 0.123456789, 1.0])

    np.testing.assert_array_equal(preprocessors.convert_image_dtype(values), values)


@pytest.mark.parametrize(
    ("height", "width", "padding"),
    [(256, 320, (20, 50)), (236, 236, (18, 37)), (64, 64, (5, 10)), (4, 4, (0, 1))],
)
def test_padding_is_a_fraction_of_the_size(height, width, padding):
    assert preprocessors.crop_offsets(height, width, tf.constant([0, 0]))[0] == padding


def test_offsets_fill_their_range():
    # 26 x 13 pixels: 2 rows and 2 columns of padding, so offsets from 0 to 4.
    offsets = [preprocessors.crop_offsets(26, 13, tf.constant([seed, 0]))[1] for seed in range(100)]

    for axis in (0, 1):
        assert {int(pair[axis]) for pair in offsets} == {0, 1, 2, 3, 4}
    assert any(int(y) != int(x) for y, x in offsets)


@pytest.mark.parametrize("seed", range(5))
def test_shift_by_hand(seed):
    images = small_model.images(0, 3)
    seed = tf.constant([seed, 7])
    (pad_y, pad_x), (y, x) = preprocessors.crop_offsets(64, 64, seed)
    padded = np.pad(images, ((0, 0), (pad_y, pad_y), (pad_x, pad_x), (0, 0)))
    y, x = int(y), int(x)

    shifted = preprocessors.pad_and_crop(tf.constant(images), seed)

    np.testing.assert_array_equal(shifted, padded[:, y : y + 64, x : x + 64])


def test_same_seed_same_shift():
    images = tf.constant(small_model.images(0, 1))
    first, again, other = (
        preprocessors.preprocess(images, tf.constant(seed)) for seed in ([1, 2], [1, 2], [1, 3])
    )

    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_no_seed_no_shift():
    images = small_model.images(0, 2)

    np.testing.assert_allclose(preprocessors.preprocess(images), images / 255.0, atol=1e-7)


def test_shift_of_a_traced_batch_of_unknown_size():
    spec = tf.TensorSpec((None, 64, 64, 3), tf.uint8)
    traced = tf.function(preprocessors.preprocess, (spec, tf.TensorSpec((2,), tf.int32)))
    images, seed = tf.constant(small_model.images(0, 2)), tf.constant([1, 2])

    result = traced(images, seed)

    assert result.shape == (2, 64, 64, 3)
    np.testing.assert_array_equal(result, preprocessors.preprocess(images, seed))
