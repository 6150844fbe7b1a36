"""The image encoder: sizes, FiLM, BatchNorm, drop-connect, frozen stages.

That its numbers are RT-1's is shown by tests/golden, that they are Keras' and PyTorch's by
test_imagenet_weights.
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

OFF = dropout_settings.DropoutSettings(0.0, 0.0, 0.0)
SEED = tf.constant([3, 5], tf.int32)
BLOCK = efficientnet_variants.Block("block9x", 3, 4, 4, 6, 1, 1, 0.0)


def trunk(dropout=OFF, variant="small", **settings):
    return film_efficientnet_encoder.FilmEfficientNet(6, dropout, variant=variant, **settings)


def block(change=None, rate=0.0, context_size=None, **settings):
    numbers = dataclasses.replace(BLOCK, **(change or {}))
    made = mbconv_block.MBConvBlock(numbers, context_size, rate, **settings)
    small_model.randomize(made.variables, seed=0)
    return made


def pixels(batch_size, height=64, width=64):
    return 255 * np.random.default_rng(0).random((batch_size, height, width, 3), np.float32)


def features(batch_size=2):
    shape = (batch_size, 6, 5, 4)
    return tf.constant(np.random.default_rng(0).standard_normal(shape), tf.float32)


def context(seed, batch_size=2):
    return tf.constant(small_model.embeddings(seed, batch_size, size=6))


@pytest.mark.parametrize(("stride", "height", "width"), [(32, 75, 99), (32, 63, 65), (8, 64, 50)])
def test_size_of_the_feature_map(stride, height, width):
    net = trunk(width=0.1, depth=0.1, output_stride=stride)
    found = net(pixels(1, height, width), context(0, 1))
    assert found.shape == (1, height // stride, width // stride, net.num_output_channels)
    assert net.feature_map_side(300) == 300 // stride  # 9 for RT-1, where Keras has 10.


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
    net, seeds = trunk(dropout_settings.DropoutSettings(0.8)), []
    rates = [one._drop_connect_rate for one in net._blocks]
    np.testing.assert_allclose(np.diff(rates), 0.8 / len(rates))  # From 0 on with the depth.
    for one in net._blocks:
        one.call = lambda x, context, training, dropout_seed: (
            seeds.append(tuple(dropout_seed.numpy()))
            or tf.zeros((1, 2, 2, net._top_conv.kernel.shape[2]))
        )
    net(pixels(1), context(0, 1), dropout_seed=SEED)
    assert len(set(seeds)) == len(net._blocks)


def test_film_starts_as_the_identity_and_then_the_instruction_matters():
    net, images = trunk(), pixels(2)
    np.testing.assert_array_equal(net(images, context(0)), net(images, context(1)))
    small_model.randomize(net.variables, seed=0)
    assert np.abs(net(images, context(0)) - net(images, context(1))).max() > 1e-2
    layer = mbconv_block.FilmConditioning(2, 1)
    layer._projection_mult.kernel.assign([[1.0, 0.0]])
    layer._projection_add.kernel.assign([[0.0, 5.0]])
    found = layer(tf.fill((1, 1, 1, 2), 2.0), tf.constant([[2.0]]))  # (1 + gamma) * x + beta
    assert found.numpy().ravel().tolist() == [6.0, 12.0]


def test_frozen_stages_stay_as_they_are():
    """No gradient, no BatchNorm update, FiLM behind them only, in chunks as in one piece."""
    settings = {"num_stages": 5, "frozen_stages": 3, "film_from_stage": 4, "output_stride": 16}
    net = trunk(variant="lite0", batch_norm_inference=True, width=0.25, depth=0.5, **settings)
    pictures = tf.constant(pixels(20, 32, 32))
    statistics = [v for v in net.weights if "moving_" in v.name]
    before = small_model.values(statistics)
    with tf.GradientTape() as tape:
        found = net(pictures, tf.ones((20, 6)), training=True)
        loss = tf.reduce_sum(found**2)
    # 20 pictures are two chunks of 8 and one of 4; two of them are one.
    np.testing.assert_allclose(found[:2], net(pictures[:2], tf.ones((2, 6))), atol=1e-4)
    assert all(one is not None for one in tape.gradient(loss, net.trainable_variables))
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
