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


def test_layers_compute_what_the_outputs_need():
    """By hand: T = 1, 2 image tokens, 2 action tokens; logits are read at positions 1 and 2."""
    mask = attention_mask.attention_mask(1, 2, 2)

    first, last = attention_mask.layer_rows(mask, 2, np.array([1, 2]))

    assert first.inputs.tolist() == [0, 1, 2]
    assert first.queries.tolist() == [0, 1, 2]
    assert first.keys.tolist() == [0, 1]
    assert first.mask.tolist() == [[1, 0], [1, 1], [1, 1]]
    assert last.inputs.tolist() == [0, 1, 2]
    assert last.queries.tolist() == [1, 2]
    assert last.keys.tolist() == [0, 1]
    assert last.mask.tolist() == [[1, 1], [1, 1]]


def test_rows_in_between_are_left_out():
    """A row that only a row sees which nobody needs."""
    mask = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [1, 0, 0, 1]], np.float32)

    (only,) = attention_mask.layer_rows(mask, 1, np.array([3]))

    assert only.inputs.tolist() == [0, 3]
    assert only.queries.tolist() == [1]
    assert only.keys.tolist() == [0, 1]


def test_all_positions_need_all_rows():
    mask = attention_mask.attention_mask(6, 8, 11)

    for layer in attention_mask.layer_rows(mask, 3, np.arange(len(mask))):
        np.testing.assert_array_equal(layer.inputs, np.arange(len(mask)))
        np.testing.assert_array_equal(layer.queries, np.arange(len(mask)))
