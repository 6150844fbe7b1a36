"""Risk-coverage and reliability plots as SVG that takes its colours from the page.

Matplotlib draws in place-holder colours; each becomes a variable of the page's style sheet, so that
the plots follow dark, light and print. Text stays text: it can be searched and read out. Names of
curves are in the page's legend below, where long ones wrap on a phone.
"""

from __future__ import annotations

import dataclasses
import html
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib import axes, figure
from matplotlib.backends import backend_svg

# Place-holder colour -> variable of report.css.
_INK, _GRID = "#010101", "#020202"
_COLOURS = tuple(f"#03030{number}" for number in range(1, 7))
_VARIABLES = {_INK: "--ink", _GRID: "--line"}
_VARIABLES |= {colour: f"--curve-{number}" for number, colour in enumerate(_COLOURS, 1)}
_DASHES = ((), (6, 2), (2, 2), (6, 2, 1, 2))
_ORACLE_DASHES, _RANDOM_DASHES = (1, 1.5), (8, 3)
_SIZE_INCHES = (4.0, 3.4)
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "font.size": 10.5,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _GRID,
}


@dataclasses.dataclass(frozen=True)
class Plot:
    """SVG to stand in the page as it is, and what its lines are.

    Attributes:
        svg: no text of the document is in it unescaped.
        legend: (name, variable of the colour, `stroke-dasharray`, width) of each line.
    """

    svg: str
    legend: tuple[tuple[str, str, str, float], ...]


def risk_coverage(curves: Sequence[Mapping[str, Any]], chosen: str | None) -> Plot | None:
    """Mean error of the answers kept, over the share of samples that are kept.

    Args:
        curves: of the document; points that are unknown are left out.
        chosen: label of the curve that is drawn thick, with oracle and random; None: the first one.

    Returns:
        The plot; None if no curve has points.
    """
    known = [curve for curve in curves if _points(curve.get("coverage"), curve.get("error"))]
    if not known:
        return None
    main = next((curve for curve in known if curve["label"] == chosen), known[0])
    lines = [(curve["label"], curve["coverage"], curve["error"]) for curve in known]
    name = "Risk-coverage curves: mean error of the answers kept over the share kept"
    drawing, axis = _start("share of samples answered", "mean error, share of picture")
    legend = _draw_lines(axis, lines, main["label"])
    if _points(main["coverage"], main.get("oracle")):
        _plot(axis, main["coverage"], main["oracle"], _INK, _ORACLE_DASHES, 1.2)
        legend.append((f"oracle of {main['label']}", "--ink", _dashes(_ORACLE_DASHES, 1.2), 1.2))
    if main.get("random") is not None:
        _plot(axis, [0, 1], [main["random"]] * 2, _INK, _RANDOM_DASHES, 1.2)
        legend.append((f"random, for {main['label']}", "--ink", _dashes(_RANDOM_DASHES, 1.2), 1.2))
    axis.set_xlim(0, 1)
    axis.set_ylim(bottom=0)
    return Plot(_svg(drawing, "risk", name), tuple(legend))


def reliability(curves: Sequence[Mapping[str, Any]], chosen: str | None) -> Plot | None:
    """Share of labels below each predicted quantile, over the share that there should be.

    Args:
        curves: of the document.
        chosen: label of the curve that is drawn thick; None: the first one.

    Returns:
        The plot; None if no curve has points.
    """
    known = [curve for curve in curves if _points(curve.get("expected"), curve.get("observed"))]
    if not known:
        return None
    main = next((curve for curve in known if curve["label"] == chosen), known[0])
    lines = [(curve["label"], curve["expected"], curve["observed"]) for curve in known]
    name = "Reliability: observed over expected share of labels below each predicted quantile"
    drawing, axis = _start("expected share", "observed share of labels")
    legend = _draw_lines(axis, lines, main["label"])
    _plot(axis, [0, 1], [0, 1], _INK, _RANDOM_DASHES, 1.2)
    legend.append(("perfect", "--ink", _dashes(_RANDOM_DASHES, 1.2), 1.2))
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1)
    return Plot(_svg(drawing, "reliability", name), tuple(legend))


def _start(x_label: str, y_label: str) -> tuple[figure.Figure, axes.Axes]:
    with matplotlib.rc_context(_STYLE):
        drawing = figure.Figure(figsize=_SIZE_INCHES)
        backend_svg.FigureCanvasSVG(drawing)
        drawing.subplots_adjust(0.19, 0.15, 0.97, 0.97)
        axis = drawing.subplots()
        axis.set(xlabel=x_label, ylabel=y_label)
        axis.grid(True)
        axis.spines[["top", "right"]].set_visible(False)
    return drawing, axis


def _draw_lines(
    axis: axes.Axes, lines: Sequence[tuple[str, list, list]], chosen: str
) -> list[tuple[str, str, str, float]]:
    legend = []
    for number, (label, x, y) in enumerate(lines):
        colour = _COLOURS[number % len(_COLOURS)]
        dashes = _DASHES[number // len(_COLOURS) % len(_DASHES)]
        width = 2.6 if label == chosen else 1.4
        _plot(axis, x, y, colour, dashes, width)
        legend.append((label, _VARIABLES[colour], _dashes(dashes, width), width))
    return legend


def _plot(
    axis: axes.Axes, x: list, y: list, colour: str, dashes: Sequence[float], width: float
) -> None:
    (line,) = axis.plot(*zip(*_points(x, y)), color=colour, linewidth=width)
    if dashes:
        line.set_dashes(dashes)


def _points(x: list | None, y: list | None) -> list[tuple[float, float]]:
    """Those of which both coordinates are known."""
    return [(a, b) for a, b in zip(x or (), y or ()) if a is not None and b is not None]


def _dashes(dashes: Sequence[float], width: float) -> str:
    """As Matplotlib does it, in units of the line's width."""
    return " ".join(f"{length * width:g}" for length in dashes)


def _svg(drawing: figure.Figure, prefix: str, name: str) -> str:
    file = io.BytesIO()
    unnamed = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context(_STYLE):
        drawing.savefig(file, format="svg", transparent=True, metadata=unnamed)
    text = file.getvalue().decode()
    text = text[text.index("<svg") :]
    # The style sheet inside would hold for the whole page, and the fonts are the page's.
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, flags=re.DOTALL)
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
    opening = f'<svg role="img" aria-label="{html.escape(name)}" viewBox='
    text = re.sub(r"<svg [^>]*viewBox=(\"[^\"]*\")[^>]*>", opening + r"\1>", text, count=1)
    # An id may be there once in a page.
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    return text
