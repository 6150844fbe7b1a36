"""An evaluation from answers to the document that is printed, written and drawn.

`run` asks one batch of pictures at a time and gives a dictionary of JSON types (but for the
pictures of the examples), in which numbers that are not known are None:

| key         | holds                                                                              |
|-------------|------------------------------------------------------------------------------------|
| metrics     | label, unit and better side of the columns that tables show                        |
| errors      | of each kind of answer: {column: {'mean', 'low', 'high', 'n'}}, 95 % intervals     |
| groups      | the model's, by action, food and folder                                            |
| comparison  | with another checkpoint, or None                                                   |
| uncertainty | a row for each source and score, and one with calibrated standard deviations       |
| curves      | risk-coverage and reliability of each source                                       |
| calibration | what uncertainty.json is worth here, or None                                       |
| coverage_splits | coverage after calibrating on random parts of these samples, or None           |
| shifts      | plates unlike training                                                             |
| examples    | the best, the worst and the most uncertain samples, to draw                        |
| throughput  | pictures per second, memory                                                        |

Example of errors: the model's `centroid_mae` on four samples of two pictures, 0.01 and 0.03, 0.05
and 0.07: {"mean": 0.04, "low": 0.02, "high": 0.06, "n": 4}.

One source is the default: the first one that the checkpoint was calibrated with, or else the first.
It alone is asked about shifts, tested with the calibration, and shown in the examples.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import resource
import sys
import time
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from evaluation import (
    baselines,
    calibration,
    calibration_fit,
    metrics,
    plain_json,
    shifts,
    statistics,
    uncertainty_metrics,
    uncertainty_sources,
)
from evaluation.samples import Samples, calibration_split
from evaluation.uncertainty import Estimate

if typing.TYPE_CHECKING:
    import agent_wrapper

FORMAT_VERSION = 1
_LENGTHS = {
    "centroid_mae": "midpoint, mean over x and y",
    "bbox_mae": "coordinates",
    "centroid_error": "midpoint, distance",
    "start_error": "start point, distance",
    "end_error": "end point, distance",
}
_UNITS = {"": "share of the picture", "_px": "px", "_mm": "mm"}
_SHOWN = {
    **{f"{name}{end}": (text, unit, "low")
       for end, unit in _UNITS.items() for name, text in _LENGTHS.items()},
    "angle_mae_mod180_deg": ("angle, reversed is the same", "degrees", "low"),
    "elongated_angle_mae_mod180_deg": ("the same, of long food", "degrees", "low"),
    "hit_rate": ("midpoint on the food", "share", "high"),
    "nearest_item_rate": ("nearest to the right food", "share", "high"),
    "nearest_item_chance": ("the same by chance", "share", "high"),
}  # fmt: skip
_POINTS = 101
_NUM_RESAMPLES = 500

Columns = Mapping[str, np.ndarray]


def run(
    samples: Samples,
    agent: agent_wrapper.Agent,
    *,
    frames: uncertainty_sources.Frames | None = None,
    sources: Sequence[uncertainty_sources.Source] = (),
    calibrated: calibration.UncertaintyCalibration | None = None,
    other: tuple[str, agent_wrapper.Agent, uncertainty_sources.Frames | None] | None = None,
    mm_per_px: float | None = None,
    seed: int = 0,
    batch_size: int = 32,
    coverage_splits: int = 0,
    shift_samples: int = 0,
    num_examples: int = 0,
    progress: Callable[[Iterable], Iterable] = iter,
) -> dict[str, typing.Any]:
    """Asks and measures.

    Args:
        samples: that are asked about.
        agent: the model.
        frames: of its passes; None: one pass.
        sources: of uncertainty.
        calibrated: of the checkpoint; None: it has none.
        other: name, model and frames to compare it with.
        mm_per_px: how many millimetres a pixel of the model's picture shows; None: unknown.
        seed: of all that is drawn.
        batch_size: pictures in one pass.
        coverage_splits: how many random splits; 0: none.
        shift_samples: pictures for each shift; 0: none is tried.
        num_examples: of each kind; 0: none.
        progress: wraps the batches, for a progress bar.

    Returns:
        The module's document.

    Raises:
        ValueError: if pictures that calibrated are asked about, or settings are out of range.
    """
    if calibrated is not None:
        calibrated.check_unseen(samples.picture_ids)
    meter = _Meter(progress)

    def ask(
        source: uncertainty_sources.Source,
        which: Samples = samples,
        frames: uncertainty_sources.Frames | None = frames,
        **how: object,
    ) -> Estimate:
        return uncertainty_sources.collect(
            source,
            which.dataset,
            which.indices,
            batch_size=batch_size,
            seed=seed,
            frames=frames,
            progress=functools.partial(meter.batches, len(which)),
            **how,
        )

    plain = uncertainty_sources.PlainAnswers(agent)
    answers = {"model": ask(plain).answers}
    if samples.dataset.sources is not None:
        swapped = baselines.swapped_instructions(samples, seed)
        answers["model, instruction swapped"] = ask(plain, instructions=swapped).answers
    answers |= baselines.baseline_answers(samples)
    if other is not None:
        name, other_agent, other_frames = other
        other_plain = uncertainty_sources.PlainAnswers(other_agent)
        answers[f"compared: {name}"] = ask(other_plain, frames=other_frames).answers
    columns = {kind: columns_of(one, samples, mm_per_px) for kind, one in answers.items()}
    own, labels = columns["model"], samples.labels
    document = {
        "format_version": FORMAT_VERSION,
        "metrics": {
            name: dict(zip(("label", "unit", "better"), _SHOWN[name])) for name in _shown(own)
        },
        "errors": {kind: _intervals(one, samples.pictures, seed) for kind, one in columns.items()},
        "groups": groups(own, samples, seed),
        "comparison": None,
        "uncertainty": [],
        "curves": [],
        "calibration": None,
        "coverage_splits": None,
        "shifts": [],
    }
    if other is not None:
        compared = comparison(own, columns[f"compared: {name}"], samples.pictures, seed)
        document["comparison"] = {"other": name, "columns": compared}
    estimates = [ask(source) for source in sources]
    fits = [calibrated is not None and one.is_of(calibrated.fitted_on) for one in sources]
    default = fits.index(True) if any(fits) else 0
    costs = _costs([plain, *sources], samples, batch_size, seed) if sources else []
    for number, (source, estimate, fit) in enumerate(zip(sources, estimates, fits)):
        std = [(source.label, np.maximum(estimate.std, calibration.MIN_STD))]
        if fit:
            std.append((f"{source.label}, calibrated", calibrated.calibrated_std(estimate.std)))
        row = {"source": source.name, "settings": dict(source.settings)}
        row |= {"ms_per_image": costs[number + 1], "relative_cost": costs[number + 1] / costs[0]}
        for made in _rows(estimate, std, labels):
            first = number == default and made["label"] == source.label
            first = first and made["score"] == next(iter(estimate.scores))
            document["uncertainty"].append({**made, **row, "is_default": first})
        document["curves"].append({"label": source.label, **_curves(estimate, std[-1][1], labels)})
    found = None
    if sources:
        estimate, known = estimates[default], calibrated if any(fits) else None
        found, doubt = estimate, (lambda one: one.score) if known is None else known.doubt
        if known is not None:
            document["calibration"] = calibration_figures(known, estimate, samples, seed)
        if coverage_splits:
            document["coverage_splits"] = coverage_over_splits(
                estimate, samples, coverage_splits, seed
            )
        if shift_samples:
            document["shifts"] = shifts.shift_rows(
                functools.partial(ask, sources[default]),
                doubt,
                samples,
                doubt(estimate),
                threshold=None if known is None else known.asking.threshold,
                max_samples=shift_samples,
                seed=seed,
            )
    document["throughput"] = meter.figures()
    return plain_json.plain(document) | {
        "examples": _examples(
            samples, answers["model"], found, calibrated if any(fits) else None, num_examples
        )
    }


def columns_of(
    answers: np.ndarray, samples: Samples, mm_per_px: float | None = None
) -> dict[str, np.ndarray]:
    """The errors of answers float [n, 4] to samples: {column: float64 [n]}, NaN where unknown."""
    columns = metrics.error_columns(answers, samples.labels, mm_per_px)
    if samples.dataset.masks is not None:
        columns |= metrics.midpoint_hits(
            answers,
            samples.dataset.masks,
            samples.names("sources"),
            samples.names("food_types"),
            samples.indices,
        )
        for name in ("angle_mae_deg", "angle_mae_mod180_deg"):
            columns[f"elongated_{name}"] = np.where(samples.elongated, columns[name], np.nan)
    return columns


def _shown(columns: Columns) -> list[str]:
    """Of the columns that tables show, those of which something is known."""
    return [name for name in _SHOWN if name in columns and not np.isnan(columns[name]).all()]


def _intervals(columns: Columns, pictures: np.ndarray, seed: int) -> dict[str, dict]:
    found = statistics.mean_intervals(columns, pictures, seed)
    return {name: dataclasses.asdict(one) for name, one in found.items()}


def groups(columns: Columns, samples: Samples, seed: int = 0) -> dict[str, dict[str, dict]]:
    """The shown columns by action, by food, and by folder of the pictures, where they are named:
    {'action', 'food', 'source': {name: {'n': number of samples, column: interval}}}."""
    shown, found = {name: columns[name] for name in _shown(columns)}, {}
    for kind, array in (("action", "action_names"), ("food", "food_types"), ("source", "sources")):
        names = samples.names(array)
        if names is not None:
            if kind == "source":
                names = np.array([name.rpartition("/")[0] or "." for name in names])
            found[kind] = {
                str(name): {"n": len(rows)}
                | _intervals({c: v[rows] for c, v in shown.items()}, samples.pictures[rows], seed)
                for name, rows in metrics.groups(names)
            }
    return found


def comparison(
    first: Columns, second: Columns, pictures: np.ndarray, seed: int = 0
) -> dict[str, dict[str, float]]:
    """First minus second: {column that tables show: {'difference', 'low', 'high', 'p_value'}}."""
    found = {}
    for name in _shown(first):
        interval, p_value = statistics.compare(first[name], second[name], pictures, seed)
        found[name] = {"difference": interval.mean, "low": interval.low, "high": interval.high}
        found[name]["p_value"] = p_value
    return found


def _rows(
    estimate: Estimate, std: Sequence[tuple[str, np.ndarray]], labels: np.ndarray
) -> Iterator[dict[str, typing.Any]]:
    """One for each score with the first std; the first score again with each other std."""
    distances = metrics.midpoint_distances(estimate.answers, labels)
    for number, (label, deviations) in enumerate(std):
        spread = uncertainty_metrics.spread_figures(estimate.answers, deviations, labels)
        for score, values in list(estimate.scores.items())[: None if number == 0 else 1]:
            figures = uncertainty_metrics.ranking_figures(values, distances) | spread
            yield {"label": label, "score": score, "figures": figures}


def _curves(estimate: Estimate, std: np.ndarray, labels: np.ndarray) -> dict[str, typing.Any]:
    """'coverage', 'error', 'oracle' (at most 101 points), 'random', the error whatever is asked,
    and 'expected' and 'observed' shares of labels below predicted quantiles."""
    distances = metrics.midpoint_distances(estimate.answers, labels)
    curves = uncertainty_metrics.rejection_curve(estimate.score, distances)
    number = min(len(labels), _POINTS)
    chosen = np.unique(np.linspace(0, len(labels) - 1, number).round().astype(int))
    expected, observed = uncertainty_metrics.reliability_curve(estimate.answers, std, labels)
    return {
        **{name: one[chosen] for name, one in zip(("coverage", "error", "oracle"), curves)},
        "random": curves[1][0],
        "expected": expected,
        "observed": observed.mean(axis=-1),
    }


def calibration_figures(
    calibrated: calibration.UncertaintyCalibration,
    estimate: Estimate,
    samples: Samples,
    seed: int = 0,
) -> dict[str, typing.Any]:
    """What a calibration is worth on samples that it has not seen.

    Example: 90 % discs of 1,000 plates hold 906 midpoints: `disc_coverage` 0.906 with the interval
    [0.886, 0.924]. Asking about 19 % of the plates lowers the mean distance of the midpoints from
    0.03 to 0.02: `gain` 0.33.

    Returns:
        'fitted_on' (without the pictures' ids), 'nominal', 'disc_coverage', 'box_coverage' and,
        where the calibration has sectors, 'both_coverage' (disc and sector together),
        'median_radius', 'asked_share', 'error_of_all', 'error_of_answered', 'gain', 'wrong_of_all',
        'wrong_of_answered' (shares whose place or direction is wrong), 'target', and 'chance', None
        without one: 'mean' of it, share of 'right' answers, 'auroc' of doubt, 'ece'.
    """
    regions, asking, labels = calibrated.regions, calibrated.asking, samples.labels
    radii = regions.disc_radius(calibrated.uncertainty(estimate))
    distances = metrics.midpoint_distances(estimate.answers, labels)
    errors = np.abs(np.asarray(estimate.answers, np.float64) - labels)
    held = {
        "disc": distances <= radii,
        "box": (errors <= regions.box_half_widths(estimate.std)).all(axis=1),
    }
    elongated = samples.elongated
    if regions.sector is not None and elongated is not None:
        angles = calibration_fit.axis_errors(estimate.answers, labels, elongated)
        half_angles = regions.sector_half_angle(estimate.features["axis_spread"])
        held["both"] = held["disc"] & (angles <= half_angles)
    judged = None if asking.angle_limit is None else elongated
    wrong = asking.error_limit < calibration_fit.answer_errors(
        estimate.answers, labels, judged, asking.error_limit, asking.angle_limit
    )
    answered = ~asking.ask(calibrated.doubt(estimate))
    error_of_all, rest, wrong_rest = float(distances.mean()), None, None
    if answered.any():
        rest, wrong_rest = float(distances[answered].mean()), float(wrong[answered].mean())
    fitted_on = dataclasses.asdict(calibrated.fitted_on)
    coverages = {f"{kind}_coverage": one.astype(float) for kind, one in held.items()}
    found = {
        "fitted_on": fitted_on
        | {"picture_ids": None, "num_pictures": len(fitted_on["picture_ids"])},
        "nominal": regions.coverage,
        **_intervals(coverages, samples.pictures, seed),
        "median_radius": float(np.median(radii)),
        "asked_share": float(1 - answered.mean()),
        "target": f"{asking.target} {asking.target_rate:g}",
        "chance": None,
        "error_of_all": error_of_all,
        "error_of_answered": rest,
        "gain": None if rest is None or error_of_all == 0 else 1 - rest / error_of_all,
        "wrong_of_all": float(wrong.mean()),
        "wrong_of_answered": wrong_rest,
    }
    if calibrated.confidence is not None:
        chance = calibrated.confidence.chance(estimate.inputs)
        rows = [one for _, one in metrics.groups(samples.pictures)]
        rng, drawn = np.random.default_rng(seed), []
        for _ in range(_NUM_RESAMPLES):
            some = np.concatenate([rows[one] for one in rng.integers(0, len(rows), len(rows))])
            drawn.append(uncertainty_metrics.chance_error(chance[some], ~wrong[some]))
        low, high = np.quantile(drawn, [0.025, 0.975])
        ece = uncertainty_metrics.chance_error(chance, ~wrong)
        found["chance"] = {
            "mean": float(chance.mean()),
            "right": float((~wrong).mean()),
            "auroc": statistics.auroc(1 - chance, wrong),
            "ece": {"mean": ece, "low": low, "high": high, "n": len(wrong)},
        }
    return plain_json.plain(found)


def coverage_over_splits(
    estimate: Estimate, samples: Samples, num_splits: int, seed: int = 0
) -> dict[str, typing.Any]:
    """Coverage of 90 % regions fitted to one half of the pictures on the other, of random halves.

    'num_splits', 'fraction', 'nominal', and for each of `calibration_fit.REGIONS` 'mean', 'low',
    'high' (of the splits) and 'each', a list. Raises ValueError if a half is too small.
    """
    shares: dict[str, list[float]] = {name: [] for name in calibration_fit.REGIONS}
    for number in range(num_splits):
        fitting, testing = calibration_split(samples, 0.5, seed + number)
        regions = calibration_fit.fit_regions(estimate.part(fitting), samples.labels[fitting])
        scores = calibration_fit.region_scores(estimate.part(testing), samples.labels[testing])
        for name, values in scores.items():
            shares[name].append(float((values <= getattr(regions, name)).mean()))
    return {"num_splits": num_splits, "fraction": 0.5, "nominal": 0.9} | {
        name: {"mean": float(np.mean(each)), "low": min(each), "high": max(each), "each": each}
        for name, each in shares.items()
    }


def _examples(
    samples: Samples,
    answers: np.ndarray,
    found: Estimate | None,
    calibrated: calibration.UncertaintyCalibration | None,
    number: int,
) -> dict[str, list[dict[str, typing.Any]]]:
    """{'best', 'worst', 'most_uncertain'}: so many samples each, with their pictures."""
    answers, dataset = answers if found is None else found.answers, samples.dataset
    distances = metrics.midpoint_distances(answers, samples.labels)
    order = np.argsort(distances, kind="stable")
    chosen = {"best": order, "worst": order[::-1], "most_uncertain": order[:0]}
    if found is not None:
        chosen["most_uncertain"] = np.argsort(-found.score, kind="stable")
    actions, foods, pictures = map(samples.names, ("action_names", "food_types", "sources"))

    def example(row: int) -> dict[str, typing.Any]:
        index = samples.indices[row]
        said = None if calibrated is None else calibrated.apply(found, row)
        return {
            "image": np.array(dataset.images[index]),
            "action": "" if actions is None else str(actions[row]),
            "food": "" if foods is None else str(foods[row]),
            "predicted": np.asarray(answers[row], np.float64).tolist(),
            "labelled": np.asarray(samples.labels[row], np.float64).tolist(),
            "centroid_distance": float(distances[row]),
            "uncertainty": None if found is None else float(found.score[row]),
            "asked": None if said is None else said.ask_human,
            "radius": None if said is None else said.radius,
            "picture": f"sample {index}" if pictures is None else str(pictures[row]),
        }

    return {kind: [example(int(row)) for row in rows[:number]] for kind, rows in chosen.items()}


def _costs(
    sources: Sequence[uncertainty_sources.Source], samples: Samples, batch_size: int, seed: int
) -> list[float]:
    """Milliseconds for a picture of each source, of one batch.

    Each is called once to trace it, then all in turn, three times; the shortest time counts, so
    that what else the machine does at one time or another makes none look cheap.
    """
    rows = samples.indices[:batch_size]
    batch = samples.dataset.images[rows], np.asarray(samples.dataset.embeddings[rows]), seed
    times = []
    for _ in range(4):
        for source in sources:
            before = time.perf_counter()
            source(*batch)
            times.append(time.perf_counter() - before)
    shortest = np.reshape(times, (4, -1))[1:].min(axis=0)
    return (1000 * shortest / len(rows)).tolist()


class _Meter:
    """Counts pictures, time and memory of loops over batches.

    Memory is what the process holds for itself, looked at after each batch. On Linux the pages of a
    mapped data set are not in it, which belong to the system's cache and grow with the file; on
    other systems it is the highest resident size, with them.
    """

    def __init__(self, progress: Callable[[Iterable], Iterable]) -> None:
        self._progress, self._num_images, self._seconds = progress, 0, 0.0
        self._peak_mb = _memory_mb()

    def batches(self, num_images: int, starts: Iterable) -> Iterator:
        before = time.perf_counter()
        for start in self._progress(starts):
            yield start
            self._peak_mb = max(self._peak_mb, _memory_mb())
        self._seconds += time.perf_counter() - before
        self._num_images += num_images

    def figures(self) -> dict[str, float | int]:
        speed = self._num_images / self._seconds if self._seconds else 0.0
        return {
            "images_per_s": speed,
            "num_images": self._num_images,
            "peak_rss_mb": self._peak_mb,
        }


def _memory_mb() -> float:
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
