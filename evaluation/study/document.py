"""An evaluation from answers to the document that is printed, written and drawn.

`parts.Question` says what is asked of a model. `run` asks one batch of pictures at a time and
gives a dictionary of JSON types (but for the pictures of the examples):

| key         | holds                                                                             |
|-------------|-----------------------------------------------------------------------------------|
| metrics     | label, unit and better side of the columns that tables show                       |
| errors      | each kind of answer: means with 95 % intervals (`errors`)                   |
| groups      | the model's, by action, food and folder                                           |
| comparison  | with another checkpoint, or None                                                  |
| uncertainty | a row for each source and score (`uncertainty`)                             |
| curves      | risk-coverage and reliability of each source                                      |
| calibration | what uncertainty.json is worth here (`calibration`), or None                |
| coverage_splits | coverage after calibrating on random parts of these samples, or None          |
| shifts      | plates unlike training (`shifts`)                                           |
| examples    | samples to draw (`examples`)                                                |
| throughput  | pictures per second, memory (`throughput`)                                  |
"""

from __future__ import annotations

import functools
import math
import typing
from collections.abc import Callable, Iterable

import numpy as np

from evaluation import answers, uncertainty_calibration, uncertainty_sources
from evaluation.study import errors as study_errors
from evaluation.study import parts as study_parts
from evaluation.study import samples as study_samples
from evaluation.study import throughput as study_throughput

if typing.TYPE_CHECKING:
    import agent_wrapper

FORMAT_VERSION = 1


def run(
    question: study_parts.Question,
    agent: agent_wrapper.Agent,
    other: tuple[str, agent_wrapper.Agent, uncertainty_sources.Frames | None] | None = None,
    progress: Callable[[Iterable], Iterable] = iter,
) -> dict[str, object]:
    """Asks and measures.

    Args:
        question: what.
        agent: the model.
        other: name and model to compare it with, and the frames of its passes.
        progress: wraps the batches, for a progress bar.

    Returns:
        The module's document.

    Raises:
        ValueError: if pictures that calibrated are asked about, or settings are out of range.
    """
    samples, calibration, seed = question.samples, question.calibration, question.seed
    if calibration is not None:
        check_unseen(samples, calibration)
    meter = study_throughput.Meter(progress)
    collect = functools.partial(study_parts.collect, question=question, meter=meter)
    plain = collect(answers.PlainAnswers(agent))
    kinds = {"model": plain.answers} | answers.other_answers(samples, collect, agent, seed)
    if other is not None:
        compared = collect(answers.PlainAnswers(other[1]), frames=other[2])
        kinds[f"compared: {other[0]}"] = compared.answers
    columns = study_errors.columns_of_kinds(kinds, samples, question.mm_per_px)
    document = _error_parts(samples, columns, seed)
    if other is not None:
        both = columns["model"], columns[f"compared: {other[0]}"]
        compared = study_errors.comparison(*both, samples.pictures, seed)
        document["comparison"] = {"other": other[0], "columns": compared}
    document |= study_parts.uncertainty_parts(question, agent, plain.answers, collect, meter)
    return document | {"throughput": meter.figures()}


def check_unseen(
    samples: study_samples.Samples, calibration: uncertainty_calibration.UncertaintyCalibration
) -> None:
    """Raises ValueError if one of the pictures calibrated; says how to go on."""
    try:
        calibration.check_unseen(samples.picture_ids)
    except ValueError as error:
        raise ValueError(
            f"uncertainty.json was fitted to some of these pictures, so its figures on them would "
            f"be too good. {error} Or leave them out: --without_calibration."
        ) from error


def json_ready(document: dict[str, object]) -> dict[str, object]:
    """The document without the pictures of its examples, and None in the place of NaN."""
    return _plain_value(document)


def _error_parts(
    samples: study_samples.Samples, columns: dict[str, study_errors.Columns], seed: int
) -> dict[str, object]:
    pictures = samples.pictures
    return {
        "format_version": FORMAT_VERSION,
        "metrics": study_errors.shown_metrics(columns["model"]),
        "errors": {
            kind: study_errors.intervals(errors, pictures, seed) for kind, errors in columns.items()
        },
        "groups": study_errors.groups(columns["model"], samples, pictures, seed),
        "comparison": None,
    }


def _plain_value(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain_value(one) for key, one in value.items() if key != "image"}
    if isinstance(value, (list, tuple)):
        return [_plain_value(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
