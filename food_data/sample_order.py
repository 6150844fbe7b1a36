"""In which order an epoch has its samples, and what each of them is augmented with.

Both are functions of the run's seed, the epoch and the sample, and of nothing else, so that a run
that was interrupted goes on as if it had not been.
"""

from __future__ import annotations

import numpy as np


def epoch_order(indices: np.ndarray, shuffle_seed: int | None, epoch: int) -> np.ndarray:
    """The order of one epoch.

    Args:
        indices: sample numbers [n].
        shuffle_seed: None keeps their order.
        epoch: from 0.

    Returns:
        A permutation of `indices`, int64 [n], that depends on nothing but the arguments.
    """
    if shuffle_seed is None:
        return np.asarray(indices, np.int64)
    return np.random.default_rng([shuffle_seed, epoch]).permutation(indices).astype(np.int64)


def sample_seeds(shuffle_seed: int, epochs: int | np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Seeds of single samples, which TensorFlow's stateless operations take.

    Args:
        shuffle_seed: of the run, from 0.
        epochs: a number or integers [B], from 0.
        samples: sample numbers, integers [B].

    Returns:
        int32 [B, 2] that depends on nothing but the arguments.
    """
    mixed = _mix(np.full(np.shape(samples), shuffle_seed, np.uint64))
    for part in (epochs, samples):
        mixed = _mix(mixed ^ np.atleast_1d(part).astype(np.uint64))
    return mixed.view(np.int32).reshape(-1, 2)


def _mix(values: np.ndarray) -> np.ndarray:
    """A bijection of uint64 whose every output bit depends on every input bit.

    The output function of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
    generators", OOPSLA 2014).
    """
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
