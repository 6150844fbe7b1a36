"""Actions to tokens and back (arXiv 2212.06817, section 5.1: 256 bins for each dimension).

Example, the food action with a vocabulary of 256: execution parameters [0.0, 0.5, 0.999, 1.0] are
scaled by 255 and truncated, tokens [0, 127, 254, 255]; back they are [0.0, 0.49804, 0.99608, 1.0]:
a token stands for the lower edge of its bin, so an answer is at most 1/255 of the range below the
label.

An int32 spec is a one-hot vector and takes one token, the index of its one; a float32 spec takes
one token for each dimension. The tokens of an action stand in the order of the spec's keys.

With the coding `midpoint_extent` the four numbers of the food action are its midpoint and extent
(`action_coding.py`), and a token stands for the middle of its bin. Example: [0.2, 0.4, 0.6, 0.5] is
[0.4, 0.45, 0.8, 0.575], tokens [102, 114, 204, 146]; back, [0.2011, 0.3996, 0.6028, 0.4984].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import gin
import numpy as np
import tensorflow as tf
from tf_agents.specs import tensor_spec

import policy_specs
from tokenizers import action_coding


@gin.configurable(denylist=["action_spec", "action_order"])
class RT1ActionTokenizer:
    """Maps between actions that follow a spec and int32 tokens in 0..vocab_size - 1."""

    def __init__(
        self,
        action_spec: Mapping[str, tensor_spec.BoundedTensorSpec],
        vocab_size: int = 256,
        action_order: Sequence[str] | None = None,
        coding: str = action_coding.ENDPOINTS,
    ):
        """Checks the spec; ValueError if it cannot be tokenized.

        Args:
            action_spec: 1-d specs, float32 with bounds or int32 one-hot.
            vocab_size: number of bins, at least 2.
            action_order: keys in the order of their tokens; that of `action_spec` unless given.
            coding: what the tokens of the food action mean, 'endpoints' or 'midpoint_extent'.
        """
        if vocab_size < 2:
            raise ValueError(f"RT1ActionTokenizer: expected vocab_size >= 2, got {vocab_size}.")
        order = list(action_order) if action_order is not None else list(action_spec)
        if sorted(order) != sorted(action_spec):
            raise ValueError(
                f"RT1ActionTokenizer: expected action_order to name each of {sorted(action_spec)} "
                f"once, got {order}."
            )
        self.vocab_size = vocab_size
        self._spec = {key: action_spec[key] for key in order}
        for key, spec in self._spec.items():
            self._check(key, spec)
        self.coding = action_coding.check(coding)
        if coding != action_coding.ENDPOINTS and order != [policy_specs.ACTION_KEY]:
            raise ValueError(
                f"RT1ActionTokenizer: coding {coding!r} is one of execution parameters, the action "
                f"[{policy_specs.ACTION_KEY!r}], got {order}; use 'endpoints'."
            )
        self.num_tokens = sum(self._num_tokens(spec) for spec in self._spec.values())

    def _check(self, key: str, spec: tensor_spec.BoundedTensorSpec) -> None:
        if len(spec.shape) != 1:
            problem = f"to be 1-d, got shape {spec.shape}"
        elif spec.dtype not in (tf.int32, tf.float32):
            problem = f"to be float32 or int32 (one-hot), got {spec.dtype.name}"
        elif spec.dtype == tf.int32 and spec.shape[0] > self.vocab_size:
            problem = f"to have at most vocab_size = {self.vocab_size} classes, got {spec.shape[0]}"
        elif not (
            np.isfinite([spec.minimum, spec.maximum]).all() and (spec.minimum < spec.maximum).all()
        ):
            problem = f"to have finite minimum < maximum, got {spec.minimum} and {spec.maximum}"
        else:
            return
        raise ValueError(f"RT1ActionTokenizer: expected action {key!r} {problem}.")

    def _num_tokens(self, spec: tensor_spec.BoundedTensorSpec) -> int:
        return 1 if spec.dtype == tf.int32 else spec.shape[0]

    def tokenize(self, action: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Actions, for each key of the spec a tensor [..., d], to tokens int32 [..., num_tokens];
        values outside the bounds are clipped to them.

        Raises tf.errors.InvalidArgumentError if an int32 action is not one-hot, or a value is NaN,
        which would become a token outside the vocabulary.
        """
        tokens = []
        for key, spec in self._spec.items():
            value = action[key]
            if spec.dtype == tf.int32:
                message = f"RT1ActionTokenizer: expected {key!r} to be one-hot along its last axis."
                # One 1 and otherwise 0: the largest entry and the sum of the sizes are both 1.
                ones = tf.minimum(tf.reduce_max(value, -1), 2 - tf.reduce_sum(tf.abs(value), -1))
                one = tf.debugging.assert_equal(ones, 1, message=message)
                with tf.control_dependencies([one] if one is not None else []):
                    tokens.append(tf.argmax(value, axis=-1, output_type=tf.int32)[..., tf.newaxis])
                continue
            message = f"RT1ActionTokenizer: {key!r} is not a number (NaN)."
            number = tf.debugging.Assert(~tf.reduce_any(tf.math.is_nan(value)), [message])
            with tf.control_dependencies([number] if number is not None else []):
                value = action_coding.encode(value, self.coding)
                value = tf.clip_by_value(value, spec.minimum, spec.maximum)
            value = (value - spec.minimum) / (spec.maximum - spec.minimum)
            tokens.append(tf.cast(value * (self.vocab_size - 1), tf.int32))
        return tf.concat(tokens, axis=-1)

    def join(self, action: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The parts of a float action as one vector [..., num_tokens], coded; see `split`."""
        values = tf.concat([action[key] for key in self._spec], axis=-1)
        return action_coding.encode(values, self.coding)

    def split(self, values: tf.Tensor) -> dict[str, tf.Tensor]:
        """Regressed values [..., num_tokens], coded, to the parts of the action [..., d]."""
        return self._parts(action_coding.decode(values, self.coding))

    def _parts(self, values: tf.Tensor) -> dict[str, tf.Tensor]:
        sizes = [self._num_tokens(spec) for spec in self._spec.values()]
        return dict(zip(self._spec, tf.split(values, sizes, axis=-1)))

    def detokenize(self, tokens: tf.Tensor) -> dict[str, tf.Tensor]:
        """Tokens int32 [..., num_tokens] to actions, for each key of the spec a tensor [..., d] of
        its dtype; a class index beyond the number of classes becomes class 0."""
        action, start = {}, 0
        for key, spec in self._spec.items():
            stop = start + self._num_tokens(spec)
            part, start = tokens[..., start:stop], stop
            if spec.dtype == tf.int32:
                index = tf.where(part[..., 0] < spec.shape[0], part[..., 0], 0)
                action[key] = tf.one_hot(index, spec.shape[0], dtype=tf.int32)
                continue
            value = tf.cast(part, tf.float32) / (self.vocab_size - 1)
            if self.coding != action_coding.ENDPOINTS:
                value = tf.minimum(value + 0.5 / (self.vocab_size - 1), 1.0)
            value = value * (spec.maximum - spec.minimum) + spec.minimum
            action[key] = action_coding.decode(value, self.coding)
        return action

    def expected_action(self, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """The mean of the distributions of the tokens (logits [..., num_tokens, vocab_size]), which
        may lie between two likely values; of int32 keys the likeliest class. A token stands for the
        middle of its bin: tokenizing truncates."""
        probabilities = tf.nn.softmax(logits)
        last = self.vocab_size - 1
        bins = (tf.range(self.vocab_size, dtype=logits.dtype) + 0.5) / last
        means = self._parts(tf.linalg.matvec(probabilities, tf.minimum(bins, 1.0)))
        likeliest = self.detokenize(tf.argmax(logits, -1, output_type=tf.int32))
        for key, spec in self._spec.items():
            if spec.dtype != tf.int32:
                value = means[key] * (spec.maximum - spec.minimum) + spec.minimum
                likeliest[key] = action_coding.decode(value, self.coding)
        return likeliest
