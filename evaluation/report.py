"""The document of `study` for people and programs: text, one page and JSON.

    print(report.text(document))
    paths = report.write(document, "runs/plates/evaluation")
    paths["report.html"]

| file            | what it has                                                     |
|-----------------|-----------------------------------------------------------------|
| report.html     | all of it, in one file, for reading on a phone and for printing |
| report.json     | the document without pictures; what is not known is null        |
"""

from __future__ import annotations

import base64
import io
import itertools
import json
import math
import os
import pathlib
import re
import typing
from collections.abc import Iterable, Mapping, Sequence

import cv2
import numpy as np

from food_data import atomic_files, drawing

_FOLDER = pathlib.Path(__file__).parent
_ERRORS = ("centroid_mae", "bbox_mae", "angle_mae_mod180_deg")
_ERRORS += ("hit_rate", "nearest_item_rate", "right_rate")
_GROUPS = ("centroid_mae", "angle_mae_mod180_deg", "hit_rate")
_FIGURES = ("auroc", "relative_ause", "gain_20", "spearman", "nll", "calibration_error")
_FIGURES += ("coverage_50", "coverage_90", "coverage_95")
# Drawn in a place-holder that becomes the colour of the page's text.
_INK = "#010101"
_COLOURS = ("#2a8f6b", "#d0601f", "#4a7de0", "#c04ab0", "#94800c", "#1e8ba1")

Document = Mapping[str, typing.Any]
Figure = Mapping[str, float | None]


def plain(value: object) -> typing.Any:
    """The value in JSON types: None for NaN and infinity, lists for arrays; entries 'image' of
    dictionaries, which are pictures, are left out."""
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items() if key != "image"}
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def json_text(value: object) -> str:
    """A JSON file's text of `plain` values."""
    return json.dumps(plain(value), indent=1, allow_nan=False) + "\n"


def number(value: float | None, digits: int | None = None) -> str:
    """With so many decimals, else four, or one from 10 on; '-' for what is not known."""
    if value is None or not math.isfinite(value):
        return "-"
    digits = (1 if abs(value) >= 10 else 4) if digits is None else digits
    text = f"{value:.{digits}f}"
    return text if text.strip("-0.") else text.removeprefix("-")


def interval(found: Figure | None) -> str:
    """'0.0165 [0.0158, 0.0173]'; '-' for what is not known, and no brackets without ends."""
    if found is None or found["mean"] is None or not math.isfinite(found["mean"]):
        return "-"
    mean, low, high = (found[name] for name in ("mean", "low", "high"))
    digits = 1 if abs(mean) >= 10 else 4
    known = low is not None and high is not None and math.isfinite(low + high)
    ends = f" [{low:.{digits}f}, {high:.{digits}f}]" if known else ""
    return f"{mean:.{digits}f}{ends}"


def table(lines: Sequence[Sequence[str]]) -> str:
    """Cells in columns, the first to the left, the others to the right."""
    first, *others = zip(*lines)
    columns = [[cell.ljust(max(map(len, first))) for cell in first]]
    columns += [[cell.rjust(max(map(len, column))) for cell in column] for column in others]
    return "\n".join("  ".join(line).rstrip() for line in zip(*columns))


def text(document: Document) -> str:
    """All of it but the examples, some 120 columns wide; parts that are empty are left out."""
    parts = [table(_errors(document["errors"], _ERRORS))]
    for kind, rows in document["groups"].items():
        if len(rows) > 1:
            parts.append(table(_errors(rows, _GROUPS, kind)))
    if compared := document["comparison"]:
        lines = table(_comparison(compared, _ERRORS))
        parts.append(f"minus {compared['other']}, on the same samples:\n{lines}")
    if document["uncertainty"]:
        parts.append(table(_sources(document["uncertainty"], _FIGURES)))
    if document["calibration"]:
        parts.append(calibration_text(document["calibration"]))
    if document["shifts"]:
        parts.append(table(_shifts(document["shifts"])))
    return "\n\n".join(parts)


def _errors(rows: Mapping[str, Document], names: Iterable[str], kind: str = "") -> list[list[str]]:
    """A line for each row, a column for each metric that any of them has; with a `kind` of group
    also the number of samples."""
    columns = [name for name in names if any(name in row for row in rows.values())]
    lines = [[*([kind, "n"] if kind else ["mean [95 % interval]"]), *columns]]
    for name, row in rows.items():
        counts = [str(row["n"])] if kind else []
        lines.append([name, *counts, *(interval(row.get(column)) for column in columns)])
    return lines


