"""Answers without a model, worked by hand."""

import numpy as np
import pytest

from evaluation import baselines

LABELS = np.array([[0.0, 0, 0.2, 0.2], [0.4, 0.4, 0.6, 0.6], [1, 1, 1, 1], [0, 0, 0, 0]])
ACTIONS = ["skewering", "skewering", "skewering", "scooping"]
FOODS = ["banana", "banana", "grape", "rice"]


def test_mean_and_centre_by_hand():
    np.testing.assert_allclose(baselines.mean_answers(LABELS, 2), [[0.35, 0.35, 0.45, 0.45]] * 2)
    np.testing.assert_array_equal(baselines.centre_answers(2), [[0.25, 0.5, 0.75, 0.5]] * 2)


def test_means_of_instructions_and_their_fall_backs():
    found = baselines.instruction_mean_answers(
        LABELS,
        ACTIONS,
        FOODS,
        ["skewering", "skewering", "scooping", "twirling"],
        ["banana", "kiwi", "rice", "spaghetti"],
    )
    np.testing.assert_allclose(
        found.answers,
        [
            [0.2, 0.2, 0.4, 0.4],  # skewering banana
            [1.4 / 3, 1.4 / 3, 0.6, 0.6],  # all skewering
            [0, 0, 0, 0],
            [0.35, 0.35, 0.45, 0.45],  # everything
        ],
    )
    assert (found.by_food, found.by_action, found.by_all) == (2, 1, 1)


def test_food_is_not_enough_the_action_counts():
    found = baselines.instruction_mean_answers(LABELS, ACTIONS, FOODS, ["scooping"], ["banana"])
    np.testing.assert_allclose(found.answers, [[0, 0, 0, 0]])
    assert found.by_action == 1


def test_numpy_names_are_the_same_as_lists():
    found = baselines.instruction_mean_answers(
        LABELS, np.array(ACTIONS), np.array(FOODS), np.array(["skewering"]), np.array(["banana"])
    )
    assert found.by_food == 1


def test_colour_answers_are_in_the_order_of_the_indices():
    images = np.full((3, 236, 236, 3), 128, np.uint8)
    images[1, 100:120, 40:100] = (200, 20, 20)  # a red bar
    images[2, 60:180, 150:170] = (20, 160, 20)  # a green one, upright
    seen = []
    found = baselines.colour_answers(
        images, np.array([2, 0, 1]), progress=lambda indices: seen.append(len(indices)) or indices
    )
    assert seen == [3]
    np.testing.assert_allclose(found[0, [0, 2]], 160 / 236, atol=0.01)
    np.testing.assert_allclose(found[1], baselines.CENTRE)
    np.testing.assert_allclose(found[2], np.array([40, 110, 100, 110]) / 236, atol=0.02)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="needs a split with training samples"):
        baselines.mean_answers(np.zeros((0, 4)), 2)
    with pytest.raises(ValueError, match="4 labels with 4 actions and 1 foods"):
        baselines.instruction_mean_answers(LABELS, ACTIONS, ["a"], ["b"], ["c"])
