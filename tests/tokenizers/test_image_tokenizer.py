"""Shapes with and without TokenLearner, and that the pieces add up to the whole."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import dropout_settings
from tests import small_model
from tokenizers import image_tokenizer

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")

SEED = tf.constant([1, 2], tf.int32)


def build(*bindings: str, **arguments) -> image_tokenizer.RT1ImageTokenizer:
    with small_model.gin_bindings(*small_model.BINDINGS, *small_model.TINY, *bindings):
        settings = dropout_settings.DropoutSettings()
        tokenizer = image_tokenizer.RT1ImageTokenizer(settings, 16, 6, **arguments)
    small_model.randomize(tokenizer.variables, seed=0)
    return tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return build("DropoutSettings.token_learner = 0.5", "DropoutSettings.top = 0.5")


def images(*outer: int) -> tf.Tensor:
    return tf.constant(small_model.images(0, *outer) / np.float32(255))


def context(*outer: int) -> tf.Tensor:
    return tf.constant(small_model.embeddings(1, *outer, size=6))


def test_tokens_of_a_sequence(tokenizer):
    assert tokenizer(images(2, 3), context(2, 3)).shape == (2, 3, 8, 16)
    assert tokenizer.num_tokens(64, 64) == tokenizer.token_learner.num_tokens == 8


def test_steps_of_a_sequence_do_not_mix(tokenizer):
    together = tokenizer(images(2, 3), context(2, 3))

    alone = tokenizer(images(2, 3)[1:, 2:], context(2, 3)[1:, 2:])

    np.testing.assert_allclose(together[1, 2], alone[0, 0], rtol=1e-3, atol=1e-4)


def test_each_image_has_its_own_instruction(tokenizer):
    same_image = tf.repeat(images(1, 1), 2, axis=1)

    tokens = tokenizer(same_image, context(1, 2)).numpy()

    assert np.abs(tokens[0, 0] - tokens[0, 1]).max() > 1e-3


@pytest.mark.parametrize(
    ("image_size", "height", "width", "expected"),
    [("64", 10, 10, 4), ("96", 10, 10, 9), ("None", 64, 100, 6)],
)
def test_without_token_learner_features_are_tokens(image_size, height, width, expected):
    tokenizer = build(f"EfficientNetEncoder.image_size = {image_size}", use_token_learner=False)

    tokens = tokenizer(tf.zeros((1, 2, height, width, 3)), context(1, 2))

    assert tokens.shape == (1, 2, expected, 16)
    assert tokenizer.num_tokens(height, width) == expected
    assert tokenizer.token_learner is None


def test_features_are_the_map_row_by_row(tokenizer):
    features = tokenizer.features(images(2), context(2))

    feature_map = tokenizer.encoder(images(2), context(2))

    assert feature_map.shape == (2, 2, 2, 16)
    np.testing.assert_array_equal(features[:, 0], feature_map[:, 0, 0])
    np.testing.assert_array_equal(features[:, 1], feature_map[:, 0, 1])
    np.testing.assert_array_equal(features[:, 2], feature_map[:, 1, 0])


def test_whole_is_features_then_tokens(tokenizer):
    pieces = tokenizer.tokens(tokenizer.features(images(2), context(2)))

    whole = tokenizer(images(2, 1), context(2, 1))

    np.testing.assert_array_equal(whole[:, 0], pieces)


def test_without_token_learner_tokens_are_the_features():
    tokenizer = build(use_token_learner=False)
    features = tokenizer.features(images(2), context(2))

    assert tokenizer.tokens(features) is features


@pytest.mark.parametrize("part", ["features", "tokens"])
def test_both_parts_drop_units(tokenizer, part):
    features = tokenizer.features(images(2), context(2))
    run = {
        "features": lambda seed: tokenizer.features(images(2), context(2), dropout_seed=seed),
        "tokens": lambda seed: tokenizer.tokens(features, dropout_seed=seed),
    }[part]

    assert not np.array_equal(run(SEED), run(None))
    np.testing.assert_array_equal(run(SEED), run(SEED))
