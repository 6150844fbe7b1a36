"""Resizing, the range check, the map's size, dropout of the encoder and ImageNet weights."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

import dropout_settings
from film_efficientnet import imagenet_weights, pretrained_efficientnet_encoder
from tests import small_model
from tests.film_efficientnet import keras_files

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")

OFF = dropout_settings.DropoutSettings.off()
SEED = tf.constant([1, 2], tf.int32)


def build(dropout=OFF, context_size=6, image_size=64, random=True, **arguments):
    with small_model.gin_bindings('FilmEfficientNet.variant = "small"', *small_model.TINY):
        encoder = pretrained_efficientnet_encoder.EfficientNetEncoder(
            dropout, 16, context_size, image_size, **arguments
        )
    if random:
        small_model.randomize(encoder.variables, seed=0)
    return encoder


@pytest.fixture(scope="module")
def encoder():
    return build()


def images(batch_size: int = 2, height: int = 64, width: int = 64) -> tf.Tensor:
    generator = np.random.default_rng(0)
    return tf.constant(generator.random((batch_size, height, width, 3), np.float32))


def context(batch_size: int = 2) -> tf.Tensor:
    return tf.constant(small_model.embeddings(1, batch_size, size=6))


@pytest.mark.parametrize(
    ("image_size", "height", "width", "expected"),
    [(64, 64, 64, (2, 2)), (96, 50, 70, (3, 3)), (None, 70, 100, (2, 3))],
)
def test_size_of_the_map(image_size, height, width, expected):
    encoder = build(image_size=image_size)

    features = encoder(images(2, height, width), context())

    assert features.shape == (2, *expected, 16)
    assert encoder.num_features(height, width) == expected[0] * expected[1]


def test_rt1s_map_has_81_features():
    assert build(image_size=300).num_features(256, 320) == 81


def test_resizing_is_bilinear_without_antialiasing(encoder):
    """4 -> 2 pixels by hand: each is the mean of the two pixels around its middle."""
    small = build(image_size=2)
    row = tf.constant([0.0, 0.2, 0.4, 1.0])
    picture = tf.tile(row[tf.newaxis, tf.newaxis, :, tf.newaxis], (1, 4, 1, 3))

    np.testing.assert_allclose(small.resize(picture)[0, 0, :, 0], [0.1, 0.7], rtol=1e-6)
    assert encoder.resize(images(1, 30, 20)).shape == (1, 64, 64, 3)


@pytest.mark.parametrize(
    "value", [255.0, 1.001, -0.001, float("nan"), float("inf")], ids=lambda value: str(value)
)
def test_values_outside_0_to_1(encoder, value):
    bad = images().numpy()
    bad[1, 5, 5, 0] = value

    with pytest.raises(tf.errors.InvalidArgumentError, match="in 0..1.*divide uint8 by 255"):
        encoder(bad, context())


def test_values_outside_0_to_1_in_a_graph(encoder):
    traced = tf.function(encoder)

    with pytest.raises(tf.errors.InvalidArgumentError, match="in 0..1.*divide uint8 by 255"):
        traced(images() * 2.0, context())


def test_limits_are_allowed(encoder):
    for value in (0.0, 1.0):
        assert np.isfinite(encoder(tf.fill((1, 64, 64, 3), value), context(1))).all()


def test_fresh_film_ignores_the_instruction():
    encoder = build(random=False)

    np.testing.assert_array_equal(encoder(images(), context()), encoder(images(), context() * 9))


def test_last_film_belongs_to_the_encoder(encoder):
    """With FiLM of the trunk switched off the instruction still matters."""
    only_last = build(random=False)
    small_model.randomize(only_last.film_layer.variables, seed=0)

    first, second = only_last(images(), context()), only_last(images(), context() * 2)

    assert np.abs(first - second).max() > 1e-3


def test_without_context_there_is_no_film():
    encoder = build(context_size=None)

    assert encoder.film_layer is None
    assert encoder(images()).shape == (2, 2, 2, 16)


@pytest.mark.parametrize("rate", ["backbone_drop_connect", "spatial", "top"])
def test_dropout_by_seed(rate):
    with small_model.gin_bindings('FilmEfficientNet.variant = "small"'):
        settings = dataclasses.replace(OFF, **{rate: 0.5})
        encoder = pretrained_efficientnet_encoder.EfficientNetEncoder(settings, 16, 6, 64)
    small_model.randomize(encoder.variables, seed=0)
    plain, first, again, other = (
        encoder(images(), context(), dropout_seed=seed).numpy()
        for seed in (None, SEED, SEED, tf.constant([1, 3]))
    )

    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, plain)
    assert not np.array_equal(first, other)


def test_top_dropout_zeroes_single_entries():
    encoder = build(dataclasses.replace(OFF, top=0.5))
    plain = encoder(images(), context()).numpy()

    dropped = encoder(images(), context(), dropout_seed=SEED).numpy()

    is_zero = dropped == 0.0
    assert 30 <= is_zero.sum() <= 98  # of 128; six standard deviations are 34
    np.testing.assert_allclose(dropped[~is_zero], 2 * plain[~is_zero], rtol=1e-5)


def test_spatial_dropout_zeroes_whole_channels():
    """Seen through a 1x1 convolution that passes the first 16 channels on."""
    encoder = build(dataclasses.replace(OFF, spatial=0.5), context_size=None)
    encoder.conv1x1.kernel.assign(tf.eye(encoder.net.num_output_channels, 16)[None, None])
    plain = encoder(images()).numpy()
    assert np.abs(plain).min() > 0

    dropped = encoder(images(), dropout_seed=SEED).numpy()

    zero_shares = np.unique((dropped == 0.0).mean(axis=(1, 2)))
    np.testing.assert_array_equal(zero_shares, [0.0, 1.0])


def test_training_mode_reaches_batch_norm():
    encoder = build()
    moving = [v for v in encoder.variables if "moving" in v.name]
    before = small_model.values(moving)

    encoder(images(), context())
    assert small_model.same(before, small_model.values(moving))
    encoder(images(), context(), training=True)

    assert not any(np.array_equal(v.numpy(), old) for v, old in zip(moving, before))


def test_imagenet_weights_are_loaded_when_built(tmp_path):
    source = build(context_size=None)
    path = keras_files.write_like_keras(tmp_path / "tiny_notop.h5", source.net)

    encoder = build(random=False, imagenet_weights_file=str(path))

    np.testing.assert_array_equal(encoder.net._stem_conv.kernel, source.net._stem_conv.kernel)
    np.testing.assert_array_equal(
        encoder.net(images() * 255, context()), source.net(images() * 255)
    )


def test_absent_imagenet_weights(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file .*b3.h5"):
        build(imagenet_weights_file=str(tmp_path / "b3.h5"))
    assert issubclass(imagenet_weights.ImageNetWeightsError, ValueError)
