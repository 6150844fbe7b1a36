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
| shifts      | plates unlike training                                                             |
| examples    | the best, the worst and the most uncertain samples, to draw                        |

One source is the default: the first one that the checkpoint was calibrated with, or else the first.
It alone is asked about shifts, tested with the calibration, and shown in the examples.

Where a picture has several equal pieces of the asked food, figures of uncertainty, calibration and
`right_rate` are of the nearest or any right one; the other errors are of the label.

Answers that need no learning, or no more than a mean, are what a model has to beat:

| name                        | knows                                       | sees the picture |
|-----------------------------|---------------------------------------------|------------------|
| mean of the training labels | training labels                             | no               |
| mean of action and food     | training labels and their instructions      | no               |
| centre of the picture       | nothing                                     | no               |
| colour                      | nothing; not the instruction                | yes              |

Example of "mean of action and food": training labels of "skewering banana" with the midpoints (0.4,
0.4) and (0.6, 0.4) make it answer (0.5, 0.4) to every "skewering banana". It answers "skewering
grape" with the mean of all skewering if training had no such sample, and else with that of all.

"colour" takes the main axis of the most colourful region for food. Plates and tables tend to be
grey, white or brown, food to be green, red or yellow, so: smooth the picture (Gaussian, standard
deviation 2 pixels), take the chroma sqrt(a*^2 + b*^2) of CIE L*a*b*, part it by Otsu's threshold
(1979), open specks under 5 pixels across away, and keep the largest connected part that does not
touch the picture's edge (the table does); if each one does, the largest of all.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator, Mapping, Sequence

import cv2
import numpy as np

from evaluation import (
    calibration,
    calibration_fit,
    metrics,
    report,
    statistics,
    uncertainty,
)
from evaluation.samples import Samples
from evaluation.uncertainty import Estimate
from food_data import mask_rules

if typing.TYPE_CHECKING:
    import agent_wrapper

_SHOWN = {
    "centroid_mae": ("midpoint, mean over x and y", "share of the picture", "low"),
    "bbox_mae": ("coordinates", "share of the picture", "low"),
    "centroid_error": ("midpoint, distance", "share of the picture", "low"),
    "start_error": ("start point, distance", "share of the picture", "low"),
    "end_error": ("end point, distance", "share of the picture", "low"),
    "angle_mae_mod180_deg": ("angle, reversed is the same", "degrees", "low"),
    "elongated_angle_mae_mod180_deg": ("the same, of long food", "degrees", "low"),
    "right_rate": ("place and direction right, of any equal piece", "share", "high"),
    "hit_rate": ("midpoint on the food", "share", "high"),
    "nearest_item_rate": ("nearest to the right food", "share", "high"),
    "nearest_item_chance": ("the same by chance", "share", "high"),
}
_CURVE_POINTS = 101

CENTRE = np.array([0.25, 0.5, 0.75, 0.5])
# (uint8 [B, H, W, 3], a generator) -> uint8 of the same shape.
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def _hues_turned(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """By 120 degrees, as by a camera without white balance; OpenCV's bytes hold half the angle."""
    turned = [cv2.cvtColor(image, cv2.COLOR_RGB2HSV) for image in images]
    for hsv in turned:
        hsv[..., 0] = (hsv[..., 0].astype(np.int32) + 60) % 180
    return np.stack([cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) for hsv in turned])


# Plates unlike those of training: no plate at all, another camera.
SHIFTS: dict[str, Change] = {
    "noise": lambda images, rng: rng.integers(0, 256, images.shape, np.uint8),
    "hue_120": _hues_turned,
    "gamma_two": lambda images, rng: np.rint(np.square(images / 255.0) * 255).astype(np.uint8),
    "blur": lambda images, rng: np.stack([cv2.GaussianBlur(one, (0, 0), 4.0) for one in images]),
}
_SHIFT_SAMPLES = 500


