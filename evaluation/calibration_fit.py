"""Fits what `uncertainty.json` holds to samples that neither train nor test, and tests it.

docs/evaluation.md ("Calibration") has the formula, promise and source of each part.

Standard deviations get the factors that make them as large as the errors are: errors of twice the
std give the factor 2.

Regions hold the label with a stated chance, whatever the model is (split conformal prediction).
Each sample gets a score, how far the label lies from the answer; the region of a new answer is
everything up to the ceil((n + 1) * coverage)-th smallest of the n scores. The distances 0.01, 0.02,
..., 0.09 of nine midpoints give the 90 % radius 0.09 (rank 9 of nine); of eight midpoints no such
radius exists. Scores of adaptive regions are divided by (uncertainty or std + floor).

Where it is known which food is elongated, discs have a sector: the angle to the answer's axis, 0
where food has none, and angle / (axis spread + 5 degrees). Disc and sector then hold place and
direction TOGETHER with the chance: each gets the size of the same rank, the lowest one at which
enough of the n samples lie in both (to within 1 / n, since the rank is chosen by them).

The human is asked where doubt > threshold, by one of two targets:

query_rate: at most this share of plates is asked about: the conformal quantile at 1 - rate.
error_rate: of the answers that are acted on, at most this share is wrong. Twenty thresholds are
    tried, which keep 1/20, 2/20, ... of the split. For each, `statistics.upper_bound` says how high
    the error rate may be, with a twentieth of the allowed chance to be wrong (Bonferroni), so that
    choosing among them costs no confidence; the one that asks least is taken. After 40 error-free
    pictures, at the confidence 0.95, the bound is 1 - (0.05 / 20)^(1/40) = 0.139.

Samples of one picture are not independent, and those bounds need it: thresholds and bounds are made
of one sample of each picture, drawn by lot, and of chances fitted without the sample's own picture.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import typing
from collections.abc import Mapping

import numpy as np

from evaluation import calibration, metrics, statistics, uncertainty
from evaluation import samples as evaluation_samples
from evaluation.uncertainty import Estimate
from food_data import npz_dataset

ANGLE_LIMIT_DEG = 20.0
FLOOR = 0.01
# With more wrong ones among the answers that are acted on a calibration is of no use.
FLOOR_ERROR_RATE = 0.25
REGIONS = ("disc", "disc_adaptive", "box", "box_adaptive")
_ROUND = 1e-9
_CANDIDATES = 20
_NUM_FOLDS = 5
_NUM_RESAMPLES = 500


def fit(
    samples: evaluation_samples.Samples,
    estimate: Estimate,
    source: uncertainty.Source,
    *,
    weights_sha256: str,
    passes: str = "one",
    coverage: float = 0.9,
    target: str = "query_rate",
    target_rate: float = 0.2,
    error_limit: float = metrics.ERROR_LIMIT,
    angle_limit: float = ANGLE_LIMIT_DEG,
    confidence: float = 0.95,
    floor_error_rate: float = FLOOR_ERROR_RATE,
    seed: int = 0,
) -> calibration.UncertaintyCalibration:
    """Everything that `uncertainty.json` holds, of what a source says about samples that did not
    train. `calibration` says what the other arguments mean, where they are written; `seed` draws
    one sample of each picture for the threshold. Raises ValueError if a value is out of range or
    not finite, or there are too few samples for the promise; says how many are needed."""
    for name, value in (("target rate", target_rate), ("confidence", confidence)):
        if not 0 < value < 1:
            raise ValueError(f"{name}: expected 0 < {name} < 1, got {value}.")
    if not 0 <= floor_error_rate <= 1:
        raise ValueError(f"floor: expected a rate of 0 to 1, got {floor_error_rate}.")
    pieces, pictures = samples.pieces, samples.picture_ids
    error = pieces.nearest(estimate.answers) - np.asarray(estimate.answers, np.float64)
    scales = np.square(error / np.maximum(estimate.std, calibration.MIN_STD)).mean(axis=0) ** 0.5
    if not (scales > 0).all():
        raise ValueError(
            f"std_scale: expected errors, got none in coordinate {int(np.argmin(scales))}: no "
            "factor makes a std 0. Answers that equal their labels are not a model's."
        )
    known_limit = None if pieces.elongated is None else angle_limit
    errors = answer_errors(estimate.answers, pieces, error_limit, known_limit)
    right = errors <= error_limit
    regions = fit_regions(estimate, pieces, coverage)
    asking = choose_threshold(
        1 - _held_out_chances(estimate.inputs, right, pictures),
        errors,
        target,
        target_rate,
        pictures=pictures,
        error_limit=error_limit,
        angle_limit=known_limit,
        confidence=confidence,
        floor_error_rate=floor_error_rate,
        seed=seed,
    )
    return calibration.UncertaintyCalibration(
        format_version=calibration.FORMAT_VERSION,
        fitted_on=calibration.FittedOn(
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
        ),
        std_scale=tuple(scales.tolist()),
        min_std=calibration.MIN_STD,
        regions=regions,
        asking=asking,
        confidence=fit_confidence(estimate.inputs, right, error_limit, known_limit),
    )


def answer_errors(
    answers: np.ndarray,
    pieces: evaluation_samples.Pieces,
    error_limit: float,
    angle_limit: float | None,
) -> np.ndarray:
    """How far off answers [n, 4] are, place and direction in one number: the larger one of distance
    and angle * error_limit / angle_limit, so that right answers have at most `error_limit`; of the
    piece where that is smallest. With the limit None only places count."""
    answers = np.asarray(answers)[pieces.rows]
    errors = metrics.midpoint_distances(answers, pieces.labels)
    if angle_limit is not None:
        angle = axis_errors(answers, pieces) * (error_limit / angle_limit)
        errors = np.maximum(errors, angle)
    return pieces.smallest(errors)


def axis_errors(answers: np.ndarray, pieces: evaluation_samples.Pieces) -> np.ndarray:
    """Degrees between the axes of answers [P, 4] and pieces, 0..90; 0 where not elongated."""
    angles = metrics.error_columns(answers, pieces.labels)["angle_mae_mod180_deg"]
    return np.where(pieces.elongated, angles, 0.0)


def region_scores(estimate: Estimate, pieces: evaluation_samples.Pieces) -> dict[str, np.ndarray]:
    """{name of `REGIONS`: float64 [n]}: distances of midpoints and the largest errors of the four
    coordinates, as they are and adaptive; a region holds scores up to its size."""
    found = estimate.part(pieces.rows)
    error = np.abs(np.asarray(found.answers, np.float64) - pieces.labels)
    distance = metrics.midpoint_distances(found.answers, pieces.labels)
    scores = distance, distance / (found.score + FLOOR)
    scores += error.max(axis=1), (error / (found.std + FLOOR)).max(axis=1)
    return {name: pieces.smallest(values) for name, values in zip(REGIONS, scores)}


def fit_regions(
    estimate: Estimate,
    pieces: evaluation_samples.Pieces,
    coverage: float = 0.9,
) -> calibration.ConformalRegions:
    """Regions of a calibration split of n samples, with sectors if it is known what is elongated.
    Raises ValueError if n is too small for the coverage, or a value is NaN."""
    scores = region_scores(estimate, pieces)
    sizes = {name: conformal_quantile(scores[name], coverage) for name in REGIONS}
    if pieces.elongated is not None:
        found = estimate.part(pieces.rows)
        distances = metrics.midpoint_distances(found.answers, pieces.labels)
        angles = axis_errors(found.answers, pieces)
        spread = found.features["axis_spread"] + calibration.ANGLE_FLOOR_DEG
        adaptive_pair = distances / (found.score + FLOOR), angles / spread
        for kind, pair in (("", (distances, angles)), ("_adaptive", adaptive_pair)):
            ordered = [np.sort(one[pieces.nearest_rows(found.answers)]) for one in pair]
            ranks = [np.searchsorted(*both) for both in zip(ordered, pair)]
            rank = int(conformal_quantile(pieces.smallest(np.maximum(*ranks)), coverage))
            sizes[f"disc{kind}"], sizes[f"sector{kind}"] = (float(one[rank]) for one in ordered)
    return calibration.ConformalRegions(coverage=coverage, floor=FLOOR, adaptive=True, **sizes)


def conformal_quantile(scores: np.ndarray, coverage: float) -> float:
    """The ceil((n + 1) * coverage)-th smallest of n scores: a new exchangeable score is at most
    this with at least that chance. Raises ValueError if the coverage is out of range, a score is
    NaN, or n is too small: then only an infinite region would keep the promise."""
    if not 0 < coverage < 1:
        raise ValueError(f"coverage: expected 0 < coverage < 1, got {coverage}.")
    if np.isnan(scores).any():
        raise ValueError(f"expected scores, got NaN in {int(np.isnan(scores).sum())} samples.")
    rank = math.ceil((len(scores) + 1) * coverage - _ROUND)
    if rank > len(scores):
        needed = math.ceil(coverage / (1 - coverage) - _ROUND)
        raise ValueError(
            f"A coverage of {coverage:g} needs at least {needed} calibration samples, got "
            f"{len(scores)}. Use more of them or a lower coverage."
        )
    return float(np.partition(scores, rank - 1)[rank - 1])


def choose_threshold(
    doubt: np.ndarray,
    error: np.ndarray,
    target: str,
    rate: float,
    *,
    pictures: np.ndarray,
    error_limit: float = metrics.ERROR_LIMIT,
    angle_limit: float | None = None,
    confidence: float = 0.95,
    floor_error_rate: float = FLOOR_ERROR_RATE,
    seed: int = 0,
) -> calibration.AskHuman:
    """The threshold of n doubts with their `answer_errors`, see the module. Raises ValueError if
    there are too few pictures or too many errors to promise the rate."""
    drawn = statistics.one_of_each_picture(pictures, seed)
    wrong, number = error > error_limit, len(drawn)

    def bound_of(threshold: float, sure: float) -> float:
        kept = wrong[drawn][doubt[drawn] <= threshold]
        return statistics.upper_bound(int(kept.sum()), len(kept), sure)

    if target == "query_rate":
        needed = math.ceil(1 / rate - 1 - _ROUND)
        if number < needed:
            raise ValueError(
                f"A query rate of at most {rate:g} cannot be promised after {number} pictures: at "
                f"least {needed} are needed."
            )
        threshold = conformal_quantile(doubt[drawn], 1 - rate)
        bound = bound_of(threshold, confidence)
    else:
        # What lies strictly below the next doubt is, given that one, a sample of its own: so the
        # bound holds although the data chose the threshold.
        ordered, parts = np.sort(doubt[drawn]), range(_CANDIDATES - 1, 0, -1)
        limits = [np.nextafter(ordered[number * part // _CANDIDATES], -np.inf) for part in parts]
        each = 1 - (1 - confidence) / _CANDIDATES
        bounds = {float(limit): bound_of(limit, each) for limit in (np.inf, *limits)}
        kept = [limit for limit in bounds if bounds[limit] <= rate]
        if not kept:
            best = min(bounds, key=lambda limit: bounds[limit])
            raise ValueError(
                f"An error rate of at most {rate:g} cannot be promised with confidence "
                f"{confidence:g} after {number} pictures: the lowest bound is {bounds[best]:.3f}, "
                f"if {(doubt[drawn] > best).mean():.0%} are asked about. Use more calibration "
                "samples, a higher rate, or a query rate as target."
            )
        threshold, bound = kept[0], bounds[kept[0]]
    answered = doubt <= threshold
    error_rate = float(wrong[answered].mean()) if answered.any() else 0.0
    return calibration.AskHuman(
        threshold=None if np.isinf(threshold) else threshold,
        target=target,
        target_rate=rate,
        error_limit=error_limit,
        confidence=confidence,
        expected_query_rate=float(1 - answered.mean()),
        expected_error_rate=error_rate,
        error_rate_bound=bound,
        angle_limit=angle_limit,
        floor_error_rate=floor_error_rate,
        meets_floor=error_rate <= floor_error_rate,
    )


def fit_confidence(
    inputs: Mapping[str, np.ndarray],
    right: np.ndarray,
    error_limit: float,
    angle_limit: float | None,
) -> calibration.Confidence:
    """The logistic regression of the highest likelihood, less half the squared weights, so that few
    samples, or answers that are all right, make no certainty. Inputs [n] have to be finite."""
    bad = [name for name, column in inputs.items() if not np.isfinite(column).all()]
    if bad:
        raise ValueError(f"confidence: expected finite inputs, got others of {', '.join(bad)}.")
    values = np.stack([np.asarray(value, np.float64) for value in inputs.values()], axis=1)
    means, stds = values.mean(axis=0), values.std(axis=0)
    stds = np.where(stds > 1e-9, stds, 1.0)  # What is always the same says nothing.
    design = np.column_stack([(values - means) / stds, np.ones(len(values))])
    # Of the bias a little, without which answers that are all right would have no maximum.
    penalty = np.append(np.ones(len(inputs)), 0.01)
    weights = np.zeros(len(penalty))
    for _ in range(50):  # Newton's method; its step may overshoot where the curve is flat.
        chance = 0.5 * (1 + np.tanh(design @ weights / 2))
        gradient = design.T @ (right - chance) - penalty * weights
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        weights = weights + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-9:
            break
    *slopes, bias = weights.tolist()
    fitted = (tuple(means.tolist()), tuple(stds.tolist()), tuple(slopes), bias)
    return calibration.Confidence(tuple(inputs), *fitted, error_limit, angle_limit)


def _held_out_chances(
    inputs: Mapping[str, np.ndarray], right: np.ndarray, pictures: np.ndarray
) -> np.ndarray:
    """The chance of each sample by a regression without its picture, float64 [n]."""
    _, numbers = np.unique(pictures, return_inverse=True)
    folds, chances = numbers % min(_NUM_FOLDS, numbers.max() + 1), np.empty(len(right))
    for fold in np.unique(folds):
        part = folds == fold
        rest = ~part if (~part).any() else part  # One picture alone.
        fitted = fit_confidence({name: v[rest] for name, v in inputs.items()}, right[rest], 0, 0)
        chances[part] = fitted.chance({name: v[part] for name, v in inputs.items()})
    return chances


def figures(
    calibrated: calibration.UncertaintyCalibration,
    estimate: Estimate,
    samples: evaluation_samples.Samples,
    seed: int = 0,
) -> dict[str, typing.Any]:
    """What a calibration is worth on samples that it has not seen.

    Example: 90 % discs of 1,000 plates hold 906 midpoints: `disc_coverage` 0.906 with the interval
    [0.886, 0.924]. Asking about 19 % of the plates lowers the mean distance of the midpoints from
    0.03 to 0.02: `gain` 0.33. 'disc_coverage', 'box_coverage' and, where the calibration has
    sectors, 'both_coverage' (disc and sector together) have an interval; 'wrong_..' are shares
    whose place or direction is wrong; 'chance', None without one, has its 'mean', the share of
    'right' answers, the 'auroc' of doubt and the calibration error 'ece'.
    """
    regions, asking, pieces = calibrated.regions, calibrated.asking, samples.pieces
    answers, pictures = estimate.answers, samples.pictures
    fitted_on = dataclasses.asdict(calibrated.fitted_on)
    fitted_on |= {"picture_ids": None, "num_pictures": len(fitted_on["picture_ids"])}
    radii = regions.disc_radius(calibrated.uncertainty(estimate))
    distances = metrics.midpoint_distances(answers, pieces.nearest(answers))
    found = estimate.part(pieces.rows)
    errors = np.abs(np.asarray(found.answers, np.float64) - pieces.labels)
    in_box = (errors <= regions.box_half_widths(found.std)).all(axis=1)
    held = {"disc": distances <= radii, "box": ~pieces.smallest(~in_box)}
    if regions.sector is not None and pieces.elongated is not None:
        half_angles = regions.sector_half_angle(found.features["axis_spread"])
        outside = axis_errors(found.answers, pieces) > half_angles
        outside |= metrics.midpoint_distances(found.answers, pieces.labels) > radii[pieces.rows]
        held["both"] = ~pieces.smallest(outside)
    coverages = {f"{kind}_coverage": one.astype(float) for kind, one in held.items()}
    angle_limit = None if pieces.elongated is None else asking.angle_limit
    wrong = answer_errors(answers, pieces, asking.error_limit, angle_limit) > asking.error_limit
    asked = asking.ask(calibrated.doubt(estimate))
    of_all, rest, wrong_rest = float(distances.mean()), None, None
    if not asked.all():
        rest, wrong_rest = (float(one[~asked].mean()) for one in (distances, wrong))
    chance = None
    if calibrated.confidence is not None:
        chances = calibrated.confidence.chance(estimate.inputs)

        def ece(rows: np.ndarray) -> float:
            return statistics.chance_error(chances[rows], ~wrong[rows])

        low, high = statistics.bootstrap_interval(ece, pictures, _NUM_RESAMPLES, seed)
        everything = ece(np.arange(len(wrong)))
        chance = {
            "mean": float(chances.mean()),
            "right": float((~wrong).mean()),
            "auroc": statistics.auroc(1 - chances, wrong),
            "ece": {"mean": everything, "low": low, "high": high, "n": len(wrong)},
        }
    return {
        "fitted_on": fitted_on,
        "nominal": regions.coverage,
        "median_radius": float(np.median(radii)),
        "asked_share": float(asked.mean()),
        "meets_floor": asking.meets_floor,
        "target": f"{asking.target} {asking.target_rate:g}",
        "num_pieces": len(pieces.rows),
        **statistics.mean_intervals(coverages, pictures, seed),
        "chance": chance,
        "error_of_all": of_all,
        "error_of_answered": rest,
        "gain": None if rest is None or of_all == 0 else 1 - rest / of_all,
        "wrong_of_all": float(wrong.mean()),
        "wrong_of_answered": wrong_rest,
    }
