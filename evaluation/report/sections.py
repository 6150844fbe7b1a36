"""The sections of a report in the order in which a reader asks: what tables, plots and pictures
each has. One of which the document knows nothing has no parts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.report import (
    error_tables,
    examples,
    plots,
    summary,
    tables,
    uncertainty_tables,
)

_EXAMPLES = {
    "best": "Nearest to the label",
    "worst": "Farthest from the label",
    "most_uncertain": "Most uncertain",
}
_SETTINGS = (
    ("data", "Data", "What the model was asked about."),
    ("checkpoint", "Checkpoint", "The model that was asked."),
    ("settings", "Settings", "Flags of the program, as given."),
    ("throughput", "Throughput", "Speed and memory of this evaluation."),
    ("versions", "Versions", "Packages that made these numbers."),
)
Document = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Part:
    """What stands under one heading of third order, or under the section's own if it has none."""

    title: str = ""
    tables: Sequence[tables.Table] = ()
    plot: plots.Plot | None = None
    caption: str = ""
    examples: Sequence[examples.Example] = ()


@dataclasses.dataclass(frozen=True)
class Section:
    """A heading of second order; without parts it is not in this evaluation."""

    key: str
    title: str
    intro: str = ""
    parts: Sequence[Part] = ()


def all_sections(document: Document, given: Document) -> list[Section]:
    """All of them, also those that are not in this evaluation.

    Args:
        document: as `plain_json.plain` gives it.
        given: the document with its pictures.

    Returns:
        In order.

    Raises:
        ValueError: if an example has no picture of the right kind.
    """
    return [
        _errors(document),
        _comparison(document),
        _uncertainty(document),
        _curves(document),
        _calibration(document),
        _shifts(document),
        _groups(document),
        _examples(document, given),
        _settings(document),
    ]


def _errors(document: Document) -> Section:
    parts = []
    if document.get("errors") and document.get("metrics"):
        parts = [Part(tables=error_tables.errors(document).parts())]
    return Section("errors", "Errors beside answers that need no model", parts=parts)


def _comparison(document: Document) -> Section:
    parts = []
    if document.get("comparison") and document.get("metrics"):
        parts = [Part(tables=[error_tables.comparison(document)])]
    return Section("comparison", "Comparison with another checkpoint", parts=parts)


def _uncertainty(document: Document) -> Section:
    parts = []
    if document.get("uncertainty"):
        parts = [
            Part(
                tables=[
                    part for table in uncertainty_tables.sources(document) for part in table.parts()
                ]
            )
        ]
    intro = (
        "What docs/evaluation.md says of each figure holds here; the error is that of the midpoint."
    )
    return Section("uncertainty", "Sources of uncertainty and their cost", intro, parts)


def _curves(document: Document) -> Section:
    curves, default = document.get("curves") or (), summary.default_source(document)
    chosen = default["label"] if default else None
    found = (
        (
            "Risk and coverage",
            plots.risk_coverage(curves, chosen),
            "Mean error of the answers that are kept if a human is asked about the most uncertain "
            "others. The lower, the better; the oracle asks about the largest errors.",
        ),
        (
            "Reliability",
            plots.reliability(curves, chosen),
            "Share of labels below each quantile that the model predicts, over the share that "
            "should be. On the diagonal, standard deviations mean what they say.",
        ),
    )
    parts = [Part(title, plot=plot, caption=text) for title, plot, text in found if plot]
    return Section("curves", "Risk, coverage and reliability", parts=parts)


def _calibration(document: Document) -> Section:
    parts = []
    if document.get("calibration"):
        found = [uncertainty_tables.calibration(document)]
        if document["calibration"].get("fitted_on"):
            found.append(uncertainty_tables.fitted_on(document))
        parts = [Part(tables=found)]
    return Section("calibration", "Calibration", parts=parts)


def _shifts(document: Document) -> Section:
    parts = [Part(tables=[uncertainty_tables.shifts(document)])] if document.get("shifts") else []
    return Section("shifts", "Plates unlike training", parts=parts)


def _groups(document: Document) -> Section:
    groups = document.get("groups") or {}
    names = [name for name in error_tables.GROUPS if groups.get(name)]
    names += [name for name in groups if groups[name] and name not in names]
    parts = [
        Part(f"By {name}", error_tables.group(document, name).parts())
        for name in names
        if document.get("metrics")
    ]
    return Section("groups", "Errors by action, food and source", parts=parts)


def _examples(document: Document, given: Document) -> Section:
    chosen, parts = document.get("examples") or {}, []
    for name, title in _EXAMPLES.items():
        if chosen.get(name):
            images = [found.get("image") for found in given["examples"][name]]
            drawn = [examples.example(found, image) for found, image in zip(chosen[name], images)]
            parts.append(Part(title, examples=drawn))
    intro = (
        "Green arrow: labelled. Pink arrow: answered. White circle: region that should hold the "
        "labelled midpoint."
    )
    return Section("examples", "Examples", intro, parts)


def _settings(document: Document) -> Section:
    parts = []
    for name, title, caption in _SETTINGS:
        if document.get(name):
            words = {key: uncertainty_tables.as_word(v) for key, v in document[name].items()}
            parts.append(Part(title, [tables.facts(caption, "Name", words)]))
    return Section("settings", "Settings and versions", parts=parts)
