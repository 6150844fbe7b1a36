"""Which position of the token sequence may look at which (arXiv 2212.06817, section 5.1).

A time step is `num_image_tokens` image tokens followed by `num_action_tokens` action tokens. A
position sees itself and what came before, except that an action position sees no action position,
not even itself: actions are predicted from images alone. Images do see earlier action positions, as
in the public code.

Example with T = 2 steps of 2 image tokens (i) and 1 action token (a); rows look at columns:

        i i a i i a
    i   1 0 0 0 0 0
    i   1 1 0 0 0 0
    a   1 1 0 0 0 0     not itself
    i   1 1 1 1 0 0     the earlier action position is seen
    i   1 1 1 1 1 0
    a   1 1 0 1 1 0     neither the earlier action nor itself
"""

from __future__ import annotations

import dataclasses

import numpy as np


def action_positions(num_steps: int, num_image_tokens: int, num_action_tokens: int) -> np.ndarray:
    """Where the action tokens stand in the sequence.

    Args:
        num_steps: T.
        num_image_tokens: per step.
        num_action_tokens: per step.

    Returns:
        int64 [T, num_action_tokens]
    """
    step = np.arange(num_steps)[:, np.newaxis] * (num_image_tokens + num_action_tokens)
    return step + num_image_tokens + np.arange(num_action_tokens)


def attention_mask(num_steps: int, num_image_tokens: int, num_action_tokens: int) -> np.ndarray:
    """The matrix of the module docstring.

    Args:
        num_steps: T.
        num_image_tokens: per step.
        num_action_tokens: per step.

    Returns:
        float32 [N, N], N = T * (num_image_tokens + num_action_tokens); 1 where row may look at
        column.
    """
    num_positions = num_steps * (num_image_tokens + num_action_tokens)
    mask = np.tril(np.ones((num_positions, num_positions), np.float32))
    is_action = np.zeros(num_positions, bool)
    is_action[action_positions(num_steps, num_image_tokens, num_action_tokens).ravel()] = True
    mask[np.ix_(is_action, is_action)] = 0.0
    return mask


@dataclasses.dataclass(frozen=True)
class LayerRows:
    """What one layer of the transformer has to compute.

    Attributes:
        inputs: increasing positions, R of them, that come in.
        queries: which rows of `inputs` go on, Q of them.
        keys: which rows of `inputs` those look at, K of them.
        mask: float32 [Q, K].
    """

    inputs: np.ndarray
    queries: np.ndarray
    keys: np.ndarray
    mask: np.ndarray


def layer_rows(mask: np.ndarray, num_layers: int, outputs: np.ndarray) -> list[LayerRows]:
    """Which rows each layer needs, so that the last one has those at `outputs`.

    Nobody looks at the last action position, and at no action position of the last step: with
    T = 1, 8 image tokens and 4 action tokens, 11 of 12 rows come in, 8 are keys, 4 leave the last
    layer. That is a quarter of the work.

    Args:
        mask: [N, N], 1 where row may look at column.
        num_layers: how many.
        outputs: increasing positions.

    Returns:
        One for each layer, the first layer first.
    """
    layers = []
    for _ in range(num_layers):
        keys = np.flatnonzero(mask[outputs].any(axis=0))
        inputs = np.union1d(outputs, keys)
        queries = np.searchsorted(inputs, outputs)
        seen = mask[np.ix_(outputs, keys)].astype(np.float32)
        layers.append(LayerRows(inputs, queries, np.searchsorted(inputs, keys), seen))
        outputs = inputs
    return layers[::-1]
