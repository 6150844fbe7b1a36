"""The trunk: names and order of its layers, sizes of its maps, FiLM as the identity, BatchNorm."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import dropout_settings
from film_efficientnet import film_conditioning_layer
from film_efficientnet import film_efficientnet_encoder as encoder
from tests import small_model

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")

SEED = tf.constant([1, 2], tf.int32)
# Parameters of keras.applications.EfficientNetB<i>(include_top=False), which have no FiLM.
KERAS_PARAMETERS = {
    "b0": 4_049_571,
    "b1": 6_575_239,
    "b2": 7_768_569,
    "b3": 10_783_535,
    "b4": 17_673_823,
    "b5": 28_513_527,
    "b6": 40_960_143,
    "b7": 64_097_687,
}


def build(context_size=None, dropout=None, **arguments) -> encoder.FilmEfficientNet:
    dropout = dropout or dropout_settings.DropoutSettings.off()
    return encoder.FilmEfficientNet(context_size, dropout, **{"variant": "small", **arguments})


def is_film(layer: tf.keras.layers.Layer) -> bool:
    return isinstance(layer, film_conditioning_layer.FilmConditioning)


def pixels(seed: int, batch_size: int = 2, height: int = 64, width: int = 64) -> tf.Tensor:
    """float 0..255."""
    generator = np.random.default_rng(seed)
    return tf.constant(255 * generator.random((batch_size, height, width, 3), np.float32))


def context(seed: int, batch_size: int = 2, size: int = 6) -> tf.Tensor:
    return tf.constant(small_model.embeddings(seed, batch_size, size=size))


def test_image_normalization_by_hand():
    layer = encoder.ImageNormalization()
    layer.mean.assign([0.5, 0.0, 1.0])
    layer.variance.assign([0.25, 1.0, 4.0])

    output = layer(tf.ones((1, 1, 1, 3)))

    # (1 - 0.5) / 0.5, (1 - 0) / 1, (1 - 1) / 2
    np.testing.assert_array_equal(output[0, 0, 0], [1.0, 1.0, 0.0])


def test_assigned_constants_take_effect_at_once():
    """Keras' own layer caches them until `finalize_state`."""
    layer = encoder.ImageNormalization()
    layer(tf.ones((1, 1, 1, 3)))

    layer.mean.assign([1.0, 1.0, 1.0])

    assert not layer(tf.ones((1, 1, 1, 3))).numpy().any()


def test_images_are_normalized_with_the_imagenet_constants():
    """The "variance" is a standard deviation, and a rescaling completes the division by it."""
    values = build()._normalize(tf.constant([[[[255.0, 0.0, 127.5]]]]))

    expected = [(1 - 0.485) / 0.229, (0 - 0.456) / 0.224, (0.5 - 0.406) / 0.225]
    np.testing.assert_allclose(values[0, 0, 0], expected, rtol=1e-6)


def test_layers_in_the_order_of_the_checkpoint_keys():
    net = build(context_size=6)
    layers = net.layers_with_weights()

    names = [layer.name for layer in layers]
    assert names[:4] == ["normalization", "stem_conv", "stem_bn", "block1a_dwconv"]
    assert names[-2:] == ["top_conv", "top_bn"]
    films = [
        i for i, x in enumerate(layers) if isinstance(x, film_conditioning_layer.FilmConditioning)
    ]
    assert films[:2] == [9, 18]  # behind block1a (six layers) and block2a (eight)
    assert len(films) == 10
    children = tf.train.TrackableView.children(net)
    for index, layer in enumerate(layers):
        assert children[f"layer_with_weights-{index}"] is layer


def test_every_variable_has_a_numbered_key():
    net = build(context_size=6)

    numbered = [v.ref() for layer in net.layers_with_weights() for v in layer.variables]

    assert len(numbered) == len(set(numbered)) == len(net.variables)


