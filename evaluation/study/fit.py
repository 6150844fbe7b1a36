"""Calibrates on a part of the samples and tests on the rest: what calibrate.py does between files.

Example: 1,193 samples of 600 pictures and the fraction 0.5: some 597 samples of 300 pictures
calibrate, the 596 of the other 300 test. No picture is on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from evaluation import (
    calibration,
    calibration_split,
    uncertainty_calibration,
    uncertainty_estimate,
    uncertainty_sources,
)
from evaluation.study import calibration as study_calibration
from evaluation.study import samples as study_samples
from evaluation.study import sources as study_sources
from food_data import npz_dataset


def fit_and_test(
    source: uncertainty_sources.Source,
    samples: study_samples.Samples,
    *,
    fraction: float = 0.5,
    seed: int = 0,
    batch_size: int = 32,
    frames: uncertainty_sources.Frames | None = None,
    progress: Callable[[Iterable], Iterable] = iter,
    **settings: object,
) -> tuple[uncertainty_calibration.UncertaintyCalibration, dict[str, object] | None]:
    """Asks once, parts, fits, tests.

    Args:
        source: of the uncertainty.
        samples: n of them, that did not train.
        fraction: of the samples that calibrate, 0 < fraction <= 1; 1: nothing is left to test.
        seed: of the draw and of what is random in the source.
        batch_size: pictures in one pass.
        frames: of the model's passes; None: one pass.
        progress: wraps the batches, for a progress bar.
        **settings: of `calibration.fit`: coverage, target, target_rate, passes, ...

    Returns:
        The calibration, and of the other part what `study_calibration.applied` says; None if there
        is none.

    Raises:
        ValueError: if the fraction is out of range, or there are too few samples for what is to be
            promised.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction: expected 0 < fraction <= 1, got {fraction}.")
    found = uncertainty_sources.collect(
        source,
        samples.dataset,
        samples.indices,
        batch_size=batch_size,
        seed=seed,
        frames=frames,
        progress=progress,
    )
    fitting, testing = _part(samples, fraction, seed)
    scope, num_samples = study_sources.scope_and_passes(source)
    fitted = calibration.fit(
        _data(samples.part(fitting), found.part(fitting)),
        source=source.name,
        score=next(iter(found.scores)),
        dataset_fingerprint=npz_dataset.dataset_fingerprint(samples.dataset),
        scope=scope,
        num_samples=num_samples,
        seed=seed,
        **settings,
    )
    if not len(testing):
        return fitted, None
    tested = samples.part(testing)
    said = study_calibration.applied(
        fitted,
        found.part(testing),
        tested.labels,
        tested.pictures,
        seed,
        elongated=tested.elongated,
    )
    return fitted, said


def _part(
    samples: study_samples.Samples, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the samples that calibrate and of those that test."""
    if fraction == 1:
        return np.arange(len(samples)), np.arange(0)
    pictures, ids = samples.pictures, samples.picture_ids
    fitting, testing = calibration_split.split_calibration_test(pictures, fraction, seed)
    calibration_split.check_disjoint(ids[fitting], ids[testing])
    return fitting, testing


def _data(
    samples: study_samples.Samples, found: uncertainty_estimate.Estimate
) -> calibration.CalibrationData:
    ids = samples.sample_ids, samples.picture_ids
    return calibration.CalibrationData(
        found.answers,
        found.std,
        found.score,
        samples.labels,
        *ids,
        inputs=found.inputs,
        elongated=samples.elongated,
    )
