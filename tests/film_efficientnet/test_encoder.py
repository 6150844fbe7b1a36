"""The image encoder: sizes, checkpoint keys, FiLM, BatchNorm, dropout, frozen stages.

That pixels, keys and numbers are RT-1's is shown by tests/golden, that they are Keras' and
PyTorch's by test_imagenet_weights.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

import dropout_settings
from film_efficientnet import efficientnet_variants, film_efficientnet_encoder, mbconv_block
from tests import small_model

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")

OFF = dropout_settings.DropoutSettings.off()
SEED = tf.constant([3, 5], tf.int32)


def trunk(dropout=OFF, variant="small", **settings):
    return film_efficientnet_encoder.FilmEfficientNet(6, dropout, variant=variant, **settings)


def encoder(dropout=OFF):
    """A tiny one of 64 x 64 pixels: 2 x 2 features of 16 numbers, none of its weights zero."""
    with small_model.gin_bindings('FilmEfficientNet.variant = "small"', *small_model.TINY):
        made = film_efficientnet_encoder.EfficientNetEncoder(dropout, 16, 6, image_size=64)
    small_model.randomize(made.variables, seed=0)
    return made


def pixels(seed, batch_size=2, height=64, width=64):
    shape = (batch_size, height, width, 3)
    return np.random.default_rng(seed).random(shape, np.float32)


def context(seed, batch_size=2):
    return tf.constant(small_model.embeddings(seed, batch_size, size=6))


@pytest.mark.parametrize(("stride", "height", "width"), [(32, 75, 99), (32, 63, 65), (8, 64, 50)])
def test_size_of_the_feature_map(stride, height, width):
    net = trunk(width=0.1, depth=0.1, output_stride=stride)
    features = net(255 * pixels(0, 1, height, width), context(0, 1))
    assert features.shape == (1, height // stride, width // stride, net.num_output_channels)
    assert net.feature_map_side(300) == 300 // stride  # 9 for RT-1, where Keras has 10.


BLOCK = efficientnet_variants.Block("block9x", 3, 4, 4, 6, 1, 1, 0.0)


def block(change=None, rate=0.0, context_size=None, **settings):
    numbers = dataclasses.replace(BLOCK, **(change or {}))
    made = mbconv_block.MBConvBlock(numbers, context_size, rate, **settings)
    small_model.randomize(made.variables, seed=0)
    return made


def features(batch_size=2):
    shape = (batch_size, 6, 5, 4)
    return tf.constant(np.random.default_rng(0).standard_normal(shape), tf.float32)


def test_a_residual_where_shapes_allow_and_film_behind_it():
    for change, expected in (({}, features()), ({"strides": 2}, 0), ({"out_filters": 6}, 0)):
        layer = block(change)
        for variable in (layer._project_bn.gamma, layer._project_bn.beta):
            variable.assign(tf.zeros_like(variable))
        output = layer(features(), None).numpy()
        np.testing.assert_array_equal(output, np.broadcast_to(expected, output.shape))
    layer = block(context_size=6)
    film, layer._film = layer._film, None
    without = layer(features(), None)
    layer._film = film
    conditioned = film(without, context(0))
    assert np.abs(conditioned - without).max() > 0.1
    np.testing.assert_allclose(layer(features(), context(0)), conditioned, rtol=1e-5, atol=1e-5)


def test_drop_connect_drops_the_whole_branch_of_a_sample():
    layer, inputs = block(rate=0.5), features(batch_size=40)
    kept = (layer(inputs, None) - inputs).numpy()
    branch = (layer(inputs, None, dropout_seed=SEED) - inputs).numpy()
    dropped = np.array([not sample.any() for sample in branch])
    assert 10 <= dropped.sum() <= 30  # Five standard deviations are 16.
    np.testing.assert_allclose(branch[~dropped], 2 * kept[~dropped], atol=1e-4)
    net = trunk(dropout=dropout_settings.DropoutSettings(backbone_drop_connect=0.5))
    seeds = []
    for one in net._blocks:
        one.call = lambda x, context, training, dropout_seed: (
            seeds.append(tuple(dropout_seed.numpy()))
            or tf.zeros((1, 2, 2, net._top_conv.kernel.shape[2]))
        )
    net(255 * pixels(0, 1), context(0, 1), dropout_seed=SEED)
    assert len(set(seeds)) == len(net._blocks)


def test_film_starts_as_the_identity_and_then_the_instruction_matters():
    net, images = trunk(), 255 * pixels(0)
    np.testing.assert_array_equal(net(images, context(0)), net(images, context(1)))
    small_model.randomize(net.variables, seed=0)
    assert np.abs(net(images, context(0)) - net(images, context(1))).max() > 1e-2
    layer = mbconv_block.FilmConditioning(2, 1)
    layer._projection_mult.kernel.assign([[1.0, 0.0]])
    layer._projection_add.kernel.assign([[0.0, 5.0]])
    found = layer(tf.ones((1, 1, 1, 2)), tf.constant([[2.0]]))  # (1 + gamma) * x + beta
    assert found.numpy().ravel().tolist() == [3.0, 11.0]


def test_dropout_of_channels_and_of_entries():
    images = pixels(0, 4)
    spatial = encoder(dataclasses.replace(OFF, spatial=0.5))
    spatial.conv1x1.kernel.assign(tf.eye(spatial.net.num_output_channels, 16)[None, None])
    for variable in spatial.film_layer.variables:
        variable.assign(tf.zeros_like(variable))
    plain = spatial(images, context(0, 4)).numpy()
    dropped = spatial(images, context(0, 4), dropout_seed=SEED).numpy()
    for before, after in zip(np.rollaxis(plain, 3), np.rollaxis(dropped, 3)):
        for one, other in zip(before, after):  # A channel of a picture, whole.
            assert not other.any() or np.allclose(other, 2 * one, rtol=1e-5)
    assert 0.2 < np.mean(dropped == 0) < 0.8
    top = encoder(dataclasses.replace(OFF, top=0.5))
    plain = top(images, context(0, 4)).numpy()
    dropped = top(images, context(0, 4), dropout_seed=SEED).numpy()
    zero = dropped == 0
    np.testing.assert_allclose(dropped[~zero], 2 * plain[~zero], rtol=1e-5)
    assert 0.3 < zero.mean() < 0.7 and not np.array_equal(zero[0], zero[1])


def test_frozen_stages_stay_as_they_are():
    """No gradient, no BatchNorm update, FiLM behind them only, in chunks as in one piece."""
    settings = {"num_stages": 5, "frozen_stages": 3, "film_from_stage": 4, "output_stride": 16}
    net = trunk(variant="lite0", batch_norm_inference=True, width=0.25, depth=0.5, **settings)
    pictures = tf.constant(255 * pixels(0, 20, 32, 32))
    statistics = [v for v in net.weights if "moving_" in v.name]
    before = small_model.values(statistics)
    with tf.GradientTape() as tape:
        found = net(pictures, tf.ones((20, 6)), training=True)
        loss = tf.reduce_sum(found**2)
    gradients = tape.gradient(loss, net.trainable_variables)
    # 20 pictures are two chunks of 8 and one of 4; two of them are one.
    np.testing.assert_allclose(found[:2], net(pictures[:2], tf.ones((2, 6))), atol=1e-4)
    assert all(gradient is not None for gradient in gradients)
    names = {layer.name.split("_")[0] for layer in net.layers_with_weights() if layer.trainable}
    assert not names & {"stem", "block1a", "block2a", "block3a"} and "block4a" in names
    num_films = len(net.layers_with_weights()) - len(net.trunk_layers())
    assert num_films == sum(one.block.stage > 3 for one in net._blocks)
    assert small_model.same(before, small_model.values(statistics))


def test_folded_batch_norm_is_batch_norm():
    """The same features and the same gradients, with statistics that are not 0 and 1."""
    results = []
    for layer in (block(), block(fold_batch_norm=True)):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(layer(features(), None) ** 2)
        results.append([loss, *tape.gradient(loss, layer.trainable_variables)])
    for one, other in zip(*results):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=1e-4)
