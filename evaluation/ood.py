"""How well a score tells plates that are unlike training from those that are like it.

Example: the uncertainties 0.1, 0.2, 0.3 of ordinary plates and 0.25, 0.4 of blurred ones. Of the
six pairs, the blurred plate has the higher one in five: AUROC 5/6. With the threshold 0.2 the human
is asked about one of the three ordinary plates and both blurred ones.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from evaluation import rank_metrics


def separation(
    ordinary: np.ndarray,
    shifted: Mapping[str, np.ndarray],
    threshold: float | None = None,
) -> dict[str, dict[str, float | int]]:
    """Numbers of each kind of shift.

    Args:
        ordinary: float [N], scores of plates like those of training, high for strange.
        shifted: {kind of shift: float [M], scores}.
        threshold: asked where score > threshold; None: then nothing is said about asking.

    Returns:
        {kind: {'num_samples': M, 'auroc': the chance that a shifted plate scores higher than an
        ordinary one, 'average_precision', 'fpr_at_95_tpr': share of ordinary plates that score as
        high as the highest 95 % of the shifted ones (Hendrycks et al. 2019), and with a threshold
        'asked': share of M, 'asked_ordinary': share of N}}. 0..1 each.

    Raises:
        ValueError: if a set has no sample or a score is NaN.
    """
    found = {}
    for name, scores in shifted.items():
        if not np.size(ordinary) or not np.size(scores):
            raise ValueError(
                f"separation: {name}: expected scores of ordinary and shifted plates, got "
                f"{np.size(ordinary)} and {np.size(scores)}."
            )
        together = np.concatenate([ordinary, scores])
        positive = np.arange(len(together)) >= len(ordinary)
        found[name] = {
            "num_samples": len(scores),
            "auroc": rank_metrics.auroc(together, positive),
            "average_precision": rank_metrics.average_precision(together, positive),
            "fpr_at_95_tpr": _false_positive_rate(np.asarray(ordinary), np.asarray(scores)),
        }
        if threshold is not None:
            found[name]["asked"] = float((np.asarray(scores) > threshold).mean())
            found[name]["asked_ordinary"] = float((np.asarray(ordinary) > threshold).mean())
    return found


def _false_positive_rate(ordinary: np.ndarray, shifted: np.ndarray, caught: float = 0.95) -> float:
    highest = int(np.ceil(caught * len(shifted) - 1e-9))
    return float((ordinary >= np.sort(shifted)[len(shifted) - highest]).mean())
