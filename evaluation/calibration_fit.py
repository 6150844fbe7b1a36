"""Fits what `uncertainty.json` holds to samples that neither train nor test, and tests it.

docs/evaluation.md ("Calibration") has the formula, promise and source of each part. Regions are
those of split conformal prediction: of nine distances 0.01, 0.02, ..., 0.09 the 90 % radius is 0.09
(rank ceil(10 * 0.9)); of eight no such radius exists. Disc and sector hold place and direction
TOGETHER with the chance: each gets the size of the same rank, the lowest one at which enough
samples lie in both.

Samples of one picture are not independent, which the promised share of questions and the bound of
the error rate need: they are made of one sample of each picture, drawn by lot, and of chances
fitted without the sample's own picture.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import typing
from collections.abc import Mapping

import numpy as np

from evaluation import metrics, statistics, uncertainty
from evaluation.samples import Pieces, Samples
from evaluation.uncertainty import Estimate
from food_data import npz_dataset

# An answer is wrong if its midpoint (share of the side) or, on elongated food, its axis (degrees)
# is further off.
LIMITS = (metrics.ERROR_LIMIT, 20.0)
FLOOR = 0.01
CONFIDENCE = 0.95  # of the bound of the error rate
_ROUND = 1e-9


def fit(
    samples: Samples,
    estimate: Estimate,
    source: uncertainty.Source,
    *,
    weights_sha256: str,
    passes: str = "one",
    coverage: float = 0.9,
    query_rate: float = 0.2,
    limits: tuple[float, float] = LIMITS,
    floor_error_rate: float = 0.25,
    seed: int = 0,
) -> uncertainty.UncertaintyCalibration:
    """Everything that `uncertainty.json` holds, of what a source says about samples. Raises
    ValueError if a value is out of range or not finite, or there are too few samples for the
    promise; says how many are needed."""
    if not 0 <= floor_error_rate <= 1:
        raise ValueError(f"Expected a floor of 0..1, got {floor_error_rate}.")
    pieces, pictures = samples.pieces, samples.picture_ids
    error = pieces.nearest(estimate.answers) - np.asarray(estimate.answers, np.float64)
    scales = np.square(error / np.maximum(estimate.std, uncertainty.MIN_STD)).mean(axis=0) ** 0.5
    right = ~is_wrong(estimate.answers, pieces, *limits)
    if pieces.elongated is None:
        limits = limits[0], None
    regions = fit_regions(estimate, pieces, coverage)
    doubt = 1 - _held_out_chances(estimate.inputs, right, pictures)
    asking = choose_threshold(doubt, ~right, query_rate, pictures, seed)
    fitted_on = uncertainty.FittedOn(
        source=source.name,
        score=next(iter(estimate.scores)),
        scope=source.scope,
        num_samples=source.num_samples,
        dataset_fingerprint=npz_dataset.dataset_fingerprint(samples.dataset),
        num_calibration_samples=len(pictures),
        sample_ids_sha256=hashlib.sha256(
            "\n".join(sorted(samples.sample_ids)).encode()
        ).hexdigest(),
        picture_ids=tuple(sorted(set(pictures.tolist()))),
        weights_sha256=weights_sha256,
        passes=passes,
        pieces="any",
    )
    asking = uncertainty.AskHuman(
        **asking,
        target="query_rate",
        target_rate=query_rate,
        error_limit=limits[0],
        angle_limit=limits[1],
        confidence=CONFIDENCE,
        floor_error_rate=floor_error_rate,
        meets_floor=asking["expected_error_rate"] <= floor_error_rate,
    )
    return uncertainty.UncertaintyCalibration(
        uncertainty.FORMAT_VERSION,
        fitted_on,
        tuple(scales.tolist()),
        uncertainty.MIN_STD,
        regions,
        asking,
        fit_confidence(estimate.inputs, right, limits),
    )


def _off(answers: np.ndarray, pieces: Pieces) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How far answers [n, 4] are from each piece: distances of midpoints [P], errors of coordinates
    [P, 4], and degrees between the axes [P], 0 where the piece is not elongated."""
    answers = np.asarray(answers, np.float64)[pieces.rows]
    columns, elongated = metrics.error_columns(answers, pieces.labels), pieces.elongated
    angles = columns["angle_mae_mod180_deg"] * (0 if elongated is None else elongated)
    return columns["centroid_error"], np.abs(answers - pieces.labels), angles


