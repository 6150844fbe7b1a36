"""Writes the report of an evaluation: one page for people, JSON and CSV for programs.

    paths = report.write(document, "runs/plates/evaluation")
    paths["report.html"]

| file            | what it has                                                     |
|-----------------|-----------------------------------------------------------------|
| report.html     | all of it, in one file, for reading on a phone and for printing |
| report.json     | the document without pictures; what is not known is null        |
| errors.csv      | a line for each kind of answer and metric                       |
| groups.csv      | a line for each action, food and source, and metric             |
| uncertainty.csv | a line for each source of uncertainty                           |

A line of errors.csv: model,bbox_mae,coordinates,share of the picture,0.0342,0.0311,0.0381,90
"""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import pathlib
import typing
from collections.abc import Iterable, Iterator, Mapping

import jinja2
import markupsafe
import numpy as np
from PIL import Image

from evaluation import plain_json
from evaluation.report import plots, tables
from food_data import atomic_files

_FOLDER = pathlib.Path(__file__).parent
_EXAMPLES = {
    "best": "Nearest to the label",
    "worst": "Farthest from the label",
    "most_uncertain": "Most uncertain",
}
_SETTINGS = {
    "data": "What the model was asked about.",
    "checkpoint": "The model that was asked.",
    "settings": "Flags of the program, as given.",
    "throughput": "Speed and memory of this evaluation.",
    "versions": "Packages that made these numbers.",
}
_ESTIMATE = ("mean", "low", "high", "n")
_METRIC = ("column", "label", "unit")
_SOURCE = ("label", "source", "settings", "score", "is_default", "ms_per_image", "relative_cost")

Document = Mapping[str, typing.Any]


def write(document: Document, directory: str | os.PathLike[str]) -> dict[str, pathlib.Path]:
    """Writes the files of the module's table; nothing is written if one cannot be made.

    Args:
        document: of `study.run`, with title, created, data, checkpoint, settings and versions.
        directory: made if it does not exist; files of the same name are replaced.

    Returns:
        {name: path}.

    Raises:
        OSError: if a file cannot be written.
    """
    contents = plain_json.plain(document)
    figures = dict.fromkeys(name for row in contents["uncertainty"] for name in row["figures"])
    texts = {
        "report.html": _html(document),
        "report.json": plain_json.text(contents),
        "errors.csv": _csv(("kind", *_METRIC, *_ESTIMATE), _error_lines(contents)),
        "groups.csv": _csv(
            ("group", "name", "samples", *_METRIC, *_ESTIMATE), _group_lines(contents)
        ),
        "uncertainty.csv": _csv((*_SOURCE, *figures), _source_lines(contents)),
    }
    folder = pathlib.Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        with atomic_files.replace_file(folder / name) as file:
            # File names need not be UTF-8; what is not becomes a question mark.
            file.write(text.encode("utf-8", "replace"))
    return {name: folder / name for name in texts}


def _csv(columns: Iterable[str], lines: Iterable[Mapping[str, object]]) -> str:
    """What is not known is an empty cell; floats can be read back exactly."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _metric(document: Document, column: str) -> dict[str, str]:
    metric = document["metrics"].get(column, {})
    return {"column": column, "label": metric.get("label", ""), "unit": metric.get("unit", "")}


def _error_lines(document: Document) -> Iterator[dict[str, object]]:
    for kind, columns in document["errors"].items():
        for column, figure in columns.items():
            yield {"kind": kind, **_metric(document, column), **figure}


def _group_lines(document: Document) -> Iterator[dict[str, object]]:
    for group, members in document["groups"].items():
        for name, columns in members.items():
            row = {"group": group, "name": name, "samples": columns["n"]}
            for column, figure in columns.items():
                if column != "n":
                    yield {**row, **_metric(document, column), **figure}


def _source_lines(document: Document) -> Iterator[dict[str, object]]:
    for row in document["uncertainty"]:
        known = {name: row[name] for name in _SOURCE}
        yield known | {"settings": json.dumps(row["settings"])} | row["figures"]


def _html(document: Document) -> str:
    """The page, which needs no other file."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # (key, title, intro, [(title, tables, plot, caption, examples)]).
    sections = [(*section[:3], list(section[3])) for section in _sections(document)]
    return environment.get_template("report.html.jinja").render(
        document=document,
        style=markupsafe.Markup((_FOLDER / "report.css").read_text(encoding="utf-8")),
        sentences=_sentences(document),
        sections=[section for section in sections if section[3]],
        absent=[section[1] for section in sections if not section[3]],
        svg=markupsafe.Markup,
    )


