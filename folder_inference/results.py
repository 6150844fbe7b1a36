"""OUTPUT.json: {"results": [...], "failed_images": [...], "summary": {...}}.

A result is the server's answer with the picture's name in front, and with labels its score:

    {"image": "new/c.PNG", "mean_prediction": {"start_x": 0.31, ...}, "statistics": {...}, ...,
     "client_ms": 41.2, "score": {"centroid_mae": 0.02, "on_food": true, ...}}

The order is that of the pictures' names, however many threads asked.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from folder_inference import outcomes, questions, variances

NOT_ASKED = "not asked"
_MOST_UNCERTAIN = 5


def record(outcome: outcomes.Outcome) -> dict[str, Any]:
    """An answered question as an entry of `results`."""
    answer = {name: value for name, value in outcome.answer.items() if name != "success"}
    asked = {"input_action": outcome.question.action, "input_food_type": outcome.question.food_type}
    # A server that was only given a text need not name an action and a food.
    named = {"action": None, "food_type": None, "input_text": None, **answer}
    return {"image": outcome.question.image, **named, **asked, "client_ms": outcome.client_ms}


def instruction(entry: Mapping[str, Any]) -> str:
    """What an answered question was about, in words: "skewering grape", or the text."""
    words = [entry[name] for name in ("action", "food_type") if entry[name]]
    return " ".join(words) or entry["input_text"] or "?"


def failed_record(question: questions.Question, failure: outcomes.Failure) -> dict[str, Any]:
    """A question without an answer as an entry of `failed_images`."""
    return {**dataclasses.asdict(question), **dataclasses.asdict(failure)}


def split(
    asked: Sequence[questions.Question],
    found: Mapping[questions.Key, outcomes.Outcome],
    reason: str,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Puts outcomes in order.

    Args:
        asked: the questions of the run, in order.
        found: those that have an outcome.
        reason: why others were not asked.

    Returns:
        Entries of `results` and of `failed_images`.
    """
    answered, failed = [], []
    for question in asked:
        outcome = found.get(question.key)
        if outcome is None:
            failed.append(failed_record(question, outcomes.Failure(NOT_ASKED, None, reason)))
        elif outcome.failure is not None:
            failed.append(failed_record(question, outcome.failure))
        else:
            answered.append(record(outcome))
    return answered, failed


def summary(
    answered: Sequence[Mapping[str, Any]], failed: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Counts and distributions; more than one `model_versions` means that the model was swapped.

    Args:
        answered: entries of `results`.
        failed: entries of `failed_images`.

    Returns:
        Plain JSON values.
    """
    counts = {
        "questions": len(answered) + len(failed),
        "answered": len(answered),
        "failed": len(failed),
        "failed_by_kind": _counts(one["kind"] for one in failed),
        "model_versions": _counts(one["model_version"] for one in answered),
        "instructions": _counts(map(instruction, answered)),
        "client_ms": distribution([one["client_ms"] for one in answered]),
    }
    sampled = [one for one in answered if "statistics" in one]
    if sampled:
        counts["variances"] = {
            name: distribution([one["statistics"][name] for one in sampled])
            for name in variances.NAMES
        }
        judged = [one["ask_human"] for one in sampled if one.get("ask_human") is not None]
        if judged:
            counts["ask_human"] = sum(judged)
        sampled = by_doubt(sampled)
        counts["most_uncertain"] = [one["image"] for one in sampled[:_MOST_UNCERTAIN]]
    return counts


def by_doubt(sampled: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Answers with samples, the least certain first: by the calibrated score if all have one, or
    else by the samples' total variance."""
    if all(one.get("uncertainty") is not None for one in sampled):
        return sorted(sampled, key=lambda one: -one["uncertainty"]["score"])
    return sorted(sampled, key=lambda one: -one["statistics"]["total_variance"])


def distribution(values: Sequence[float]) -> dict[str, float] | None:
    """{'mean', 'median', 'p95', 'max'}; None of nothing."""
    if not values:
        return None
    middle, high = np.percentile(values, (50, 95))
    mean, largest = np.mean(values), np.max(values)
    named = {"mean": mean, "median": middle, "p95": high, "max": largest}
    return {name: float(value) for name, value in named.items()}


def _counts(names: object) -> dict[str, int]:
    return dict(sorted(collections.Counter(names).items()))
