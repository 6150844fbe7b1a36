"""The parts of `study`'s document that sources of uncertainty make, and what a study asks.

Example: a question with two sources, of which the second one is what the checkpoint was calibrated
with. Both make rows and curves; the second one is the default, which alone is asked about shifts,
tested with the calibration, and shown in the examples.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Callable, Sequence

import numpy as np

from evaluation import answers, uncertainty_calibration, uncertainty_estimate, uncertainty_sources
from evaluation.study import calibration as study_calibration
from evaluation.study import examples as study_examples
from evaluation.study import samples as study_samples
from evaluation.study import shifts as study_shifts
from evaluation.study import sources as study_sources
from evaluation.study import throughput as study_throughput
from evaluation.study import uncertainty as study_uncertainty

if typing.TYPE_CHECKING:
    import agent_wrapper


@dataclasses.dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        samples: that are asked about.
        sources: of uncertainty; the first one that the calibration fits, or else the first, is the
            default.
        calibration: of the checkpoint; None: it has none. Its pictures must not be asked about.
        mm_per_px: how many millimetres a pixel of the model's picture shows; None: unknown.
        seed: of all that is drawn.
        batch_size: pictures in one pass.
        coverage_splits: how many random splits; 0: none.
        shift_samples: pictures for each shift; 0: none is tried.
        num_examples: of each kind; 0: none.
        frames: of the model's passes; None: one pass.
    """

    samples: study_samples.Samples
    sources: Sequence[uncertainty_sources.Source] = ()
    calibration: uncertainty_calibration.UncertaintyCalibration | None = None
    mm_per_px: float | None = None
    seed: int = 0
    batch_size: int = 32
    coverage_splits: int = 0
    shift_samples: int = 0
    num_examples: int = 0
    frames: uncertainty_sources.Frames | None = None


def collect(
    source: uncertainty_sources.Source,
    question: Question,
    meter: study_throughput.Meter,
    instructions: np.ndarray | None = None,
    frames: uncertainty_sources.Frames | None = None,
) -> uncertainty_estimate.Estimate:
    """`uncertainty_sources.collect` as the question wants it.

    Args:
        source: that is asked.
        question: says about which samples.
        meter: counts the pictures.
        instructions: the sample whose instruction each is asked with, int [n]; None: its own.
        frames: of another model's passes; None: the question's.
    """
    return uncertainty_sources.collect(
        source,
        question.samples.dataset,
        question.samples.indices,
        batch_size=question.batch_size,
        seed=question.seed,
        instructions=instructions,
        frames=frames or question.frames,
        progress=meter.wrap(len(question.samples)),
    )


def uncertainty_parts(
    question: Question,
    agent: agent_wrapper.Agent,
    plain: np.ndarray,
    collect: Callable,
    meter: study_throughput.Meter,
) -> dict[str, object]:
    """All of the document that is about uncertainty, and the examples.

    Args:
        question: what is asked.
        agent: the model.
        plain: float [n, 4], its answers.
        collect: asks a source about the samples.
        meter: counts the pictures of the shifts.

    Returns:
        'uncertainty', 'curves', 'calibration', 'coverage_splits', 'shifts', 'examples'.
    """
    labels, found = question.samples.labels, _ask_sources(question, collect)
    plain_ms, *source_ms = _costs(question, agent) if found else [0.0]
    first = next((one for one in found if one.is_default), None)
    parts = {
        "uncertainty": [
            row
            for one, ms in zip(found, source_ms)
            for row in study_uncertainty.rows(one, labels, ms, plain_ms)
        ],
        "curves": [study_uncertainty.curve(one, labels) for one in found],
        "calibration": None,
        "coverage_splits": None,
        "shifts": [],
        "examples": {"best": [], "worst": [], "most_uncertain": []},
    }
    if first is not None:
        parts |= _default_parts(question, first, meter)
    if question.num_examples:
        number = question.num_examples
        parts["examples"] = study_examples.examples(question.samples, plain, first, number)
    return parts


def _ask_sources(question: Question, collect: Callable) -> list[study_uncertainty.Found]:
    calibration = question.calibration
    fits = [
        calibration is not None and study_sources.is_of(source, calibration.fitted_on)
        for source in question.sources
    ]
    default = fits.index(True) if any(fits) else 0
    return [
        study_uncertainty.Found(
            source, collect(source), number == default, calibration if fits[number] else None
        )
        for number, source in enumerate(question.sources)
    ]


def _default_parts(
    question: Question, first: study_uncertainty.Found, meter: study_throughput.Meter
) -> dict[str, object]:
    """What the default source alone is asked for."""
    samples, estimate, parts = question.samples, first.estimate, {}
    pictures, calibration, threshold = samples.pictures, first.calibration, None
    if calibration is not None:
        parts["calibration"] = study_calibration.applied(
            calibration,
            estimate,
            samples.labels,
            pictures,
            question.seed,
            elongated=samples.elongated,
        )
        threshold = calibration.asking.threshold
    if question.coverage_splits:
        parts["coverage_splits"] = study_calibration.coverage_over_splits(
            estimate,
            samples.labels,
            pictures,
            num_splits=question.coverage_splits,
            seed=question.seed,
        )
    if question.shift_samples:
        parts["shifts"] = study_shifts.shift_rows(
            first.source,
            samples,
            estimate.score if calibration is None else calibration.doubt(estimate),
            rank=None if calibration is None else calibration.doubt,
            threshold=threshold,
            max_samples=question.shift_samples,
            batch_size=question.batch_size,
            seed=question.seed,
            frames=question.frames,
            progress=meter.wrap(min(question.shift_samples, len(samples))),
        )
    return parts


def _costs(question: Question, agent: agent_wrapper.Agent) -> list[float]:
    """Milliseconds for a picture: the answer alone, then each source."""
    samples, size = question.samples, min(question.batch_size, len(question.samples))
    rows = samples.indices[:size]
    batch = samples.dataset.images[rows], np.asarray(samples.dataset.embeddings[rows])
    asked = [answers.PlainAnswers(agent), *question.sources]
    return study_throughput.interleaved_ms(
        [functools.partial(source, *batch, question.seed) for source in asked], size
    )
