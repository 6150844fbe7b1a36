"""The mask of the module's example, and what holds for any layout. The goldens hold RT-1's own."""

from __future__ import annotations

import hypothesis
import numpy as np
from hypothesis import strategies

import attention_mask

LAYOUTS = strategies.tuples(
    strategies.integers(1, 6), strategies.integers(1, 9), strategies.integers(1, 12)
)


def test_example_of_the_module():
    expected = [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 1, 0],
        [1, 1, 0, 1, 1, 0],
    ]

    mask = attention_mask.attention_mask(2, 2, 1)

    assert mask.dtype == np.float32
    np.testing.assert_array_equal(mask, expected)


def test_one_step_of_the_food_model():
    mask = attention_mask.attention_mask(1, 8, 4)

    np.testing.assert_array_equal(mask[:8, :8], np.tril(np.ones((8, 8))))
    np.testing.assert_array_equal(mask[:8, 8:], np.zeros((8, 4)))
    np.testing.assert_array_equal(mask[8:, :8], np.ones((4, 8)))
    np.testing.assert_array_equal(mask[8:, 8:], np.zeros((4, 4)))


def test_action_positions():
    assert attention_mask.action_positions(1, 8, 4).tolist() == [[8, 9, 10, 11]]
    assert attention_mask.action_positions(3, 2, 1).tolist() == [[2], [5], [8]]
    assert attention_mask.action_positions(2, 1, 2).tolist() == [[1, 2], [4, 5]]


@hypothesis.given(LAYOUTS)
def test_nobody_sees_the_future_and_actions_see_no_actions(layout):
    mask = attention_mask.attention_mask(*layout)
    actions = attention_mask.action_positions(*layout).ravel()
    images = np.setdiff1d(np.arange(len(mask)), actions)

    assert not np.triu(mask, 1).any()
    assert not mask[np.ix_(actions, actions)].any()
    for row in images:
        assert mask[row, : row + 1].all()
    for row in actions:
        assert mask[row, images[images < row]].all()
    assert len(actions) == layout[0] * layout[2]
    assert mask.sum(axis=1).all()  # a row that sees nothing would be undefined