def _comparison(compared: Document, names: Iterable[str]) -> list[list[str]]:
    known = [(name, compared["columns"][name]) for name in names if name in compared["columns"]]
    lines = [[name, interval(row)] for name, row in known]
    return [["", "difference [95 % interval]"], *lines]


def _sources(rows: Sequence[Document], names: Sequence[str]) -> list[list[str]]:
    """A line for each source and score, the default one with a star."""
    lines = [["uncertainty", "score", *names]]
    for row in rows:
        figures = [number(row["figures"].get(name), 3) for name in names]
        lines.append([row["label"] + " *" * row["is_default"], row["score"], *figures])
    return lines


def _shifts(rows: Sequence[Document]) -> list[list[str]]:
    lines = [["plates", "n", "auroc", "asked", "uncertainty"]]
    for row in rows:
        figures = [number(row[name], 3) for name in ("auroc", "asked_share")]
        lines.append([row["name"], str(row["n"]), *figures, number(row["mean_uncertainty"], 4)])
    return lines


def calibration_text(found: Document) -> str:
    """What uncertainty.json is worth on these samples, `calibration_fit.figures`."""
    fitted_on, nominal = found["fitted_on"], found["nominal"]
    lines = [
        f"uncertainty.json ({fitted_on['source']}, {fitted_on['score']}, fitted on "
        f"{fitted_on['num_calibration_samples']} samples of {fitted_on['num_pictures']} pictures):",
        f"  median radius {found['median_radius']:.4f} of the picture; asked about "
        f"{found['asked_share']:.1%} (target: {found['target']})",
    ]
    if not found["meets_floor"]:
        lines.append("  it misses its floor: servers ask about every answer")
    for kind, name in (("disc", "discs"), ("both", "discs with sectors"), ("box", "boxes")):
        if f"{kind}_coverage" in found:
            held = interval(found[f"{kind}_coverage"])
            lines.append(f"  {name} that promise {nominal:.0%} hold {held} of the labels")
    lines += [
        f"  mean distance of the midpoints {found['error_of_all']:.4f}, of the answered "
        f"{number(found['error_of_answered'], 4)}; gain {number(found['gain'], 3)}",
        f"  wrong {found['wrong_of_all']:.3f}, of the answered "
        f"{number(found['wrong_of_answered'], 3)}",
    ]
    if (chance := found["chance"]) is not None:
        lines.append(
            f"  chance to be right {chance['mean']:.3f}, right {chance['right']:.3f}; "
            f"calibration error {interval(chance['ece'])}; "
            f"AUROC of wrong answers {number(chance['auroc'], 3)}"
        )
    if fitted_on["pieces"] == "labelled":
        lines.append("  it was fitted to the labelled piece alone; run calibrate.py again")
    return "\n".join(lines)


def write(document: Document, directory: str | os.PathLike[str]) -> dict[str, pathlib.Path]:
    """Writes the files of the module's table; nothing is written if one cannot be made.

    Args:
        document: of `study.run`, with title, created, data, checkpoint, settings and versions.
        directory: made if it does not exist; files of the same name are replaced.

    Returns:
        {name: path}. Raises OSError if a file cannot be written.
    """
    folder = pathlib.Path(directory)
    texts = {"report.html": _html(document), "report.json": json_text(document)}
    folder.mkdir(parents=True, exist_ok=True)
    for name, contents in texts.items():
        with atomic_files.replace_file(folder / name) as file:
            # File names need not be UTF-8; what is not becomes a question mark.
            file.write(contents.encode("utf-8", "replace"))
    return {name: folder / name for name in texts}


