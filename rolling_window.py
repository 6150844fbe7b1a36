"""The policy's memory: the image tokens of the last T steps (RT-1's public policy state).

State, for a batch of B episodes that may stand at different steps:

    context_image_tokens  float32 [B, T, N, D]  filled from the left, rolled once full
    action_tokens         int32   [B, T, A]     what was answered; not rolled, as in the public code
    seq_idx               int32   [B, 1]        steps seen, at most T

Example with T = 3: steps 1, 2, 3 write to rows 0, 1, 2; step 4 rolls the rows up by one and writes
row 2.
"""

import keras2  # noqa: F401

import tensorflow as tf

State = dict[str, tf.Tensor]


class RollingWindow:
    """Pushes the tokens of a step into a state and tells which row is the current one."""

    def __init__(self, num_steps: int, token_shape: tuple[int, int], num_action_tokens: int):
        """Keeps the sizes.

        Args:
            num_steps: T.
            token_shape: (N, D) of the image tokens of a step.
            num_action_tokens: A.
        """
        self._num_steps = num_steps
        self._token_shape = token_shape
        self._num_action_tokens = num_action_tokens

    def state_spec(self) -> dict[str, tf.TensorSpec]:
        """Spec of the state of one episode (no batch axis)."""
        tokens = (self._num_steps, *self._token_shape)
        actions = (self._num_steps, self._num_action_tokens)
        return {
            "context_image_tokens": tf.TensorSpec(tokens, tf.float32, "context_image_tokens"),
            "action_tokens": tf.TensorSpec(actions, tf.int32, "action_tokens"),
            "seq_idx": tf.TensorSpec((1,), tf.int32, "seq_idx"),
        }

    def push(self, state: State, image_tokens: tf.Tensor) -> tuple[State, tf.Tensor]:
        """Adds the tokens of the current step.

        Args:
            state: before the step.
            image_tokens: float32 [B, N, D].

        Returns:
            The state after the step and the row [B] (int32) where the step stands in it.
        """
        seen = state["seq_idx"][:, 0]
        is_full = (seen == self._num_steps)[:, tf.newaxis, tf.newaxis, tf.newaxis]
        tokens = state["context_image_tokens"]
        tokens = tf.where(is_full, tf.roll(tokens, -1, axis=1), tokens)
        row = tf.minimum(seen, self._num_steps - 1)
        is_row = tf.one_hot(row, self._num_steps, on_value=True, off_value=False)
        tokens = tf.where(is_row[:, :, tf.newaxis, tf.newaxis], image_tokens[:, tf.newaxis], tokens)
        seq_idx = tf.minimum(seen + 1, self._num_steps)[:, tf.newaxis]
        return state | {"context_image_tokens": tokens, "seq_idx": seq_idx}, row

    def store_action_tokens(self, state: State, row: tf.Tensor, action_tokens: tf.Tensor) -> State:
        """Notes what was answered.

        Args:
            state: as `push` returned it.
            row: int32 [B], as `push` returned it.
            action_tokens: int32 [B, A].

        Returns:
            The state with the tokens in their row.
        """
        is_row = tf.one_hot(row, self._num_steps, on_value=True, off_value=False)
        stored = tf.where(
            is_row[:, :, tf.newaxis], action_tokens[:, tf.newaxis], state["action_tokens"]
        )
        return state | {"action_tokens": stored}
