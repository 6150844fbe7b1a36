"""Padding by hand, the residual, drop-connect of whole branches, and BatchNorm's mode."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from film_efficientnet import efficientnet_variants as variants
from film_efficientnet import mbconv_block
from tests import small_model

BLOCK = variants.Block("block9x", 3, 4, 4, 6, 1, 2, 0.5)
SEED = tf.constant([1, 2], tf.int32)


def build(block: variants.Block = BLOCK, context_size=None, rate=0.0) -> mbconv_block.MBConvBlock:
    layer = mbconv_block.MBConvBlock(block, context_size, rate)
    small_model.randomize(layer.variables, seed=0)
    return layer


def features(batch_size: int = 2, height: int = 6, width: int = 5, channels: int = 4) -> tf.Tensor:
    shape = (batch_size, height, width, channels)
    return tf.constant(np.random.default_rng(0).standard_normal(shape), tf.float32)


@pytest.mark.parametrize(("kernel_size", "before", "after"), [(3, 0, 1), (5, 1, 2)])
def test_padding_before_a_stride(kernel_size, before, after):
    padded = mbconv_block.pad_before_stride(tf.ones((1, 2, 3, 1)), kernel_size)[0, :, :, 0]

    assert padded.shape == (2 + before + after, 3 + before + after)
    expected = np.pad(np.ones((2, 3)), (before, after))
    np.testing.assert_array_equal(padded, expected)


@pytest.mark.parametrize("kernel_size", [3, 5])
def test_a_stride_of_two_rounds_down(kernel_size):
    block = dataclasses.replace(BLOCK, kernel_size=kernel_size, strides=2, out_filters=6)

    assert build(block)(features(2, 7, 10), None).shape == (2, 3, 5, 6)


def test_layers_in_the_order_of_the_data_flow():
    names = [layer.name for layer in build(context_size=3).layers_with_weights()]
    without_expansion = build(dataclasses.replace(BLOCK, expand_ratio=1))

    assert names[:-1] == [
        "block9x_expand_conv",
        "block9x_expand_bn",
        "block9x_dwconv",
        "block9x_bn",
        "block9x_se_reduce",
        "block9x_se_expand",
        "block9x_project_conv",
        "block9x_project_bn",
    ]
    assert names[-1].startswith("film_conditioning")
    assert len(without_expansion.layers_with_weights()) == 6


@pytest.mark.parametrize(
    ("change", "has_residual"),
    [({}, True), ({"strides": 2}, False), ({"out_filters": 6}, False)],
    ids=["same shape", "stride", "other filters"],
)
def test_residual_where_shapes_allow(change, has_residual):
    """With a branch of zeros only the residual is left."""
    layer = build(dataclasses.replace(BLOCK, **change))
    layer._project_bn.gamma.assign(tf.zeros_like(layer._project_bn.gamma))
    layer._project_bn.beta.assign(tf.zeros_like(layer._project_bn.beta))

    output = layer(features(), None).numpy()

    if has_residual:
        np.testing.assert_array_equal(output, features())
    else:
        assert not output.any()


def test_drop_connect_drops_the_whole_branch_of_a_sample():
    layer, inputs = build(rate=0.5), features(batch_size=40)
    kept = layer(inputs, None) - inputs

    branch = (layer(inputs, None, dropout_seed=SEED) - inputs).numpy()

    dropped = np.array([not sample.any() for sample in branch])
    assert 10 <= dropped.sum() <= 30  # five standard deviations are 16
    np.testing.assert_allclose(branch[~dropped], 2 * kept.numpy()[~dropped], atol=1e-4)


def test_no_residual_no_drop_connect():
    layer = build(dataclasses.replace(BLOCK, out_filters=6), rate=0.9)

    np.testing.assert_array_equal(
        layer(features(), None), layer(features(), None, dropout_seed=SEED)
    )


def test_film_comes_last():
    layer = build(context_size=3)
    context = tf.constant([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]])
    film, layer._film = layer._film, None

    without = layer(features(), None)
    layer._film = film

    np.testing.assert_allclose(
        layer(features(), context), film(without, context), rtol=1e-6, atol=1e-6
    )


def test_squeeze_and_excite_gates_channels():
    """Gate biases of +-1000 open or close a channel whatever the input."""
    layer = build()
    gate = layer._squeeze_expand
    gate.kernel.assign(tf.zeros_like(gate.kernel))
    gate.bias.assign([1000.0, -1000.0] * 12)
    expanded = features(channels=24)

    gated = layer._squeeze_and_excite(expanded).numpy()

    np.testing.assert_array_equal(gated[..., 0::2], expanded.numpy()[..., 0::2])
    assert not gated[..., 1::2].any()


def test_training_mode_uses_and_updates_batch_statistics():
    layer = build()
    before = small_model.values(layer.non_trainable_variables)

    evaluated = layer(features(), None, training=False)
    assert small_model.same(before, small_model.values(layer.non_trainable_variables))
    trained = layer(features(), None, training=True)

    after = small_model.values(layer.non_trainable_variables)
    assert not any(np.array_equal(old, new) for old, new in zip(before, after))
    assert not np.allclose(evaluated, trained, atol=1e-3)


def test_dropout_leaves_batch_norm_alone():
    layer = build(rate=0.5)
    before = small_model.values(layer.variables)

    layer(features(), None, training=False, dropout_seed=SEED)

    assert small_model.same(before, small_model.values(layer.variables))
