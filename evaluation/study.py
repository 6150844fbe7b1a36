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

One source is the default: the first one that the checkpoint was calibrated with, or else the first.
It alone is asked about shifts, tested with the calibration, and shown in the examples.

Where a picture has several equal pieces of the asked food, figures of uncertainty, calibration and
`right_rate` are of the nearest or any right one; rows that say "labelled piece" are of that alone,
and so are the other errors, which are of labels.
"""

from __future__ import annotations

import resource
import sys
import time
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence

import cv2
import numpy as np

from evaluation import (
    baselines,
    calibration,
    calibration_fit,
    metrics,
    report,
    statistics,
    uncertainty_metrics,
    uncertainty_sources,
)
from evaluation.samples import Samples
from evaluation.uncertainty import Estimate

if typing.TYPE_CHECKING:
    import agent_wrapper

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
    "right_rate": ("place and direction right, of any equal piece", "share", "high"),
    "labelled_right_rate": ("the same, of the labelled piece alone", "share", "high"),
    "hit_rate": ("midpoint on the food", "share", "high"),
    "nearest_item_rate": ("nearest to the right food", "share", "high"),
    "nearest_item_chance": ("the same by chance", "share", "high"),
}  # fmt: skip
_CURVE_POINTS = 101

# (uint8 [B, H, W, 3], a generator) -> uint8 of the same shape.
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def _hue(degrees: int) -> Change:
    def turned(image: np.ndarray) -> np.ndarray:
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        # OpenCV's bytes hold half the angle.
        hsv[..., 0] = (hsv[..., 0].astype(np.int32) + degrees // 2) % 180
        return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)

    return lambda images, rng: np.stack([turned(image) for image in images])


def _gamma(exponent: float) -> Change:
    table = np.rint(255.0 * (np.arange(256) / 255.0) ** exponent).astype(np.uint8)
    return lambda images, rng: table[images]


def _grain(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    grain = 25.5 * rng.standard_normal(images.shape, np.float32)
    return np.clip(np.rint(images + grain), 0, 255).astype(np.uint8)


# Plates unlike those of training: no plate at all, another camera.
SHIFTS: dict[str, Change] = {
    "blank": lambda images, rng: np.broadcast_to(
        rng.integers(0, 256, (len(images), 1, 1, 3), np.uint8), images.shape
    ).copy(),
    "noise": lambda images, rng: rng.integers(0, 256, images.shape, np.uint8),
    "hue_40": _hue(40),  # a camera without white balance
    "hue_120": _hue(120),
    "gamma_half": _gamma(0.5),  # 64 becomes 128: too bright
    "gamma_two": _gamma(2.0),  # 128 becomes 64: too dark
    "blur": lambda images, rng: np.stack([cv2.GaussianBlur(one, (0, 0), 4.0) for one in images]),
    "grain": _grain,  # 10 % of the range on every value
    "negative": lambda images, rng: 255 - images,
}


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
    instructions: Mapping[tuple[str, str], np.ndarray] | None = None,
    num_examples: int = 0,
) -> dict[str, typing.Any]:
    """Asks `agent` about the samples, looking at them through `frames` (None: one pass), and
    measures. Returns the module's document.

    `sources` are of uncertainty, `calibrated` is the checkpoint's calibration, `other` is the name,
    model and frames to compare with. Of `coverage_splits`, `shift_samples` and `num_examples` 0
    leaves that part out. `instructions` {(action, food): embedding [512]} are those that the model
    knows.

    Raises:
        ValueError: if pictures that calibrated are asked about, or settings are out of range.
    """
    if calibrated is not None:
        calibrated.check_unseen(samples.picture_ids)
    num_images, seconds = 0, 0.0

    def ask(
        source: uncertainty_sources.Source,
        which: Samples = samples,
        frames: uncertainty_sources.Frames | None = frames,
        **how: object,
    ) -> Estimate:
        nonlocal num_images, seconds
        before = time.perf_counter()
        settings = {"batch_size": batch_size, "seed": seed, "frames": frames}
        found = uncertainty_sources.collect(source, which, **settings, **how)
        num_images, seconds = num_images + len(which), seconds + time.perf_counter() - before
        return found

    plain = uncertainty_sources.PlainAnswers(agent)
    answers = {"model": ask(plain).answers}
    if samples.dataset.sources is not None:
        swapped = samples.dataset.embeddings[baselines.swapped_instructions(samples, seed)]
        answers["model, instruction swapped"] = ask(plain, embeddings=swapped).answers
    answers |= baselines.baseline_answers(samples)
    if other is not None:
        name, model, its_frames = other
        theirs = ask(uncertainty_sources.PlainAnswers(model), frames=its_frames)
        answers[f"compared: {name}"] = theirs.answers
    columns = {kind: columns_of(one, samples, mm_per_px) for kind, one in answers.items()}
    own, pictures = columns["model"], samples.pictures
    shown = [name for name in _SHOWN if name in own and not np.isnan(own[name]).all()]
    compared = None
    if other is not None:
        theirs = columns[f"compared: {name}"]
        differences = {n: statistics.compare(own[n], theirs[n], pictures, seed) for n in shown}
        compared = {"other": name, "columns": differences}
    estimates = [ask(source) for source in sources]
    fits = [calibrated is not None and one.is_of(calibrated.fitted_on) for one in sources]
    number = fits.index(True) if any(fits) else 0
    known, default = calibrated if any(fits) else None, estimates[number] if sources else None
    found = {
        "format_version": 1,
        "metrics": {name: dict(zip(("label", "unit", "better"), _SHOWN[name])) for name in shown},
        "errors": {
            kind: statistics.mean_intervals(one, pictures, seed) for kind, one in columns.items()
        },
        "groups": _group_figures({name: own[name] for name in shown}, samples, seed),
        "comparison": compared,
        "uncertainty": [],
        "curves": [],
        "calibration": known and calibration_fit.figures(known, default, samples, seed),
        "coverage_splits": None,
        "shifts": [],
    }
    plain_cost, *costs = _costs([plain, *sources], samples, batch_size, seed) if sources else [0]
    for source, estimate, cost in zip(sources, estimates, costs):
        std = {source.label: np.maximum(estimate.std, calibration.MIN_STD)}
        if known is not None and source.is_of(known.fitted_on):
            std[f"{source.label}, calibrated"] = known.calibrated_std(estimate.std)
        labels = samples.pieces.nearest(estimate.answers)
        rows = [*_rows(estimate, std, labels)]
        rows[0]["is_default"] = estimate is default
        if len(samples.pieces.rows) > len(samples):
            alone = {f"{source.label}, labelled piece": std[source.label]}
            rows += _rows(estimate, alone, samples.labels)
        about = {"source": source.name, "settings": dict(source.settings)}
        about |= {"ms_per_image": cost, "relative_cost": cost / plain_cost}
        found["uncertainty"] += [row | about for row in rows]
        curves = _curves(estimate, [*std.values()][-1], labels)
        found["curves"].append({"label": source.label, **curves})
    if sources and coverage_splits:
        found["coverage_splits"] = calibration_fit.coverage_over_splits(
            default, samples, coverage_splits, seed
        )
    if sources and shift_samples:
        doubt = (lambda one: one.score) if known is None else known.doubt
        found["shifts"] = shift_rows(
            lambda which, **how: doubt(ask(sources[number], which, **how)),
            samples,
            doubt(default),
            instructions or {},
            threshold=None if known is None else known.asking.threshold,
            max_samples=shift_samples,
            seed=seed,
        )
    # With the pages of a mapped data set, which belong to the system's cache.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found["throughput"] = {
        "images_per_s": num_images / seconds if seconds else 0.0,
        "num_images": num_images,
        "peak_rss_mb": peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6,
    }
    examples = _examples(samples, answers["model"], default, known, num_examples)
    return report.plain(found) | {"examples": examples}


def columns_of(
    answers: np.ndarray, samples: Samples, mm_per_px: float | None = None
) -> dict[str, np.ndarray]:
    """The errors of answers float [n, 4] to samples: {column: float64 [n]}, NaN where unknown."""
    columns = metrics.error_columns(answers, samples.labels, mm_per_px)
    both = {"right_rate": samples.pieces, "labelled_right_rate": samples.labelled_pieces}
    for name, pieces in both.items():
        limit = None if pieces.elongated is None else calibration_fit.ANGLE_LIMIT_DEG
        errors = calibration_fit.answer_errors(answers, pieces, metrics.ERROR_LIMIT, limit)
        columns[name] = (errors <= metrics.ERROR_LIMIT).astype(np.float64)
    if samples.dataset.masks is not None:
        names = samples.names("sources"), samples.names("food_types")
        columns |= metrics.midpoint_hits(answers, samples.dataset.masks, *names, samples.indices)
        for name in ("angle_mae_deg", "angle_mae_mod180_deg"):
            columns[f"elongated_{name}"] = np.where(samples.elongated, columns[name], np.nan)
    return columns


def _group_figures(
    columns: Mapping[str, np.ndarray], samples: Samples, seed: int
) -> dict[str, dict[str, dict[str, typing.Any]]]:
    """Means of the columns by action, food and the folder of the source, with their intervals."""
    found: dict[str, dict[str, dict[str, typing.Any]]] = {}
    for kind, array in (("action", "action_names"), ("food", "food_types"), ("source", "sources")):
        names = samples.names(array)
        if names is None:
            continue
        if kind == "source":
            names = np.array([name.rpartition("/")[0] or "." for name in names])
        found[kind] = {}
        for name, rows in metrics.groups(names):
            part = {column: values[rows] for column, values in columns.items()}
            means = statistics.mean_intervals(part, samples.pictures[rows], seed)
            found[kind][str(name)] = {"n": len(rows), **means}
    return found


def shift_rows(
    doubt: Callable[..., np.ndarray],
    samples: Samples,
    ordinary: np.ndarray,
    instructions: Mapping[tuple[str, str], np.ndarray],
    *,
    threshold: float | None = None,
    max_samples: int = 500,
    seed: int = 0,
) -> list[dict[str, object]]:
    """How the doubts about shifted plates compare with `ordinary`, those about samples as they are.

    `doubt` says them of samples with other `embeddings` or a `change` of the pictures; of more than
    `max_samples` so many are drawn. "wrong food" asks for one of the `instructions`, by lot, whose
    food is not on the plate. Rows: 'name', 'auroc', 'asked_share' (above `threshold`; None without
    one), 'mean_uncertainty', 'n'; first the ordinary ones (AUROC None). Example: of noise pictures
    98 % are more doubtful than an ordinary plate: {"name": "noise", "auroc": 0.98, ...}.
    """
    size = min(max_samples, len(samples))
    rows = np.sort(np.random.default_rng(seed).choice(len(samples), size, replace=False))
    chosen, found = samples.part(rows), {"ordinary": ordinary}
    for name, change in SHIFTS.items():
        found[name] = doubt(chosen, change=change)
    rows, embeddings = baselines.absent_foods(chosen, instructions, seed)
    if len(rows):
        found["wrong food"] = doubt(chosen.part(rows), embeddings=embeddings)
    made = []
    for name, scores in found.items():
        both = np.concatenate([ordinary, scores]), np.repeat([0, 1], [len(ordinary), len(scores)])
        row = {"name": name, "auroc": None if name == "ordinary" else statistics.auroc(*both)}
        row["asked_share"] = None if threshold is None else float((scores > threshold).mean())
        made.append({**row, "mean_uncertainty": float(scores.mean()), "n": len(scores)})
    return made


def _rows(
    estimate: Estimate, std: Mapping[str, np.ndarray], labels: np.ndarray
) -> Iterator[dict[str, typing.Any]]:
    """One for each score with the first std; the first score again with each other std."""
    distances = metrics.midpoint_distances(estimate.answers, labels)
    for number, (label, deviations) in enumerate(std.items()):
        spread = uncertainty_metrics.spread_figures(estimate.answers, deviations, labels)
        for score, values in list(estimate.scores.items())[: None if number == 0 else 1]:
            figures = uncertainty_metrics.ranking_figures(values, distances) | spread
            yield {"is_default": False, "label": label, "score": score, "figures": figures}


def _curves(estimate: Estimate, std: np.ndarray, labels: np.ndarray) -> dict[str, typing.Any]:
    """'coverage', 'error', 'oracle' (at most 101 points), 'random', the error whatever is asked,
    and 'expected' and 'observed' shares of labels below predicted quantiles."""
    distances = metrics.midpoint_distances(estimate.answers, labels)
    curves = uncertainty_metrics.rejection_curve(estimate.score, distances)
    number = min(len(labels), _CURVE_POINTS)
    chosen = np.unique(np.linspace(0, len(labels) - 1, number).round().astype(int))
    expected, observed = uncertainty_metrics.reliability_curve(estimate.answers, std, labels)
    return {
        **{name: one[chosen] for name, one in zip(("coverage", "error", "oracle"), curves)},
        "random": curves[1][0],
        "expected": expected,
        "observed": observed.mean(axis=-1),
    }


def _examples(
    samples: Samples,
    answers: np.ndarray,
    found: Estimate | None,
    calibrated: calibration.UncertaintyCalibration | None,
    number: int,
) -> dict[str, list[dict[str, typing.Any]]]:
    """{'best', 'worst', 'most_uncertain'}: so many samples each, with their pictures."""
    answers = answers if found is None else found.answers
    labels = samples.pieces.nearest(answers)
    distances = metrics.midpoint_distances(answers, labels)
    order = np.argsort(distances, kind="stable")
    chosen = {"best": order, "worst": order[::-1], "most_uncertain": order[:0]}
    if found is not None:
        chosen["most_uncertain"] = np.argsort(-found.score, kind="stable")
    actions, foods, pictures = map(samples.names, ("action_names", "food_types", "sources"))

    def example(row: int) -> dict[str, typing.Any]:
        index = samples.indices[row]
        said = None if calibrated is None else calibrated.apply(found, row)
        return {
            "image": np.array(samples.dataset.images[index]),
            "action": "" if actions is None else str(actions[row]),
            "food": "" if foods is None else str(foods[row]),
            "predicted": np.asarray(answers[row], np.float64).tolist(),
            "labelled": np.asarray(labels[row], np.float64).tolist(),
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
    """Milliseconds for a picture of each source, of one batch. Each is called once to trace it,
    then all in turn, three times; the shortest time counts, so that what else the machine does at
    one time or another makes none look cheap."""
    rows = samples.indices[:batch_size]
    batch = samples.dataset.images[rows], np.asarray(samples.dataset.embeddings[rows]), seed
    times = np.empty((4, len(sources)))
    for turn in times:
        for number, source in enumerate(sources):
            before = time.perf_counter()
            source(*batch)
            turn[number] = time.perf_counter() - before
    return (1000 * times[1:].min(axis=0) / len(rows)).tolist()
