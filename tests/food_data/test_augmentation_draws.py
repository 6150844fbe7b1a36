from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from food_data import augmentation, augmentation_draws, augmentation_geometry


def draws_of(**values: float) -> dict[str, tf.Tensor]:
    """One sample's draws; what is not named is 0.5, the middle."""
    return {name: tf.constant([values.get(name, 0.5)]) for name in augmentation_draws.DRAWS}


def motion(settings: dict, **values: float) -> dict[str, float]:
    row = augmentation_draws.motions(augmentation.Augmentation(**settings), draws_of(**values))
    return dict(zip(augmentation_geometry.MOTION, row[0].numpy().tolist()))


@pytest.mark.slow
def test_draws_are_uniform_and_independent_from_neighbouring_seeds():
    """Seeds as the pipeline makes them may differ in one number by one."""
    seeds = np.stack([np.full(300, 7), np.arange(300)], -1).astype(np.int32)
    draws = augmentation_draws.uniform_draws(tf.constant(seeds))
    assert set(draws) == set(augmentation_draws.DRAWS)
    table = np.stack([draws[name].numpy() for name in augmentation_draws.DRAWS])
    assert 0 <= table.min() and table.max() < 1
    np.testing.assert_allclose(table.mean(axis=1), 0.5, atol=4 / math.sqrt(12 * 300))
    correlations = np.corrcoef(table) - np.eye(len(table))
    assert np.abs(correlations).max() < 4.5 / math.sqrt(300)
    assert abs(np.corrcoef(table[0, 1:], table[0, :-1])[0, 1]) < 4 / math.sqrt(300)


def test_draws_depend_on_both_numbers_of_the_seed():
    seeds = tf.constant([[1, 2], [1, 2], [1, 3], [2, 2], [2, 1]], tf.int32)
    first = augmentation_draws.uniform_draws(seeds)["degrees"].numpy().tolist()
    assert first[0] == first[1]
    assert len(set(first)) == 4


def test_middle_draws_move_nothing():
    settings = {"rotation_degrees": 30.0, "shift": 0.2, "rotate_90_probability": 0.4}
    expected = dict.fromkeys(augmentation_geometry.MOTION, 0.0)
    assert motion(settings) == expected


@pytest.mark.parametrize(
    "settings, draws, expected",
    [
        ({"rotation_degrees": 30.0}, {"degrees": 0.9}, {"degrees": 24.0}),
        ({"rotation_degrees": 30.0}, {"degrees": 0.0}, {"degrees": -30.0}),
        ({"shift": 0.2}, {"shift_x": 1.0, "shift_y": 0.25}, {"shift_x": 0.2, "shift_y": -0.1}),
        ({"scale_min": 0.5}, {"scale": 0.0}, {"log_scale": math.log(0.5)}),
        ({"scale_max": 2.0}, {"scale": 0.5}, {"log_scale": math.log(2) / 2}),
        ({"crop": 0.4}, {"crop": 0.5, "crop_x": 0.0}, {"crop": 0.2, "crop_x": -1.0}),
        ({"flip_horizontal_probability": 0.3}, {"flip_x": 0.29}, {"flip_x": 1.0}),
        ({"flip_horizontal_probability": 0.3}, {"flip_x": 0.3}, {"flip_x": 0.0}),
        ({"flip_vertical_probability": 1.0}, {"flip_y": 0.99}, {"flip_y": 1.0}),
        ({"rotate_90_probability": 0.6}, {"turn": 0.19}, {"quarter_turns": 1.0}),
        ({"rotate_90_probability": 0.6}, {"turn": 0.39}, {"quarter_turns": 2.0}),
        ({"rotate_90_probability": 0.6}, {"turn": 0.599}, {"quarter_turns": 3.0}),
        ({"rotate_90_probability": 0.6}, {"turn": 0.61}, {"quarter_turns": 0.0}),
    ],
)
def test_motions(settings, draws, expected):
    drawn = motion(settings, **draws)
    assert {name: drawn[name] for name in expected} == pytest.approx(expected)


def test_colour_changes():
    settings = augmentation.Augmentation(brightness=0.2, contrast=0.4, hue_degrees=10.0)
    draws = draws_of(brightness=1.0, contrast=0.25, saturation=0.9, hue=0.0)
    changes = augmentation_draws.colour_changes(settings, draws)
    np.testing.assert_allclose(changes, [[1.2, 0.8, 1.0, -10.0]], atol=1e-5)


@pytest.mark.parametrize(
    "settings, draw, amount, kernel_size",
    [
        ({"blur_px": 2.0, "sharpness": 0.5}, 0.49, -1.0, 11),
        ({"blur_px": 2.0, "sharpness": 0.5}, 0.5, 0.5, 11),
        ({"blur_px": 2.0}, 0.99, -1.0, 11),
        ({"sharpness": 0.5}, 0.0, 0.5, 7),
    ],
)
def test_filters_blur_or_sharpen(settings, draw, amount, kernel_size):
    draws = draws_of(blur_or_sharpen=draw, sharpness=1.0, blur=0.25)
    amounts, kernels = augmentation_draws.filters(augmentation.Augmentation(**settings), draws)
    assert amounts.numpy().tolist() == [amount]
    assert kernels.shape == (1, kernel_size)
    sigma = 0.5 if amount < 0 else 1.0
    middle = kernel_size // 2
    neighbour = float(kernels[0, middle + 1] / kernels[0, middle])
    assert neighbour == pytest.approx(math.exp(-0.5 / sigma**2))


def test_holes():
    draws = draws_of(hole_x=0.1, hole_y=0.9, hole_side=0.5)
    holes = augmentation_draws.holes(augmentation.Augmentation(cutout=0.3), draws)
    np.testing.assert_allclose(holes, [[0.1, 0.9, 0.15]], atol=1e-6)
