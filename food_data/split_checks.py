"""Checks of a split: that no picture is on both sides, and what each side has of each class."""

from __future__ import annotations

import numpy as np

from food_data import splits
from food_data.check_report import Findings, samples_text

_MOST_UNEVEN = 20


def check_leaks(split: splits.Split, keys: np.ndarray, what: str, findings: Findings) -> None:
    """An error if something is on both sides.

    Args:
        split: of N samples.
        keys: [N], equal where samples belong together.
        what: is equal, for the message: "pixels".
        findings: gets the error.
    """
    shared = np.isin(keys[split.val_idx], keys[split.train_idx])
    if shared.any():
        findings.errors.append(
            f"split: expected no picture on both sides; {samples_text(split.val_idx[shared])} of "
            f"the validation side have the {what} of training samples. Move the split file away; a "
            "new one keeps the samples of one picture together."
        )


def check_classes(
    action_names: np.ndarray | None,
    food_types: np.ndarray,
    pictures: np.ndarray | None,
    split: splits.Split | None,
    findings: Findings,
) -> None:
    """Class balance, in all and on each side.

    Args:
        action_names: str [N] or None.
        food_types: str [N].
        pictures: [N], equal where samples show the same picture; None if not known.
        split: or None.
        findings: gets warnings and a table by action and food.
    """
    number = len(food_types)
    actions = np.full(number, "") if action_names is None else action_names
    side = np.zeros(number, int)
    if split is not None:
        side[split.train_idx], side[split.val_idx] = 1, 2
    rows = findings.table("action", "food", "samples", "pictures", "train", "val")
    only_val, few, counts = [], [], []
    for action, food in sorted(set(zip(actions.tolist(), food_types.tolist()))):
        chosen = (actions == action) & (food_types == food)
        train, val = (int((side[chosen] == one).sum()) for one in (1, 2))
        count = int(chosen.sum())
        shown = count if pictures is None else len(np.unique(pictures[chosen]))
        rows.append((action, food, count, shown, train, val))
        counts.append(count)
        name = f"{action} {food}".strip()
        only_val += [name] if val and not train else []
        few += [name] if split is not None and not val else []
    shown = number if pictures is None else len(np.unique(pictures))
    rows.append(("", "TOTAL", number, shown, int((side == 1).sum()), int((side == 2).sum())))
    if only_val:
        findings.warnings.append(f"split: {', '.join(only_val)}: validated but never trained.")
    if few:
        findings.warnings.append(f"split: {', '.join(few)}: not in the validation samples.")
    if max(counts) > _MOST_UNEVEN * min(counts):
        findings.warnings.append(
            f"classes: the largest has {max(counts)} samples, the smallest {min(counts)}; what is "
            "rare is learned badly."
        )
