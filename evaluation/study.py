"""An evaluation from answers to the document that is printed, written and drawn.

`run` gives a dictionary: the `errors` of each kind of answer {column: {'mean', 'low', 'high', 'n'}}
with 95 % intervals, the model's in `groups` by action, food and folder, its `comparison` with
another checkpoint, `uncertainty` (a row for each source, and one with calibrated std), what
`calibration` and the doubt about `absent_food` are worth, and `examples` to draw; None: not known.
Figures of uncertainty, calibration and `right_rate` are of the nearest or any right one of several
equal pieces of the asked food, other errors are of the label.
"""

from __future__ import annotations

import functools
import typing
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from evaluation import calibration_fit, metrics, report, statistics, uncertainty
from evaluation.samples import Samples, collect
from food_data import framing, mask_rules

if typing.TYPE_CHECKING:
    import agent_wrapper

CENTRE = np.array([0.25, 0.5, 0.75, 0.5])
# So many standard deviations about its mean hold 90 % of a normal distribution.
_DEVIATIONS_90 = 1.6448536269514722


def run(
    samples: Samples,
    agent: agent_wrapper.Agent | framing.Voted,
    framed: framing.Framing,
    *,
    sources: Sequence[uncertainty.Source] = (),
    calibrated: uncertainty.UncertaintyCalibration | None = None,
    other: tuple[str, agent_wrapper.Agent | framing.Voted, framing.Framing] | None = None,
    seed: int = 0,
    batch_size: int = 32,
    instructions: Mapping[tuple[str, str], np.ndarray] | None = None,
    num_examples: int = 0,
) -> dict[str, typing.Any]:
    """Asks a model about the samples and measures. Returns the module's document.

    `sources` are of uncertainty; calibration, absent food and examples are about the first one,
    which `calibrated` was fitted to, if anything was. `other` is a model to compare with. Food that
    is absent is asked for with one of the `instructions` {(action, food): embedding [512]} that the
    model knows; None: it is not.
    """
    ask = functools.partial(collect, framed=framed, seed=seed, batch_size=batch_size)
    plain, pictures = uncertainty.Source(agent), samples.pictures
    answers = {"model": ask(plain, samples).answers}
    if samples.dataset.sources is not None:
        swapped = samples.dataset.embeddings[swapped_instructions(samples, seed)]
        answers["model, instruction swapped"] = ask(plain, samples, embeddings=swapped).answers
    answers |= baseline_answers(samples)
    if other is not None:
        name, theirs, their_framing = other
        theirs = ask(uncertainty.Source(theirs), samples, framed=their_framing)
        answers[f"compared: {name}"] = theirs.answers
    columns = {kind: columns_of(one, samples) for kind, one in answers.items()}
    own = {name: columns["model"][name] for name in report.COLUMNS if name in columns["model"]}
    errors = {kind: statistics.mean_intervals(one, pictures, seed) for kind, one in columns.items()}
    found = {"format_version": 2, "errors": errors, "groups": _groups(own, samples, seed)}
    found |= dict.fromkeys(("comparison", "calibration", "absent_food"))
    if other is not None:
        theirs = columns[f"compared: {name}"]
        differences = {column: values - theirs[column] for column, values in own.items()}
        differences = statistics.mean_intervals(differences, pictures, seed)
        found["comparison"] = {"other": name, "columns": differences}
    estimates, found["uncertainty"] = [ask(source, samples) for source in sources], []
    first = estimates[0] if estimates else None
    for source, estimate in zip(sources, estimates):
        error = np.asarray(samples.pieces.nearest(estimate.answers), np.float64) - estimate.answers
        off = np.linalg.norm(error.reshape(-1, 2, 2).mean(axis=1), axis=1) > metrics.ERROR_LIMIT
        row = {"score": next(iter(estimate.scores)), "auroc": statistics.auroc(estimate.score, off)}
        std = {source.label: np.maximum(estimate.std, uncertainty.MIN_STD)}
        if calibrated is not None and estimate is first:
            std[f"{source.label}, calibrated"] = calibrated.calibrated_std(estimate.std)
        for label, one in std.items():
            coverage = (np.abs(error) <= _DEVIATIONS_90 * one).mean()
            found["uncertainty"].append({"label": label, **row, "coverage_90": coverage})
    if calibrated is not None:
        found["calibration"] = calibration_fit.figures(calibrated, first, samples, seed)
    if first is not None and instructions is not None:
        rows, embeddings = absent_foods(samples, instructions, seed)
        asked = ask(sources[0], samples.part(rows), embeddings=embeddings)
        doubts = [calibrated.doubt(one) if calibrated else one.score for one in (first, asked)]
        absent = np.repeat([0, 1], [len(one) for one in doubts])
        auroc = statistics.auroc(np.concatenate(doubts), absent)
        found["absent_food"] = {"n": len(rows), "auroc": auroc}
        if calibrated is not None:
            found["absent_food"]["asked_share"] = calibrated.asking.ask(doubts[1]).mean()
    examples = {} if first is None else _examples(samples, first, calibrated, num_examples)
    return report.plain(found) | {"examples": examples}


def _groups(
    columns: Mapping[str, np.ndarray], samples: Samples, seed: int
) -> dict[str, dict[str, dict[str, typing.Any]]]:
    """Means of the columns by action, food and the folder of the source, with their intervals."""
    found = {}
    for kind, array in (("action", "action_names"), ("food", "food_types"), ("source", "sources")):
        if (names := samples.names(array)) is None:
            continue
        if kind == "source":
            names = np.array([name.rpartition("/")[0] or "." for name in names])
        found[kind] = {}
        for name, rows in metrics.groups(names):
            part = {column: values[rows] for column, values in columns.items()}
            means = statistics.mean_intervals(part, samples.pictures[rows], seed)
            found[kind][str(name)] = {"n": len(rows), **means}
    return found