@pytest.mark.parametrize(
    ("arguments", "height", "width"),
    [
        ({}, 64, 64),
        ({}, 75, 99),
        ({}, 63, 65),
        ({"output_stride": 8}, 64, 50),
        ({"output_stride": 2}, 9, 8),
    ],
)
def test_size_of_the_feature_map(arguments, height, width):
    net = build(width=0.1, depth=0.1, **arguments)

    features = net(pixels(0, 1, height, width))

    sides = (net.feature_map_side(height), net.feature_map_side(width))
    assert features.shape == (1, *sides, net.num_output_channels)
    stride = arguments.get("output_stride", 32)
    assert sides == (height // stride, width // stride)


def test_rt1s_300_pixels_make_nine_features():
    """Padding for a known size, as Keras does it, would make ten."""
    assert build(width=0.1, depth=0.1).feature_map_side(300) == 9


def test_width_and_depth_replace_those_of_the_variant():
    small, wide, deep = build(), build(width=0.7), build(depth=1.0)

    assert (small.num_output_channels, wide.num_output_channels) == (448, 896)
    assert len(small._blocks) == 10
    assert len(deep._blocks) == 16
    assert len(wide._blocks) == len(small._blocks)


def test_unknown_variant():
    with pytest.raises(ValueError, match="got 'b9'"):
        build(variant="b9")


def test_fresh_film_equals_no_film():
    """The same weights in both; the one with FiLM gets an instruction, the other none."""
    with_film, without = build(context_size=6), build()
    small_model.randomize(without.variables, seed=0)
    layers = [layer for layer in with_film.layers_with_weights() if not is_film(layer)]
    for ours, theirs in zip(layers, without.layers_with_weights()):
        ours.set_weights(theirs.get_weights())

    plain, conditioned = without(pixels(0)), with_film(pixels(0), context(0))

    assert np.abs(plain).max() > 0.1
    np.testing.assert_array_equal(conditioned, plain)


def test_instruction_matters_once_film_is_trained():
    net = build(context_size=6)
    small_model.randomize(net.variables, seed=0)

    first, second = net(pixels(0), context(0)), net(pixels(0), context(1))

    assert np.abs(first - second).max() > 1e-2


def test_drop_connect_by_seed():
    net = build(dropout=dropout_settings.DropoutSettings(backbone_drop_connect=0.9), depth=1.0)
    small_model.randomize(net.variables, seed=0)
    images = pixels(0, 4)
    plain, first, again, other = (
        net(images, dropout_seed=seed).numpy() for seed in (None, SEED, SEED, tf.constant([1, 3]))
    )

    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, plain)
    assert not np.array_equal(first, other)


def test_blocks_draw_independently():
    net = build(dropout=dropout_settings.DropoutSettings(backbone_drop_connect=0.5))
    seeds = []
    for block in net._blocks:
        block.call = lambda x, context, training, dropout_seed: (
            seeds.append(tuple(dropout_seed.numpy()))
            or tf.zeros((1, 2, 2, net._top_conv.kernel.shape[2]))
        )

    net(pixels(0, 1), dropout_seed=SEED)

    assert len(set(seeds)) == len(net._blocks)


def test_training_mode_changes_every_moving_statistic():
    net = build(context_size=6)
    small_model.randomize(net.variables, seed=0)
    moving = [v for v in net.variables if "moving" in v.name]
    before = small_model.values(moving)

    net(pixels(0), context(0))
    assert small_model.same(before, small_model.values(moving))
    net(pixels(0), context(0), training=True)

    for variable, old in zip(moving, before):
        assert not np.array_equal(variable.numpy(), old), variable.name


def test_normalization_constants_are_not_trained():
    net = build()

    trainable = {variable.ref() for variable in net.trainable_variables}

    assert not trainable & {v.ref() for v in net.layers_with_weights()[0].variables}


@pytest.mark.slow
@pytest.mark.parametrize("variant", KERAS_PARAMETERS)
def test_variants_have_as_many_parameters_as_keras(variant):
    net = build(variant=variant)

    assert sum(int(np.prod(v.shape)) for v in net.variables) == KERAS_PARAMETERS[variant]


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["b0", "b3"])
def test_table_of_parameters_is_kerass(variant):
    """Of variants that build quickly."""
    make = getattr(tf.keras.applications, f"EfficientNet{variant.upper()}")

    keras = make(include_top=False, weights=None)

    assert keras.count_params() == KERAS_PARAMETERS[variant]


def test_parameters_of_the_small_variant():
    assert sum(int(np.prod(v.shape)) for v in build().variables) == 340_199