def _html(document: Document) -> str:
    """The page, which needs no other file."""
    import jinja2  # Here, as Matplotlib below: not needed to print.
    import markupsafe

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    examples = {
        kind: [_example(one) for one in chosen]
        for kind, chosen in document["examples"].items()
        if chosen
    }
    known = plain(document)
    lines = _errors(known["errors"], known["metrics"])
    names = [f"{metric['label']} ({metric['unit']})" for metric in known["metrics"].values()]
    return environment.get_template("report.html.jinja").render(
        document={**known, "examples": examples},
        style=markupsafe.Markup((_FOLDER / "report.css").read_text(encoding="utf-8")),
        # Many metrics, few kinds of answers.
        errors=list(zip(*[[lines[0][0], *names], *lines[1:]])),
        groups={kind: _errors(rows, _GROUPS, kind) for kind, rows in known["groups"].items()},
        comparison=_comparison,
        sources=_sources,
        calibration_text=calibration_text,
        shifts=_shifts,
        plot=lambda *curve: markupsafe.Markup(_plot(*curve)),
    )


def _plot(curves: Sequence[Mapping[str, typing.Any]], name: str, x: str, y: str) -> str:
    """SVG to stand in the page, in which no text of the document is markup."""
    from matplotlib import figure, rc_context
    from matplotlib.backends import backend_svg

    inks = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    style = {"svg.fonttype": "none", "svg.hashsalt": name, **dict.fromkeys(inks, _INK)}
    file = io.BytesIO()
    with rc_context(style):
        sheet = figure.Figure(figsize=(4.6, 4.2), layout="constrained")
        backend_svg.FigureCanvasSVG(sheet)
        axis = sheet.subplots()
        for curve, colour in zip(curves, itertools.cycle(_COLOURS)):
            axis.plot(curve[x], curve[y], color=colour, label=curve["label"])
            if name == "risk":
                axis.plot(curve[x], curve["oracle"], color=colour, linestyle=":", linewidth=1)
        if name == "risk":
            axis.plot([0, 1], [curves[0]["random"]] * 2, color=_INK, linestyle="--", label="random")
            axis.set(xlabel="share answered", ylabel="mean error (oracle dotted)")
        else:
            axis.plot([0, 1], [0, 1], color=_INK, linestyle="--", label="perfect")
            axis.set(xlabel="expected share", ylabel="observed share of labels")
        axis.set(xlim=(0, 1), ylim=(0, None if name == "risk" else 1))
        sheet.legend(loc="outside lower center", ncols=2, frameon=False)
        unnamed = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        sheet.savefig(file, format="svg", transparent=True, metadata=unnamed)
    text = file.getvalue().decode()
    # A style sheet inside would hold for the whole page, and an id may be there once in it.
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, flags=re.DOTALL)
    opening = f'<svg role="img" aria-label="{name}: {y} over {x}" viewBox='
    text = re.sub(r"<svg [^>]*viewBox=(\"[^\"]*\")[^>]*>", opening + r"\1>", text, count=1)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text[text.index("<svg") :])
    return text.replace(_INK, "currentColor").replace("xlink:href", "href")


def _example(found: Mapping[str, typing.Any]) -> dict[str, typing.Any]:
    """One of the document's examples: its picture with both motions, and what is said below it."""
    size = (2 * found["image"].shape[1], 2 * found["image"].shape[0])
    picture = cv2.resize(found["image"], size, interpolation=cv2.INTER_CUBIC)
    lines = [f"Midpoint {number(found['centroid_distance'])} of the picture off"]
    if found["uncertainty"] is not None:
        asked = {True: ", a human is asked", False: ", the model acts", None: ""}[found["asked"]]
        lines.append(f"Uncertainty {number(found['uncertainty'])}{asked}")
    if found["radius"] is not None:
        lines.append(f"Radius of the disc {number(found['radius'])} of the picture")
        centre = np.rint(np.reshape(found["predicted"], (2, 2)).mean(axis=0) * size).astype(int)
        radius = int(round(found["radius"] * size[0]))
        for colour, line in (((0, 0, 0), 4), ((255, 255, 255), 2)):
            cv2.circle(picture, centre.tolist(), radius, colour, line, cv2.LINE_AA)
    colours = {"labelled": drawing.ARROW_COLOUR, "predicted": drawing.START_COLOUR}
    for name, colour in colours.items():
        picture = drawing.draw_motion(picture, found[name], colour, dots=(), outlined=True)
    _, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    title = f"{found['action']} {found['food']}"
    ends = {name: np.round(found[name], 2).tolist() for name in ("labelled", "predicted")}
    return {
        "address": "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode(),
        "alt": f"Plate, asked for {title}; labelled {ends['labelled']}, answered "
        f"{ends['predicted']}.",
        "title": title,
        "lines": [*lines, found["picture"]],
    }
