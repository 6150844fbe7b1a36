"""The record's limits, and dropout that depends on its seed alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

import dropout_settings
from tests import small_model

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")

RATES = [
    field.name
    for field in dataclasses.fields(dropout_settings.DropoutSettings)
    if field.name != "at_inference"
]
SEED = tf.constant([7, 0], tf.int32)


def test_defaults_are_rt1s():
    assert dataclasses.asdict(dropout_settings.DropoutSettings()) == {
        "backbone_drop_connect": 0.2,
        "spatial": 0.0,
        "top": 0.0,
        "token_learner": 0.0,
        "action_embedding": 0.0,
        "transformer_embedding": 0.0,
        "transformer_attention": 0.1,
        "transformer_feed_forward": 0.1,
        "at_inference": False,
    }


@pytest.mark.parametrize("field", RATES)
@pytest.mark.parametrize("rate", [-0.01, 1.0, 2.5, float("nan")])
def test_rate_outside_0_to_1(field, rate):
    with pytest.raises(ValueError, match=rf"DropoutSettings.{field}: .*\[0, 1\), got {rate}"):
        dropout_settings.DropoutSettings(**{field: rate})


def test_bad_rate_in_a_gin_file():
    with (
        small_model.gin_bindings("DropoutSettings.top = 1.5"),
        pytest.raises(ValueError, match=r"DropoutSettings\.top: .* got 1\.5"),
    ):
        dropout_settings.DropoutSettings()


def test_off_is_off_whatever_gin_says():
    with small_model.gin_bindings(*(f"DropoutSettings.{name} = 0.5" for name in RATES)):
        off = dropout_settings.DropoutSettings.off()
        on = dropout_settings.DropoutSettings()

    assert {getattr(off, name) for name in RATES} == {0.0}
    assert {getattr(on, name) for name in RATES} == {0.5}


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        dropout_settings.DropoutSettings().top = 0.5


def test_dropout_without_seed_or_rate_returns_the_inputs():
    inputs = tf.ones((2, 3))

    assert dropout_settings.dropout(inputs, 0.9, None) is inputs
    assert dropout_settings.dropout(inputs, 0.0, SEED) is inputs


def test_example_of_the_module():
    values = dropout_settings.dropout(tf.ones(10), 0.1, SEED).numpy()

    np.testing.assert_array_equal(np.flatnonzero(values == 0.0), [2, 4])
    np.testing.assert_allclose(np.unique(values), [0.0, 1 / 0.9], rtol=1e-6)
    np.testing.assert_array_equal(dropout_settings.dropout(tf.ones(10), 0.1, SEED), values)


def test_rate_is_the_share_that_is_dropped():
    values = dropout_settings.dropout(tf.ones(100_000), 0.3, SEED).numpy()

    # The standard deviation of the share is 0.0015.
    assert np.mean(values == 0.0) == pytest.approx(0.3, abs=0.01)
    assert values.mean() == pytest.approx(1.0, abs=0.015)


def test_another_seed_drops_other_units():
    first, second = (
        dropout_settings.dropout(tf.ones(100), 0.5, tf.constant(seed)).numpy()
        for seed in ([7, 0], [7, 1])
    )

    assert not np.array_equal(first, second)


def test_noise_shape_drops_whole_rows():
    values = dropout_settings.dropout(tf.ones((200, 5)), 0.5, SEED, noise_shape=(200, 1)).numpy()

    assert {tuple(row) for row in values} == {(0.0,) * 5, (2.0,) * 5}


def test_split_seed_of_none_is_none():
    assert dropout_settings.split_seed(None, 1, 2) is None


def test_split_seeds_differ_by_path_and_repeat():
    paths = [(), (0,), (1,), (0, 0), (0, 1), (1, 0), (1, 1)]
    seeds = {tuple(dropout_settings.split_seed(SEED, *path).numpy()) for path in paths}
    again = {tuple(dropout_settings.split_seed(SEED, *path).numpy()) for path in paths}

    assert len(seeds) == len(paths)
    assert seeds == again


def test_split_seed_in_two_steps():
    at_once = dropout_settings.split_seed(SEED, 3, 4)
    stepwise = dropout_settings.split_seed(dropout_settings.split_seed(SEED, 3), 4)

    np.testing.assert_array_equal(at_once, stepwise)
