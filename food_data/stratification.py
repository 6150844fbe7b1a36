"""Choosing whole pictures for validation so that each kind of sample is on both sides.

A kind is an instruction: an action with a food. A picture may show several kinds, so the kinds
cannot be divided one after the other. Iterative stratification (Sechidis, Tsoumakas and Vlahavas,
"On the stratification of multi-label data", ECML PKDD 2011, algorithm 1) divides the rarest kind
first, and gives each picture to the side that lacks most of that kind.

A worked example: 2 pictures with a grape and a banana, 8 with a banana, a fifth to validate. The
grapes come first: 1.6 of 2 are wanted for training and 0.4 for validation, so both go to training.
Then 6 more bananas are wanted there and 2 here: of the 8 pictures left, six go to training and two
to validation. At last, because a kind that is in two pictures has to be on both sides, one picture
with grapes changes sides.
"""

from __future__ import annotations

import numpy as np


def choose_groups(
    group: np.ndarray, kinds: np.ndarray, foods: np.ndarray, fraction: float, seed: int
) -> np.ndarray:
    """Which groups validate.

    Every kind and every food that at least two groups have is on both sides wherever groups can be
    found for that, even if this makes the validation side larger than asked for.

    Args:
        group: of each sample, integers [N], 0..G-1 without gaps, G >= 2.
        kinds: of each sample, integers [N], 0..K-1.
        foods: of each sample, integers [N], 0..F-1.
        fraction: of each kind's samples that is wanted, 0 < fraction < 1.
        seed: of all draws.

    Returns:
        bool [G], at least one True and one False.
    """
    counts = _count(group, kinds)
    validates = _divide(counts, fraction, np.random.default_rng(seed))
    present = np.concatenate([counts > 0, _count(group, foods) > 0, counts.any(1)[:, None]], axis=1)
    _cover_both_sides(validates, present[:, present.sum(0) >= 2], counts.sum(1), fraction)
    return validates


def _count(group: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Samples of each group with each label, int32 [G, labels]."""
    counts = np.zeros((group.max() + 1, labels.max() + 1), np.int32)
    np.add.at(counts, (group, labels), 1)
    return counts


def _divide(counts: np.ndarray, fraction: float, generator: np.random.Generator) -> np.ndarray:
    """Iterative stratification of groups with samples int [G, K]: bool [G]."""
    order = generator.permutation(len(counts))
    totals = counts.sum(axis=0)
    # Samples that each side still lacks, of each kind and in all; training first.
    wanted = np.outer([1 - fraction, fraction], totals)
    wanted_in_all = wanted.sum(axis=1)
    validates = np.zeros(len(counts), bool)
    is_open = np.ones(len(counts), bool)
    remaining = (counts > 0).sum(axis=0)
    while remaining.any():
        kind = int(np.argmin(np.where(remaining > 0, remaining, len(counts) + 1)))
        for one in order[is_open[order] & (counts[order, kind] > 0)]:
            lacks = [(wanted[side, kind], wanted_in_all[side]) for side in (0, 1)]
            side = int(lacks[1] > lacks[0])
            wanted[side] -= counts[one]
            wanted_in_all[side] -= counts[one].sum()
            validates[one] = side
            is_open[one] = False
            remaining -= counts[one] > 0
    return validates


def _cover_both_sides(
    validates: np.ndarray, present: np.ndarray, sizes: np.ndarray, fraction: float
) -> None:
    """Moves groups until every column of `present` [G, C] is on both sides, if that can be.

    Args:
        validates: bool [G]; is changed.
        present: bool [G, C]: which groups have which kind or food.
        sizes: samples of each group [G].
        fraction: that is wanted for validation.
    """
    tried: set[int] = set()
    while True:
        here = np.stack([present[~validates].sum(axis=0), present[validates].sum(axis=0)])
        absent = [(side, column) for side, column in np.argwhere(here == 0) if column not in tried]
        if not absent:
            return
        side, column = (int(number) for number in absent[0])
        candidates = np.flatnonzero(present[:, column] & (validates == (side == 0)))
        # What a candidate would take the last of, away from its own side, less what it brings.
        harm = (present[candidates] & (here[1 - side] == 1)).sum(axis=1)
        gain = (present[candidates] & (here[side] == 0)).sum(axis=1)
        change = np.where(validates[candidates], -1, 1) * sizes[candidates]
        excess = np.abs(sizes[validates].sum() + change - fraction * sizes.sum())
        best = np.lexsort([excess, harm - gain])[0]
        if harm[best] >= gain[best]:
            tried.add(column)
            continue
        validates[candidates[best]] = side == 1
