"""The samples that a report draws: the best, the worst, and those the model is least sure of."""

from __future__ import annotations

import numpy as np

from evaluation import conformal
from evaluation.study import samples as study_samples
from evaluation.study import uncertainty as study_uncertainty


def examples(
    samples: study_samples.Samples,
    answers: np.ndarray,
    found: study_uncertainty.Found | None,
    number: int = 6,
) -> dict[str, list[dict[str, object]]]:
    """Chooses them by the distance of the midpoints, and by the uncertainty.

    Args:
        samples: n of them.
        answers: float [n, 4], of the model; a source's own take their place.
        found: what the default source said; None: nothing is known about uncertainty.
        number: of each kind, at most.

    Returns:
        {'best', 'worst', 'most_uncertain' (empty without a source)}: one dictionary a sample, with
        'image' uint8 [236, 236, 3], 'action', 'food', 'predicted', 'labelled',
        'centroid_distance', 'uncertainty', 'asked', 'radius', 'picture'.
    """
    answers = answers if found is None else found.estimate.answers
    distances = conformal.midpoint_distances(answers, samples.labels)
    order = np.argsort(distances, kind="stable")
    chosen = {"best": order[:number], "worst": order[::-1][:number], "most_uncertain": order[:0]}
    if found is not None:
        unsure = np.argsort(-found.estimate.score, kind="stable")
        chosen["most_uncertain"] = unsure[:number]
    return {
        kind: [_example(samples, answers, distances, found, int(row)) for row in rows]
        for kind, rows in chosen.items()
    }


def _example(
    samples: study_samples.Samples,
    answers: np.ndarray,
    distances: np.ndarray,
    found: study_uncertainty.Found | None,
    row: int,
) -> dict[str, object]:
    dataset, index = samples.dataset, samples.indices[row]
    made = {
        "image": np.array(dataset.images[index]),
        "action": "" if dataset.action_names is None else str(dataset.action_names[index]),
        "food": "" if dataset.food_types is None else str(dataset.food_types[index]),
        "predicted": np.asarray(answers[row], np.float64).tolist(),
        "labelled": np.asarray(dataset.actions[index], np.float64).tolist(),
        "centroid_distance": float(distances[row]),
        "uncertainty": None,
        "asked": None,
        "radius": None,
        "picture": f"sample {index}" if dataset.sources is None else str(dataset.sources[index]),
    }
    if found is None:
        return made
    made["uncertainty"] = float(found.estimate.score[row])
    if found.calibration is not None:
        said = found.calibration.apply(found.estimate, row)
        made |= {"asked": said.ask_human, "radius": said.radius}
    return made
