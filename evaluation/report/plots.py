"""Risk-coverage and reliability plots as SVG that takes its colours from the page.

Matplotlib draws in place-holder colours; each becomes a variable of the page's style sheet, so that
the plots follow dark, light and print. Text stays text: it can be searched and read out. Names of
curves are in the page's legend below, where long ones wrap on a phone.
"""

from __future__ import annotations

import io
import re
import typing
from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib import figure
from matplotlib.backends import backend_svg

# Place-holder colour -> variable of report.css.
_INK, _GRID = "#010101", "#020202"
_COLOURS = tuple(f"#03030{number}" for number in range(1, 7))
_VARIABLES = {_INK: "--ink", _GRID: "--line"}
_VARIABLES |= {colour: f"--curve-{number}" for number, colour in enumerate(_COLOURS, 1)}
_DASHES = ((), (6, 2), (2, 2), (6, 2, 1, 2))
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "font.size": 10.5,
    "grid.color": _GRID,
    **dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), _INK
    ),
}


class Plot(typing.NamedTuple):
    """SVG to stand in the page as it is (no text of the document is in it), and its lines:
    (name, variable of the colour, `stroke-dasharray`, width) of each."""

    svg: str
    legend: list[tuple[str, str, str, float]]


def risk_coverage(curves: Sequence[Mapping[str, typing.Any]], chosen: str | None) -> Plot:
    """Mean error of the answers kept, over the share of samples that are kept; the curve `chosen`
    is thick, with its oracle and random ones. Without it the first one is."""
    main = next((curve for curve in curves if curve["label"] == chosen), curves[0])
    lines = _lines(curves, "coverage", "error", main)
    label = f"oracle of {main['label']}"
    lines.append((label, main["coverage"], main["oracle"], _INK, (1, 1.5), 1.2))
    random = [main["random"]] * 2
    lines.append((f"random, for {main['label']}", [0, 1], random, _INK, (8, 3), 1.2))
    name = "Risk-coverage curves: mean error of the answers kept over the share kept"
    labels = "share of samples answered", "mean error, share of picture"
    return _plot(lines, "risk", name, labels, top=None)


def reliability(curves: Sequence[Mapping[str, typing.Any]], chosen: str | None) -> Plot:
    """Share of labels below each predicted quantile, over the share that there should be."""
    main = next((curve for curve in curves if curve["label"] == chosen), curves[0])
    lines = _lines(curves, "expected", "observed", main)
    lines.append(("perfect", [0, 1], [0, 1], _INK, (8, 3), 1.2))
    name = "Reliability: observed over expected share of labels below each predicted quantile"
    return _plot(lines, "reliability", name, ("expected share", "observed share of labels"), top=1)


def _lines(
    curves: Sequence[Mapping[str, typing.Any]], x: str, y: str, main: Mapping[str, typing.Any]
) -> list[tuple]:
    """(label, x, y, colour, dashes, width) of each curve."""
    return [
        (
            curve["label"],
            curve[x],
            curve[y],
            _COLOURS[number % len(_COLOURS)],
            _DASHES[number // len(_COLOURS) % len(_DASHES)],
            2.6 if curve is main else 1.4,
        )
        for number, curve in enumerate(curves)
    ]


def _plot(
    lines: Sequence[tuple], prefix: str, name: str, labels: tuple[str, str], top: float | None
) -> Plot:
    file, legend = io.BytesIO(), []
    with matplotlib.rc_context(_STYLE):
        drawing = figure.Figure(figsize=(4.0, 3.4))
        backend_svg.FigureCanvasSVG(drawing)
        drawing.subplots_adjust(0.19, 0.15, 0.97, 0.97)
        axis = drawing.subplots()
        axis.set(xlabel=labels[0], ylabel=labels[1])
        axis.grid(True)
        axis.spines[["top", "right"]].set_visible(False)
        for label, x, y, colour, dashes, width in lines:
            (line,) = axis.plot(x, y, color=colour, linewidth=width)
            if dashes:
                line.set_dashes(dashes)
            # As Matplotlib does it, in units of the line's width.
            strokes = " ".join(f"{length * width:g}" for length in dashes)
            legend.append((label, _VARIABLES[colour], strokes, width))
        axis.set_xlim(0, 1)
        axis.set_ylim(0, top)
        unnamed = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        drawing.savefig(file, format="svg", transparent=True, metadata=unnamed)
    text = file.getvalue().decode()
    text = text[text.index("<svg") :]
    # The style sheet inside would hold for the whole page, and the fonts are the page's.
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, flags=re.DOTALL)
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
    opening = f'<svg role="img" aria-label="{name}" viewBox='
    text = re.sub(r"<svg [^>]*viewBox=(\"[^\"]*\")[^>]*>", opening + r"\1>", text, count=1)
    # An id may be there once in a page.
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    return Plot(text, legend)
