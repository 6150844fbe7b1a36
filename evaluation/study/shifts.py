"""How an uncertainty tells plates unlike training from ordinary ones: rows of the report's table.

Example: of 100 noise pictures 97 have a higher uncertainty than half of the ordinary plates, and
all are above the threshold: {"name": "noise", "auroc": 0.98, "asked_share": 1.0, ...}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from evaluation import ood, shifts, uncertainty_estimate, uncertainty_sources
from evaluation.study import errors as study_errors
from evaluation.study import samples as study_samples

WRONG_FOOD = "wrong food"


def shift_rows(
    source: uncertainty_sources.Source,
    samples: study_samples.Samples,
    ordinary: np.ndarray,
    *,
    rank: Callable[[uncertainty_estimate.Estimate], np.ndarray] | None = None,
    threshold: float | None = None,
    max_samples: int = 500,
    batch_size: int = 32,
    seed: int = 0,
    frames: uncertainty_sources.Frames | None = None,
    progress: Callable[[Iterable], Iterable] = iter,
) -> list[dict[str, object]]:
    """Asks about the samples after each of `shifts.SHIFTS`, and about foods that are not there.

    Args:
        source: of the uncertainty.
        samples: n of them.
        ordinary: float [n], how unsure the source is of the samples as they are.
        rank: what says so of an estimate; None: its score.
        threshold: the human is asked above it; None: nobody said.
        max_samples: of more than so many, so many are drawn.
        batch_size: pictures in one pass.
        seed: of the draw, of what is random in a shift and in the source.
        frames: of the model's passes, whose last one sees the shift; None: one pass.
        progress: wraps the batches of each shift.

    Returns:
        'name', 'auroc', 'asked_share' (None without a threshold), 'mean_uncertainty', 'n': first
        the ordinary ones (AUROC None), then the shifts. Wrong foods are left out where the data set
        does not name pictures and foods, or a picture has every food.
    """
    generator = np.random.default_rng(seed)
    size = min(max_samples, len(samples))
    rows = np.sort(generator.choice(len(samples), size, replace=False))
    indices = samples.indices[rows]

    def scores(**how: object) -> np.ndarray:
        found = uncertainty_sources.collect(
            source,
            samples.dataset,
            indices,
            batch_size=batch_size,
            seed=seed,
            frames=frames,
            progress=progress,
            **how,
        )
        return found.score if rank is None else rank(found)

    found = {name: scores(change=shift.change) for name, shift in shifts.SHIFTS.items()}
    instructions = _wrong_foods(samples, indices, seed)
    if instructions is not None:
        found[WRONG_FOOD] = scores(instructions=instructions)
    separated = ood.separation(ordinary, found)
    made = [_row("ordinary", ordinary, None, threshold)]
    return made + [
        _row(name, values, separated[name]["auroc"], threshold) for name, values in found.items()
    ]


def _wrong_foods(
    samples: study_samples.Samples, indices: np.ndarray, seed: int
) -> np.ndarray | None:
    dataset = samples.dataset
    if dataset.sources is None or dataset.food_types is None:
        return None
    # Every food on one picture, or one food in all: there is no other to ask for.
    foods = set(dataset.food_types[indices].tolist())
    for picture in np.unique(dataset.sources[indices]):
        if foods <= set(dataset.food_types[dataset.sources == picture].tolist()):
            return None
    return shifts.wrong_foods(dataset, indices, seed)


def _row(
    name: str, scores: np.ndarray, auroc: float | None, threshold: float | None
) -> dict[str, object]:
    return {
        "name": name,
        "auroc": None if auroc is None else study_errors.known(auroc),
        "asked_share": None if threshold is None else float((scores > threshold).mean()),
        "mean_uncertainty": float(scores.mean()),
        "n": len(scores),
    }
