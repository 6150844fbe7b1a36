"""report.html: the sections laid out in one file that needs no other."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

import jinja2
import markupsafe

from evaluation.report import sections, summary

_FOLDER = pathlib.Path(__file__).parent


def html(document: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """The page.

    Args:
        document: as `plain_json.plain` gives it.
        given: the document with its pictures.

    Returns:
        HTML that needs no other file.

    Raises:
        ValueError: if an example has no picture of the right kind.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found = sections.all_sections(document, given)
    return environment.get_template("report.html.jinja").render(
        document=document,
        style=markupsafe.Markup((_FOLDER / "report.css").read_text(encoding="utf-8")),
        sentences=summary.sentences(document),
        sections=[section for section in found if section.parts],
        absent=[section.title for section in found if not section.parts],
        svg=markupsafe.Markup,
    )