def is_wrong(
    answers: np.ndarray, pieces: Pieces, error_limit: float, angle_limit: float
) -> np.ndarray:
    """Whether answers [n, 4] are off all of their pieces, by place or by direction: bool [n]."""
    distances, _, angles = _off(answers, pieces)
    return pieces.smallest((distances > error_limit) | (angles > angle_limit))


def fit_regions(
    estimate: Estimate, pieces: Pieces, coverage: float = 0.9
) -> uncertainty.ConformalRegions:
    """Regions of a calibration split, with sectors if it is known what is elongated."""
    distances, errors, angles = _off(estimate.answers, pieces)
    found, sizes = estimate.part(pieces.rows), {}
    spread = found.features["axis_spread"] + uncertainty.ANGLE_FLOOR_DEG
    units = {"": (1, 1, 1), "_adaptive": (found.std + FLOOR, found.score + FLOOR, spread)}
    for kind, (of_box, of_disc, of_sector) in units.items():
        box, both = (errors / of_box).max(axis=1), (distances / of_disc, angles / of_sector)
        sizes[f"box{kind}"] = conformal_quantile(pieces.smallest(box), coverage)
        if pieces.elongated is None:
            sizes[f"disc{kind}"] = conformal_quantile(pieces.smallest(both[0]), coverage)
            continue
        ordered = [np.sort(one[pieces.nearest_rows(found.answers)]) for one in both]
        ranks = [np.searchsorted(*one) for one in zip(ordered, both)]
        rank = int(conformal_quantile(pieces.smallest(np.maximum(*ranks)), coverage))
        sizes[f"disc{kind}"], sizes[f"sector{kind}"] = (float(one[rank]) for one in ordered)
    return uncertainty.ConformalRegions(coverage=coverage, floor=FLOOR, adaptive=True, **sizes)


def conformal_quantile(scores: np.ndarray, coverage: float) -> float:
    """The ceil((n + 1) * coverage)-th smallest of n scores: a new exchangeable score is at most
    this with at least that chance. If n is too small, only infinity would keep the promise."""
    if not 0 < coverage < 1 or np.isnan(scores).any():
        raise ValueError(f"Expected a chance between 0 and 1, got {coverage}; or a score is NaN.")
    rank = math.ceil((len(scores) + 1) * coverage - _ROUND)
    if rank > len(scores):
        needed = math.ceil(coverage / (1 - coverage) - _ROUND)
        text = f"A chance of {coverage:g} needs at least {needed} calibration samples (for a query"
        raise ValueError(f"{text} rate: pictures), got {len(scores)}. Use more or promise less.")
    return float(np.partition(scores, rank - 1)[rank - 1])


def choose_threshold(
    doubt: np.ndarray, wrong: np.ndarray, rate: float, pictures: np.ndarray, seed: int
) -> dict[str, float]:
    """The threshold of n doubts, some of whose answers are `wrong`, and what to expect of it, as
    `uncertainty.AskHuman` names them; see the module."""
    import scipy.special  # Slow, so not for --help.

    order = np.random.default_rng(seed).permutation(len(pictures))
    drawn = order[np.unique(np.asarray(pictures)[order], return_index=True)[1]]
    threshold = conformal_quantile(doubt[drawn], 1 - rate)
    answered, kept = doubt <= threshold, wrong[drawn][doubt[drawn] <= threshold]
    # So few errors have the chance 1 - CONFIDENCE at this rate (Clopper and Pearson 1934).
    errors, right = kept.sum(), (~kept).sum()
    bound = float(scipy.special.betaincinv(errors + 1, right, CONFIDENCE)) if right else 1.0
    return {
        "threshold": threshold,
        "expected_query_rate": float(1 - answered.mean()),
        "expected_error_rate": float(wrong[answered].mean()) if answered.any() else 0.0,
        "error_rate_bound": bound,
    }


