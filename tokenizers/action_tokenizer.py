"""Actions to tokens and back (arXiv 2212.06817, section 5.1: 256 bins for each dimension).

Example, the food action with a vocabulary of 256: execution parameters [0.0, 0.5, 0.999, 1.0] are
scaled by 255 and truncated, tokens [0, 127, 254, 255]; back they are [0.0, 0.49804, 0.99608, 1.0]:
a token stands for the lower edge of its bin, so an answer is at most 1/255 of the range below the
label.

An int32 spec is a one-hot vector and takes one token, the index of its one; a float32 spec takes
one token for each dimension. The tokens of an action stand in the order of the spec's keys.

A *coding* says which four numbers stand for [x1, y1, x2, y2] in the network; outside of it
everything speaks [x1, y1, x2, y2]:

| coding          | the four numbers                                                         |
|-----------------|--------------------------------------------------------------------------|
| endpoints       | x1, y1, x2, y2: RT-1's way, one token for each dimension of the action   |
| midpoint_extent | cx, cy, 0.5 + 0.75 (x2 - x1), 0.5 + 0.75 (y2 - y1)                       |

RT-1's token heads are independent. Where a network knows the box of a food but not on which of its
two diagonals the food lies, y1 and y2 have two likely values each; with end points nothing makes
the two agree, and the mean is a horizontal arrow. With a midpoint and an extent one head decides.

In midpoint_extent a token stands for the middle of its bin. Example: [0.2, 0.4, 0.6, 0.5] is [0.4,
0.45, 0.8, 0.575], tokens [102, 114, 204, 146]; back, [0.2007, 0.3993, 0.6033, 0.4987]. All four lie
in 0..1 where both ends are in the picture and at most 2/3 of its side apart in x and in y; a longer
motion is cut to that when it is tokenized.

TensorFlow is imported where it is used: evaluation reads the codings before it needs it.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping

import gin
import numpy as np

import policy_specs

if typing.TYPE_CHECKING:
    import tensorflow as tf
    from tf_agents.specs import tensor_spec

    Array = typing.TypeVar("Array", np.ndarray, tf.Tensor)

CODINGS = ENDPOINTS, MIDPOINT_EXTENT = ("endpoints", "midpoint_extent")
# An extent of zero is the middle of the range, and 2/3 of the picture's side its end.
EXTENT_OFFSET, EXTENT_SCALE = 0.5, 0.75
_HALF = 0.5 / EXTENT_SCALE  # d x2 / d extent of x


def _concat(parts: list[Array]) -> Array:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts, axis=-1)
    import tensorflow as tf

    return tf.concat(parts, axis=-1)


def encode(actions: Array, coding: str) -> Array:
    """Execution parameters float [..., 4], NumPy or tensor, to what the network learns; not
    clipped."""
    if coding == ENDPOINTS:
        return actions
    start, end = actions[..., :2], actions[..., 2:]
    return _concat([(start + end) * 0.5, (end - start) * EXTENT_SCALE + EXTENT_OFFSET])


def decode(values: Array, coding: str) -> Array:
    """The inverse of `encode`, of means or samples of the coded numbers, float [..., 4]."""
    if coding == ENDPOINTS:
        return values
    half = (values[..., 2:] - EXTENT_OFFSET) * _HALF
    return _concat([values[..., :2] - half, values[..., :2] + half])


def bin_values(vocab_size: int) -> np.ndarray:
    """The number in 0..1 that each token stands for, the middle of its bin, float64 [V].

    Tokenizing truncates after a multiplication by V - 1, so the last token stands for 1 alone.
    """
    return np.minimum((np.arange(vocab_size) + 0.5) / (vocab_size - 1), 1.0)


def std_about(std: np.ndarray, offsets: np.ndarray, coding: str) -> tuple[np.ndarray, np.ndarray]:
    """Root mean square distances from an answer: of the end points float [..., 4], and of the
    midpoint, x and y together, float [...] (with end points as if they did not err to the same
    side). `std` are those of the coded numbers from the coded answer, `offsets` their means minus
    it, both NumPy float [..., 4]."""
    if coding == ENDPOINTS:
        return std, np.sqrt(np.square(std).sum(axis=-1)) / 2
    midpoint, extent = np.square(std[..., :2]), np.square(std[..., 2:] * _HALF)
    # E[(a -+ b)^2] = E[a^2] + E[b^2] -+ 2 E[a] E[b], the two being independent.
    both = 2 * _HALF * offsets[..., :2] * offsets[..., 2:]
    ends = [midpoint + extent - both, midpoint + extent + both]
    return np.sqrt(np.concatenate(ends, axis=-1)), np.sqrt(midpoint.sum(axis=-1))


@gin.configurable(denylist=["action_spec"])
class RT1ActionTokenizer:
    """Maps between actions that follow a spec and int32 tokens in 0..vocab_size - 1."""

    def __init__(
        self,
        action_spec: Mapping[str, tensor_spec.BoundedTensorSpec],
        vocab_size: int = 256,
        coding: str = ENDPOINTS,
    ):
        """`action_spec` has 1-d specs, float32 with bounds or int32 one-hot; `vocab_size` is the
        number of bins; `coding` what the tokens of the food action mean. ValueError if they cannot
        be tokenized."""
        self.vocab_size, self.coding, self._spec = vocab_size, coding, dict(action_spec)
        for key, spec in self._spec.items():
            is_class = spec.dtype == np.int32 and spec.shape[0] <= vocab_size
            is_number = spec.dtype == np.float32 and (spec.minimum < spec.maximum).all()
            is_number &= np.isfinite([spec.minimum, spec.maximum]).all()
            is_coded = coding == MIDPOINT_EXTENT and key == policy_specs.ACTION_KEY
            if (
                len(spec.shape) != 1
                or vocab_size < 2
                or not (is_class or is_number)
                or not (is_coded or coding == ENDPOINTS)
            ):
                raise ValueError(
                    "RT1ActionTokenizer: expected actions 1-d, float32 with finite minimum < "
                    "maximum or one-hot int32 of at most vocab_size classes, vocab_size >= 2 and "
                    f"coding 'endpoints', or 'midpoint_extent' for {policy_specs.ACTION_KEY!r}, "
                    f"got {key!r} {spec}, {vocab_size} and {coding!r}."
                )
        self._sizes = [1 if s.dtype == np.int32 else s.shape[0] for s in self._spec.values()]
        self.num_tokens = sum(self._sizes)

    def tokenize(self, action: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Actions, for each key of the spec a tensor [..., d], to tokens int32 [..., num_tokens];
        values outside the bounds are clipped to them.

        Raises tf.errors.InvalidArgumentError if an int32 action is not one-hot, or a value is NaN,
        which would become a token outside the vocabulary.
        """
        import tensorflow as tf

        tokens = []
        for key, spec in self._spec.items():
            value, is_class = action[key], spec.dtype == tf.int32
            if is_class:
                # One 1 and otherwise 0: the largest entry and the sum of the sizes are both 1.
                ones = tf.minimum(tf.reduce_max(value, -1), 2 - tf.reduce_sum(tf.abs(value), -1))
                fits, what = tf.reduce_all(ones == 1), "to be one-hot along its last axis"
            else:
                fits, what = ~tf.reduce_any(tf.math.is_nan(value)), "to hold numbers, got a NaN"
            check = tf.debugging.Assert(fits, [f"RT1ActionTokenizer: expected {key!r} {what}."])
            with tf.control_dependencies([check]):
                value = tf.identity(value)
            if is_class:
                tokens.append(tf.argmax(value, axis=-1, output_type=tf.int32)[..., tf.newaxis])
                continue
            value = tf.clip_by_value(encode(value, self.coding), spec.minimum, spec.maximum)
            value = (value - spec.minimum) / (spec.maximum - spec.minimum)
            tokens.append(tf.cast(value * (self.vocab_size - 1), tf.int32))
        return tf.concat(tokens, axis=-1)

    def detokenize(self, tokens: tf.Tensor) -> dict[str, tf.Tensor]:
        """Tokens int32 [..., num_tokens] to actions, for each key of the spec a tensor [..., d] of
        its dtype; a class index beyond the number of classes becomes class 0."""
        import tensorflow as tf

        values = tf.cast(tokens, tf.float32) / (self.vocab_size - 1)
        if self.coding != ENDPOINTS:
            values = tf.minimum(values + 0.5 / (self.vocab_size - 1), 1.0)
        return self._action(tokens, values)

    def expected_action(self, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """The mean of the distributions of the tokens (logits [..., num_tokens, vocab_size]), which
        may lie between two likely values; of int32 keys the likeliest class. A token stands for the
        middle of its bin: tokenizing truncates."""
        import tensorflow as tf

        bins = (tf.range(self.vocab_size, dtype=logits.dtype) + 0.5) / (self.vocab_size - 1)
        means = tf.linalg.matvec(tf.nn.softmax(logits), tf.minimum(bins, 1.0))
        return self._action(tf.argmax(logits, -1, output_type=tf.int32), means)

    def _action(self, tokens: tf.Tensor, values: tf.Tensor) -> dict[str, tf.Tensor]:
        """The classes that tokens name, and the numbers that values in 0..1 stand for."""
        import tensorflow as tf

        action = self._parts(values)
        for key, index in self._parts(tokens).items():
            spec = self._spec[key]
            if spec.dtype == tf.int32:
                index = tf.where(index[..., 0] < spec.shape[0], index[..., 0], 0)
                action[key] = tf.one_hot(index, spec.shape[0], dtype=tf.int32)
            else:
                value = action[key] * (spec.maximum - spec.minimum) + spec.minimum
                action[key] = decode(value, self.coding)
        return action

    def join(self, action: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The parts of a float action as one vector [..., num_tokens], coded; see `split`."""
        return encode(_concat([action[key] for key in self._spec]), self.coding)

    def split(self, values: tf.Tensor) -> dict[str, tf.Tensor]:
        """Regressed values [..., num_tokens], coded, to the parts of the action [..., d]."""
        return self._parts(decode(values, self.coding))

    def _parts(self, values: tf.Tensor) -> dict[str, tf.Tensor]:
        starts = np.cumsum([0, *self._sizes])
        pieces = zip(self._spec, starts, starts[1:])
        return {key: values[..., start:stop] for key, start, stop in pieces}
