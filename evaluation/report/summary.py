"""The evaluation in a few sentences, with the numbers that decide.

Example: "On 2000 samples of 700 pictures (plates.npz, val) the model's midpoint is on average
0.034 of the picture's side (0.031 to 0.038; 8.1 px) from the labelled one."
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evaluation.report import numbers

MODEL = "model"
_ERROR, _HIT = "centroid_error", "hit_rate"
Document = Mapping[str, Any]


def sentences(document: Document) -> list[str]:
    """What is known, in order; nothing is said about what is not."""
    found = [_size(document), *_errors(document), *_hits(document), *_asking(document)]
    return [*found, *_regions(document), *_comparison(document)]


def default_source(document: Document) -> Mapping[str, Any] | None:
    """The row of the uncertainty table that is the default."""
    rows = document.get("uncertainty") or ()
    return next((row for row in rows if row["is_default"]), None)


def _size(document: Document) -> str:
    data = document.get("data") or {}
    if data.get("num_samples") is None:
        return "How many samples were evaluated is not known."
    pictures = data.get("num_pictures")
    of = "" if pictures is None else f" of {pictures} pictures"
    return (
        f"{data['num_samples']} samples{of} ({data.get('name')}, {data.get('split')}) were asked."
    )


def _errors(document: Document) -> Iterator[str]:
    figure = _figure(document, MODEL, _ERROR)
    if figure is None:
        return
    places = numbers.decimals([figure["mean"]])
    also = numbers.interval(figure.get("low"), figure.get("high"), places)
    details = [f"95 % interval {also}"] if also else []
    for ending, unit in (("_px", "px"), ("_mm", "mm")):
        other = _figure(document, MODEL, _ERROR + ending)
        if other is not None:
            details.append(f"{numbers.number(other['mean'], 1)} {unit}")
    brackets = f" ({'; '.join(details)})" if details else ""
    yield (
        f"The model's midpoint is on average {numbers.number(figure['mean'], places)} of the "
        f"picture's side{brackets} from the labelled one."
    )
    rival = _best_rival(document, _ERROR, lowest=True)
    if rival is not None:
        name, mean = rival
        yield f"The best answer without a model ({name}) is {numbers.number(mean, places)} off."


def _hits(document: Document) -> Iterator[str]:
    figure = _figure(document, MODEL, _HIT)
    if figure is None:
        return
    text = f"It is on the instructed food in {numbers.percent(figure['mean'])} of the samples"
    if figure.get("low") is not None and figure.get("high") is not None:
        low, high = 100 * figure["low"], 100 * figure["high"]
        text += f" ({numbers.interval(low, high, 0)})"
    rival = _best_rival(document, _HIT, lowest=False)
    if rival is not None:
        text += f"; the best answer without a model ({rival[0]}) in {numbers.percent(rival[1])}"
    yield text + "."


def _asking(document: Document) -> Iterator[str]:
    source = default_source(document)
    gain = source and source["figures"].get("gain_20")
    if source and gain is not None:
        change = "lowers" if gain >= 0 else "raises"
        yield (
            f"Asking a human about the {numbers.percent(0.2)} most uncertain plates "
            f"({source['label']}) {change} the mean error of the rest by "
            f"{numbers.percent(abs(gain))}."
        )


def _regions(document: Document) -> Iterator[str]:
    calibration = document.get("calibration") or {}
    disc = calibration.get("disc_coverage")
    if disc and disc.get("mean") is not None:
        yield (
            f"The region that should hold the labelled midpoint in "
            f"{numbers.percent(calibration['nominal'])} of the samples holds it in "
            f"{numbers.percent(disc['mean'], 1)}."
        )


def _comparison(document: Document) -> Iterator[str]:
    comparison = document.get("comparison")
    figure = comparison and comparison["columns"].get(_ERROR)
    if not figure or figure["low"] is None or figure["high"] is None:
        return
    if figure["low"] <= 0 <= figure["high"]:
        word = "not shown to be nearer or farther"
    else:
        word = "nearer" if figure["high"] < 0 else "farther"
    yield f"Its midpoints are {word} than those of {comparison['other']}."


def _figure(document: Document, kind: str, column: str) -> Mapping[str, float] | None:
    figure = (document.get("errors") or {}).get(kind, {}).get(column)
    return figure if figure and figure.get("mean") is not None else None


def _best_rival(document: Document, column: str, lowest: bool) -> tuple[str, float] | None:
    """Name and mean of the best kind of answer that needs no model."""
    kinds = [kind for kind in document.get("errors") or () if not kind.startswith(MODEL)]
    found = [(kind, _figure(document, kind, column)) for kind in kinds]
    known = [(kind, figure["mean"]) for kind, figure in found if figure is not None]
    if not known:
        return None
    return (min if lowest else max)(known, key=lambda pair: pair[1])