def run(
    samples: Samples,
    agent: agent_wrapper.Agent,
    *,
    frames: uncertainty.Frames | None = None,
    sources: Sequence[uncertainty.Source] = (),
    calibrated: calibration.UncertaintyCalibration | None = None,
    other: tuple[str, agent_wrapper.Agent, uncertainty.Frames | None] | None = None,
    seed: int = 0,
    batch_size: int = 32,
    shifts: bool = False,
    instructions: Mapping[tuple[str, str], np.ndarray] | None = None,
    num_examples: int = 0,
) -> dict[str, typing.Any]:
    """Asks `agent` about the samples, looking at them through `frames` (None: one pass), and
    measures. Returns the module's document.

    `sources` are of uncertainty, `calibrated` is the checkpoint's calibration, `other` is the name,
    model and frames to compare with. `instructions` {(action, food): embedding [512]} are those
    that the model knows.
    """

    def ask(source: uncertainty.Source, which: Samples = samples, **how: object) -> Estimate:
        settings = {"batch_size": batch_size, "seed": seed, "frames": frames}
        return uncertainty.collect(source, which, **(settings | how))

    plain = uncertainty.PlainAnswers(agent)
    answers = {"model": ask(plain).answers}
    if samples.dataset.sources is not None:
        swapped = samples.dataset.embeddings[swapped_instructions(samples, seed)]
        answers["model, instruction swapped"] = ask(plain, embeddings=swapped).answers
    answers |= baseline_answers(samples)
    if other is not None:
        name, model, its_frames = other
        theirs = ask(uncertainty.PlainAnswers(model), frames=its_frames)
        answers[f"compared: {name}"] = theirs.answers
    columns = {kind: columns_of(one, samples) for kind, one in answers.items()}
    own, pictures = columns["model"], samples.pictures
    shown = [name for name in _SHOWN if name in own and not np.isnan(own[name]).all()]
    compared = None
    if other is not None:
        theirs = columns[f"compared: {name}"]
        differences = {column: own[column] - theirs[column] for column in shown}
        differences = statistics.mean_intervals(differences, pictures, seed)
        compared = {"other": name, "columns": differences}
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
        "calibration": None,
        "shifts": [],
    }
    estimates = [ask(source) for source in sources]
    fits = [calibrated is not None and one.is_of(calibrated.fitted_on) for one in sources]
    number = fits.index(True) if any(fits) else 0
    known, default = calibrated if any(fits) else None, estimates[number] if sources else None
    for source, estimate, is_calibrated in zip(sources, estimates, fits):
        std = {source.label: np.maximum(estimate.std, calibration.MIN_STD)}
        if is_calibrated:
            std[f"{source.label}, calibrated"] = known.calibrated_std(estimate.std)
        labels = samples.pieces.nearest(estimate.answers)
        rows = [{"source": source.name, **row} for row in _rows(estimate, std, labels)]
        rows[0]["is_default"] = estimate is default
        found["uncertainty"] += rows
        curves = _curves(estimate, [*std.values()][-1], labels)
        found["curves"].append({"label": source.label, **curves})
    if known is not None:
        found["calibration"] = calibration_fit.figures(known, default, samples, seed)
    if sources and shifts:
        doubt = (lambda one: one.score) if known is None else known.doubt
        found["shifts"] = shift_rows(
            lambda which, **how: doubt(ask(sources[number], which, **how)),
            samples,
            doubt(default),
            instructions or {},
            threshold=None if known is None else known.asking.threshold,
            seed=seed,
        )
    examples = _examples(samples, answers["model"], default, known, num_examples)
    return report.plain(found) | {"examples": examples}


def columns_of(answers: np.ndarray, samples: Samples) -> dict[str, np.ndarray]:
    """The errors of answers float [n, 4] to samples: {column: float64 [n]}, NaN where unknown."""
    columns, pieces = metrics.error_columns(answers, samples.labels), samples.pieces
    limit = None if pieces.elongated is None else calibration_fit.ANGLE_LIMIT_DEG
    errors = calibration_fit.answer_errors(answers, pieces, metrics.ERROR_LIMIT, limit)
    columns["right_rate"] = (errors <= metrics.ERROR_LIMIT).astype(np.float64)
    if samples.dataset.masks is not None:
        names = samples.names("sources"), samples.names("food_types")
        columns |= metrics.midpoint_hits(answers, samples.dataset.masks, *names, samples.indices)
        angles = np.where(samples.elongated, columns["angle_mae_mod180_deg"], np.nan)
        columns["elongated_angle_mae_mod180_deg"] = angles
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
    seed: int = 0,
) -> list[dict[str, object]]:
    """How the doubts about shifted plates compare with `ordinary`, those about samples as they are.

    `doubt` says them of samples with other `embeddings` or a `change` of the pictures; of more than
    500 so many are drawn. "wrong food" asks for one of the `instructions`, by lot, whose
    food is not on the plate. Rows: 'name', 'auroc', 'asked_share' (above `threshold`; None without
    one), 'mean_uncertainty', 'n'; first the ordinary ones (AUROC None). Example: of noise pictures
    98 % are more doubtful than an ordinary plate: {"name": "noise", "auroc": 0.98, ...}.
    """
    size = min(_SHIFT_SAMPLES, len(samples))
    rows = np.sort(np.random.default_rng(seed).choice(len(samples), size, replace=False))
    chosen, found = samples.part(rows), {"ordinary": ordinary}
    for name, change in SHIFTS.items():
        found[name] = doubt(chosen, change=change)
    rows, embeddings = absent_foods(chosen, instructions, seed)
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
        spread = statistics.spread_figures(estimate.answers, deviations, labels)
        for score, values in list(estimate.scores.items())[: None if number == 0 else 1]:
            figures = statistics.ranking_figures(values, distances) | spread
            yield {"is_default": False, "label": label, "score": score, "figures": figures}