def columns_of(answers: np.ndarray, samples: Samples) -> dict[str, np.ndarray]:
    """The errors of answers float [n, 4] to samples: {column: float64 [n]}, NaN where unknown."""
    columns = metrics.error_columns(answers, samples.labels)
    wrong = calibration_fit.is_wrong(answers, samples.pieces, *calibration_fit.LIMITS)
    columns["right_rate"] = 1.0 - wrong
    if (masks := samples.dataset.masks) is not None:
        names = samples.names("sources"), samples.names("food_types")
        columns |= metrics.midpoint_hits(answers, masks, *names, samples.indices)
        elongated = [metrics.is_elongated(masks[index]) for index in samples.indices]
        angles = columns["angle_mae_mod180_deg"]
        columns["elongated_angle_mae_mod180_deg"] = np.where(elongated, angles, np.nan)
    return columns


def _examples(
    samples: Samples,
    found: uncertainty.Estimate,
    calibrated: uncertainty.UncertaintyCalibration | None,
    number: int,
) -> dict[str, list[dict[str, typing.Any]]]:
    """{'worst', 'most_uncertain'}: so many samples each, with their pictures."""
    labels = samples.pieces.nearest(found.answers)
    distances = metrics.midpoint_distances(found.answers, labels)
    chosen = {"worst": -distances, "most_uncertain": -found.score}

    def example(row: int) -> dict[str, typing.Any]:
        data, index = samples.dataset, samples.indices[row]
        names = {"action": data.action_names, "food": data.food_types, "picture": data.sources}
        said = None if calibrated is None else calibrated.apply(found, row)
        return {
            "image": np.array(data.images[index]),
            **{name: "" if one is None else one[index] for name, one in names.items()},
            "sample": index,
            "predicted": found.answers[row],
            "labelled": labels[row],
            "centroid_distance": distances[row],
            "uncertainty": found.score[row],
            "asked": None if said is None else said.ask_human,
            "radius": None if said is None else said.radius,
        }

    return {
        kind: [example(row) for row in np.argsort(values, kind="stable")[:number]]
        for kind, values in chosen.items()
    }


def baseline_answers(samples: Samples) -> dict[str, np.ndarray]:
    """Answers float64 [n, 4] that a model has to beat, as far as what they need is known. Where
    training had no such pair, "mean of action and food" is that of the action, else of all."""
    found, number, train = {}, len(samples), samples.train
    if train is not None:
        labels = np.asarray(train.labels, np.float64)
        mean = labels.mean(axis=0)
        found["mean of the training labels"] = np.broadcast_to(mean, (number, 4))
        arrays = [one.names(n) for one in (train, samples) for n in ("action_names", "food_types")]
        if all(names is not None for names in arrays):
            means = {}
            for action, rows in metrics.groups(arrays[0]):
                means[action] = labels[rows].mean(axis=0)
                for food, some in metrics.groups(arrays[1][rows]):
                    means[action, food] = labels[rows[some]].mean(axis=0)
            pairs = zip(*arrays[2:])
            answers = [means.get(pair, means.get(pair[0], mean)) for pair in pairs]
            found["mean of action and food"] = np.array(answers)
    found["centre of the picture"] = np.broadcast_to(CENTRE, (number, 4))
    images = samples.dataset.images
    found["colour"] = np.array([colour_answer(np.asarray(images[i])) for i in samples.indices])
    return found


def colour_answer(image: np.ndarray) -> np.ndarray:
    """The main axis of the most colourful region of uint8 RGB [H, W, 3]: float64 [4], in 0..1;
    `CENTRE` if nothing stands out. Plates and tables tend to be grey or brown, food green, red or
    yellow: the largest part of high chroma off the picture's edge; if there is none, of all."""
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
    """For each sample one of the same picture, by lot, perhaps itself: numbers of the data set. A
    model that listens is nearest to the sample's own food as often as the lot says so."""
    rng, swapped = np.random.default_rng(seed), np.array(samples.indices)
    for _, rows in metrics.groups(samples.names("sources")):
        swapped[rows] = rng.choice(samples.indices[rows], len(rows))
    return swapped


def absent_foods(
    samples: Samples, instructions: Mapping[tuple[str, str], np.ndarray], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Samples, numbers int [m], and for each by lot one of the `instructions` of its action whose
    food its picture does not show, in all samples that the data set has of it: float32 [m, 512]."""
    dataset, names = samples.dataset, ("sources", "action_names", "food_types")
    generator, rows, lent = np.random.default_rng(seed), [], []
    if all(getattr(dataset, name) is not None for name in names):
        shown = set(zip(dataset.sources.tolist(), dataset.food_types.tolist()))
        for row, (source, action, _) in enumerate(zip(*map(samples.names, names))):
            of_action = [pair for pair in sorted(instructions) if pair[0] == action]
            if pairs := [pair for pair in of_action if (source, pair[1]) not in shown]:
                rows.append(row)
                lent.append(instructions[pairs[generator.integers(len(pairs))]])
    if not rows:
        text = "--absent_food: expected a data set that names pictures and foods, and a known food "
        raise ValueError(f"{text}that a picture does not show, got none.")
    return np.array(rows), np.asarray(lent, np.float32)
