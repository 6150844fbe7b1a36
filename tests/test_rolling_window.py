"""The policy's memory, by hand: T = 3, one image token of one number, one action token."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

import rolling_window

WINDOW = rolling_window.RollingWindow(3, (1, 1), 1)


def zero_state(batch_size: int = 1) -> rolling_window.State:
    return {
        key: tf.zeros((batch_size, *spec.shape), spec.dtype)
        for key, spec in WINDOW.state_spec().items()
    }


def push(state, *values: float):
    """One number for each episode."""
    return WINDOW.push(state, tf.reshape(tf.constant(values, tf.float32), (-1, 1, 1)))


def rows(state, episode: int = 0) -> list[float]:
    return state["context_image_tokens"][episode, :, 0, 0].numpy().tolist()


def test_state_spec():
    spec = rolling_window.RollingWindow(6, (8, 512), 11).state_spec()

    assert {key: (tuple(part.shape), part.dtype.name) for key, part in spec.items()} == {
        "context_image_tokens": ((6, 8, 512), "float32"),
        "action_tokens": ((6, 11), "int32"),
        "seq_idx": ((1,), "int32"),
    }


def test_example_of_the_module():
    state = zero_state()
    expected = {
        1.0: ([1, 0, 0], 0, 1),
        2.0: ([1, 2, 0], 1, 2),
        3.0: ([1, 2, 3], 2, 3),
        4.0: ([2, 3, 4], 2, 3),
        5.0: ([3, 4, 5], 2, 3),
    }
    for value, (window, row, seen) in expected.items():
        state, got_row = push(state, value)
        assert rows(state) == window
        assert got_row.numpy().tolist() == [row]
        assert state["seq_idx"].numpy().tolist() == [[seen]]


def test_window_of_one_step_holds_the_last():
    window = rolling_window.RollingWindow(1, (1, 1), 1)
    state = {k: tf.zeros((1, *s.shape), s.dtype) for k, s in window.state_spec().items()}

    for value in (1.0, 2.0):
        state, row = window.push(state, tf.fill((1, 1, 1), value))
        assert rows(state) == [value]
        assert row.numpy().tolist() == [0]


def test_action_tokens_are_stored_and_not_rolled():
    state = zero_state()
    history = []
    for value in range(1, 6):
        state, row = push(state, float(value))
        state = WINDOW.store_action_tokens(state, row, tf.constant([[10 * value]]))
        history.append(state["action_tokens"][0, :, 0].numpy().tolist())

    # Once full, RT-1 rolls the image tokens only.
    assert history == [[10, 0, 0], [10, 20, 0], [10, 20, 30], [10, 20, 40], [10, 20, 50]]


def test_pushing_leaves_the_old_state_alone():
    before = zero_state()

    push(before, 1.0)

    assert rows(before) == [0, 0, 0]
    assert before["seq_idx"].numpy().tolist() == [[0]]


def test_episodes_of_a_batch_do_not_mix():
    """Three episodes that stand before their first, third and fifth step."""
    alone, expected = [], []
    for seen in (0, 2, 4):
        state = zero_state()
        for value in range(seen):
            state, _ = push(state, 100.0 * seen + value)
        alone.append(state)
        expected.append(push(state, 7.0 + seen))
    together = {key: tf.concat([state[key] for state in alone], axis=0) for key in alone[0]}

    state, row = push(together, 7.0, 9.0, 11.0)

    assert row.numpy().tolist() == [0, 2, 2]
    for episode, (state_alone, row_alone) in enumerate(expected):
        assert row[episode] == row_alone[0]
        for key in state:
            np.testing.assert_array_equal(state[key][episode], state_alone[key][0])
