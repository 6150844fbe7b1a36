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