def fit_confidence(
    inputs: Mapping[str, np.ndarray], right: np.ndarray, limits: tuple[float, float | None]
) -> uncertainty.Confidence:
    """The logistic regression of the highest likelihood, less half the squared weights (of the bias
    a hundredth), so that few samples, or answers that are all right, make no certainty."""
    import sklearn.linear_model  # Slow, so not for --help.

    values = np.stack([np.asarray(value, np.float64) for value in inputs.values()], axis=1)
    means, stds = values.mean(axis=0), values.std(axis=0)
    stds = np.where(stds > 1e-9, stds, 1.0)  # What is always the same says nothing.
    design = np.column_stack([(values - means) / stds, np.full(len(values), 10.0)])
    model = sklearn.linear_model.LogisticRegression(
        fit_intercept=False, solver="newton-cholesky", tol=1e-12
    )
    # Each sample both as right and as wrong, one of the two without weight: it wants two classes.
    rows, classes = np.tile(design, (2, 1)), np.repeat([True, False], len(right))
    *weights, bias = model.fit(rows, classes, np.concatenate([right, ~right])).coef_[0].tolist()
    fitted = tuple(means.tolist()), tuple(stds.tolist()), tuple(weights), 10 * bias
    return uncertainty.Confidence(tuple(inputs), *fitted, *limits)


def _held_out_chances(
    inputs: Mapping[str, np.ndarray], right: np.ndarray, pictures: np.ndarray
) -> np.ndarray:
    """The chance of each sample by a regression without its picture, float64 [n]."""
    folds, chances = np.unique(pictures, return_inverse=True)[1] % 5, np.empty(len(right))
    for fold in np.unique(folds):
        part = folds == fold
        rest = ~part if (~part).any() else part  # One picture alone.
        fitted = fit_confidence({name: v[rest] for name, v in inputs.items()}, right[rest], LIMITS)
        chances[part] = fitted.chance({name: v[part] for name, v in inputs.items()})
    return chances


def contained(
    calibrated: uncertainty.UncertaintyCalibration, estimate: Estimate, pieces: Pieces
) -> dict[str, np.ndarray]:
    """Whether regions hold a right piece, bool [n]; 'both' are disc and sector together."""
    regions, found = calibrated.regions, estimate.part(pieces.rows)
    distances, errors, angles = _off(estimate.answers, pieces)
    outside = {
        "disc": distances > regions.size("disc", calibrated.uncertainty(found)),
        "box": (errors > regions.size("box", found.std)).any(axis=1),
    }
    if regions.sector is not None and pieces.elongated is not None:
        half_angles = regions.size("sector", found.features["axis_spread"])
        outside["both"] = outside["disc"] | (angles > half_angles)
    return {kind: ~pieces.smallest(one) for kind, one in outside.items()}


def figures(
    known: uncertainty.UncertaintyCalibration, estimate: Estimate, samples: Samples, seed: int = 0
) -> dict[str, typing.Any]:
    """What a calibration is worth on samples that it has not seen; docs/evaluation.md names the
    figures. Example: 90 % discs of 1,000 plates that hold 906 midpoints have in 'intervals' a
    'disc_coverage' of 0.906 [0.886, 0.924]."""
    asking, pieces, pictures = known.asking, samples.pieces, samples.pictures
    errors = pieces.smallest(_off(estimate.answers, pieces)[0])
    # A calibration that judges places alone does so with an angle that nothing exceeds.
    wrong = is_wrong(estimate.answers, pieces, asking.error_limit, asking.angle_limit or np.inf)
    doubt, held = known.doubt(estimate), contained(known, estimate, pieces)
    columns = {f"{kind}_coverage": one for kind, one in held.items()}
    columns["radius"] = known.regions.size("disc", known.uncertainty(estimate))
    columns["asked_share"] = asked = asking.ask(doubt)
    for name, values in (("error", errors), ("wrong", wrong)):
        columns[f"{name}_of_all"] = values
        columns[f"{name}_of_answered"] = np.where(asked, np.nan, values)
    if known.confidence is not None:
        columns["chance"] = chances = 1 - doubt
    intervals = statistics.mean_intervals(columns, pictures, seed)
    if known.confidence is not None:
        intervals["ece"] = statistics.bootstrap_interval(
            lambda rows: statistics.chance_error(chances[rows], ~wrong[rows]), pictures, seed
        )
    fitted_on = dataclasses.asdict(known.fitted_on)
    fitted_on |= {"picture_ids": None, "num_pictures": len(fitted_on["picture_ids"])}
    return {
        "fitted_on": fitted_on,
        "nominal": known.regions.coverage,
        "target": f"{asking.target} {asking.target_rate:g}",
        "meets_floor": asking.meets_floor,
        "auroc": statistics.auroc(doubt, wrong),
        "intervals": intervals,
    }