def _sections(document: Document) -> Iterator[tuple[str, str, str, Iterator[dict]]]:
    """In the order in which a reader asks; one of which nothing is known has no parts."""

    def part(title: str = "", **has: object) -> dict[str, object]:
        return {"title": title, "tables": (), "plot": None, "caption": "", "examples": ()} | has

    def only(found: Iterable[tables.Table]) -> list[dict[str, object]]:
        found = list(found)
        return [part(tables=found)] if found else []

    yield "errors", "Errors beside answers that need no model", "", only(tables.errors(document))
    title = "Comparison with another checkpoint"
    yield "comparison", title, "", only(tables.comparison(document))
    intro = (
        "What docs/evaluation.md says of each figure holds here; the error is that of the midpoint."
    )
    title = "Sources of uncertainty and their cost"
    yield "uncertainty", title, intro, only(tables.sources(document))
    default = next((row["label"] for row in document["uncertainty"] if row["is_default"]), None)
    drawn = []
    if document["curves"]:
        drawn = [
            part(
                "Risk and coverage",
                plot=plots.risk_coverage(document["curves"], default),
                caption="Mean error of the answers that are kept if a human is asked about the "
                "most uncertain others. The lower, the better; the oracle asks about the largest "
                "errors.",
            ),
            part(
                "Reliability",
                plot=plots.reliability(document["curves"], default),
                caption="Share of labels below each quantile that the model predicts, over the "
                "share that should be. On the diagonal, standard deviations mean what they say.",
            ),
        ]
    yield "curves", "Risk, coverage and reliability", "", drawn
    yield "calibration", "Calibration", "", only(tables.calibration(document))
    yield "shifts", "Plates unlike training", "", only(tables.shifts(document))
    by_group = [
        part(f"By {name}", tables=tables.group(document, name)) for name in document["groups"]
    ]
    yield "groups", "Errors by action, food and source", "", by_group
    intro = (
        "Green arrow: labelled. Pink arrow: answered. White circle: region that should hold the "
        "labelled midpoint."
    )
    chosen = [
        part(title, examples=[_example(one) for one in document["examples"][name]])
        for name, title in _EXAMPLES.items()
        if document["examples"][name]
    ]
    yield "examples", "Examples", intro, chosen
    settings = [
        part(name.capitalize(), tables=[tables.facts(caption, "Name", document[name])])
        for name, caption in _SETTINGS.items()
        if document.get(name)
    ]
    yield "settings", "Settings and versions", "", settings


def _example(found: Mapping[str, typing.Any]) -> dict[str, typing.Any]:
    """One of the document's examples as the template draws it, lengths in 0..1."""
    file = io.BytesIO()
    Image.fromarray(found["image"]).save(file, "JPEG", quality=82)
    centre = np.reshape(found["predicted"], (2, 2)).mean(axis=0).tolist()

    def motion(name: str) -> str:
        x1, y1, x2, y2 = (f"{value:.2f}" for value in found[name])
        return f"from ({x1}, {y1}) to ({x2}, {y2})"

    alt = (
        f"Plate, asked for {found['action']} {found['food']}. Labelled, green arrow: "
        f"{motion('labelled')}. Answered, pink arrow: {motion('predicted')}"
    )
    lines = [f"Midpoint {tables.rounded(found['centroid_distance'])} of the picture off"]
    if found["uncertainty"] is not None:
        asked = {True: ", a human is asked", False: ", the model acts", None: ""}[found["asked"]]
        lines.append(f"Uncertainty {tables.rounded(found['uncertainty'])}{asked}")
    if found["radius"] is not None:
        alt += f", in a circle with a radius of {found['radius']:.3f} of the picture"
        lines.append(f"Radius of the disc {tables.rounded(found['radius'])} of the picture")
    return {
        **{name: found[name] for name in ("predicted", "labelled", "radius")},
        "address": "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode(),
        "centre": centre,
        "alt": f"{alt}.",
        "title": f"{found['action']} {found['food']}",
        "lines": [*lines, found["picture"]],
    }


def _sentences(document: Document) -> Iterator[str]:
    """The evaluation in a few sentences, with the numbers that decide."""
    data, errors = document["data"], document["errors"]
    yield (
        f"{data['num_samples']} samples of {data['num_pictures']} pictures ({data['name']}, "
        f"{data['split']}) were asked."
    )

    def best_rival(column: str, choose: typing.Callable) -> tuple[str, float] | None:
        rivals = {
            kind: row[column]["mean"]
            for kind, row in errors.items()
            if not kind.startswith(("model", "compared")) and row[column]["mean"] is not None
        }
        return choose(rivals.items(), key=lambda pair: pair[1]) if rivals else None

    figure = errors["model"]["centroid_error"]
    also = [f"95 % interval {tables.interval(figure)}"] if figure["low"] is not None else []
    for unit in ("px", "mm"):
        other = errors["model"].get(f"centroid_error_{unit}")
        also += [f"{other['mean']:.1f} {unit}"] if other else []
    yield (
        f"The model's midpoint is on average {tables.rounded(figure['mean'])} of the picture's "
        f"side ({'; '.join(also)}) from the labelled one."
    )
    rival = best_rival("centroid_error", min)
    if rival:
        yield f"The best answer without a model ({rival[0]}) is {tables.rounded(rival[1])} off."
    hits = errors["model"].get("hit_rate")
    if hits and hits["mean"] is not None:
        text = f"It is on the instructed food in {hits['mean']:.0%} of the samples"
        rival = best_rival("hit_rate", max)
        if rival:
            text += f"; the best answer without a model ({rival[0]}) in {rival[1]:.0%}"
        yield f"{text}."
    default = next((row for row in document["uncertainty"] if row["is_default"]), None)
    gain = default and default["figures"]["gain_20"]
    if gain is not None:
        yield (
            f"Asking a human about the 20% most uncertain plates ({default['label']}) "
            f"{'lowers' if gain >= 0 else 'raises'} the mean error of the rest by {abs(gain):.0%}."
        )
    calibration, comparison = document["calibration"], document["comparison"]
    if calibration:
        yield (
            f"The region that should hold the labelled midpoint in {calibration['nominal']:.0%} of "
            f"the samples holds it in {calibration['disc_coverage']['mean']:.1%}."
        )
    if comparison:
        words = {"better": "nearer", "worse": "farther"}
        verdict = tables.verdict(comparison["columns"]["centroid_error"], "low")
        word = words.get(verdict, "not shown to be nearer or farther")
        yield f"Its midpoints are {word} than those of {comparison['other']}."