def _curves(estimate: Estimate, std: np.ndarray, labels: np.ndarray) -> dict[str, typing.Any]:
    """'coverage', 'error', 'oracle' (at most 101 points), 'random', the error whatever is asked,
    and 'expected' and 'observed' shares of labels below predicted quantiles."""
    distances = metrics.midpoint_distances(estimate.answers, labels)
    curves = statistics.rejection_curve(estimate.score, distances)
    number = min(len(labels), _CURVE_POINTS)
    chosen = np.unique(np.linspace(0, len(labels) - 1, number).round().astype(int))
    expected, observed = statistics.reliability_curve(estimate.answers, std, labels)
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


# Baselines.


def baseline_answers(samples: Samples) -> dict[str, np.ndarray]:
    """The answers float64 [n, 4] of the module's table, as far as what they need is known."""
    found, number, train = {}, len(samples), samples.train
    if train is not None:
        labels = np.asarray(train.labels, np.float64)
        means: dict[tuple[str, ...], np.ndarray] = {(): labels.mean(axis=0)}
        found["mean of the training labels"] = np.broadcast_to(means[()], (number, 4))
        arrays = [one.names(n) for one in (train, samples) for n in ("action_names", "food_types")]
        if all(names is not None for names in arrays):
            for action, rows in metrics.groups(arrays[0]):
                means[(action,)] = labels[rows].mean(axis=0)
                for food, some in metrics.groups(arrays[1][rows]):
                    means[action, food] = labels[rows[some]].mean(axis=0)
            found["mean of action and food"] = np.array(
                [means.get(pair, means.get(pair[:1], means[()])) for pair in zip(*arrays[2:])]
            )
    found["centre of the picture"] = np.broadcast_to(CENTRE, (number, 4))
    images = samples.dataset.images
    found["colour"] = np.array([colour_answer(np.asarray(images[i])) for i in samples.indices])
    return found


def colour_answer(image: np.ndarray) -> np.ndarray:
    """The main axis of the most colourful region of uint8 RGB [H, W, 3]: float64 [4], in 0..1;
    `CENTRE` if nothing stands out, as in a picture of one colour."""
    smooth = cv2.GaussianBlur(image, (0, 0), 2).astype(np.float32) / 255
    lab = cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB)
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    # Otsu needs 8 bits; a picture without any colour is all 0.
    levels = np.rint(chroma * (255 / max(float(chroma.max()), 1.0))).astype(np.uint8)
    _, bright = cv2.threshold(levels, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    if bright.all():
        return CENTRE
    bright = cv2.morphologyEx(bright, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    number, labels, stats, _ = cv2.connectedComponentsWithStats(bright)
    if number < 2:
        return CENTRE
    areas = stats[1:, cv2.CC_STAT_AREA]
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    inside = np.isin(np.arange(1, number), edge, invert=True)
    chosen = 1 + np.argmax(np.where(inside, areas, 0) if inside.any() else areas)
    return np.clip(mask_rules.execution_parameters(labels == chosen, "skewering"), 0, 1)


def swapped_instructions(samples: Samples, seed: int) -> np.ndarray:
    """For each sample one of the same picture, by lot; it may be itself. Numbers of the data set. A
    model that listens is then nearest to the sample's own food as often as the lot says so."""
    rng, swapped = np.random.default_rng(seed), np.array(samples.indices)
    for _, rows in metrics.groups(samples.names("sources")):
        swapped[rows] = rng.choice(samples.indices[rows], len(rows))
    return swapped


def absent_foods(
    samples: Samples, instructions: Mapping[tuple[str, str], np.ndarray], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Samples, numbers int [m], and for each by lot one of the `instructions` {(action, food):
    embedding [512]} of its action whose food its picture does not show (in all samples that the
    data set has of it): float32 [m, 512]. Empty if the data set does not name them."""
    dataset, names = samples.dataset, ("sources", "action_names", "food_types")
    if any(getattr(dataset, name) is None for name in names):
        return np.arange(0), np.zeros((0, 512), np.float32)
    generator, rows, lent = np.random.default_rng(seed), [], []
    shown: dict[str, set[str]] = {}
    for source, food in zip(dataset.sources.tolist(), dataset.food_types.tolist()):
        shown.setdefault(source, set()).add(food)
    for row, (source, action, _) in enumerate(zip(*map(samples.names, names))):
        absent = [p for p in sorted(instructions) if p[0] == action and p[1] not in shown[source]]
        if absent:
            rows.append(row)
            lent.append(instructions[absent[generator.integers(len(absent))]])
    return np.array(rows, int), np.reshape(lent, (-1, 512)).astype(np.float32)
