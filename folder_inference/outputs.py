"""The files of a run, named after --output_file; each is there whole or not at all.

    results.json  results.csv  results_variances.png  results_sheet.png  results.journal.jsonl

The JSON is written last, so where it is, the others are too.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from folder_inference import contact_sheet, csv_table, overlays, pictures, scoring
from food_data import atomic_files


@dataclasses.dataclass(frozen=True)
class Paths:
    """Where a run writes.

    Attributes:
        json: --output_file.
        overlay_dir: for the overlays, or None.
    """

    json: pathlib.Path
    overlay_dir: pathlib.Path | None = None

    @property
    def csv(self) -> pathlib.Path:
        """The table."""
        return self.json.with_suffix(".csv")

    @property
    def variances(self) -> pathlib.Path:
        """The histograms."""
        return self.json.with_name(f"{self.json.stem}_variances.png")

    @property
    def sheet(self) -> pathlib.Path:
        """The contact sheet."""
        return self.json.with_name(f"{self.json.stem}_sheet.png")

    @property
    def journal(self) -> pathlib.Path:
        """What --resume reads."""
        return self.json.with_suffix(".journal.jsonl")

    def all(self) -> list[pathlib.Path]:
        """Every one of them, as what is no input."""
        files = [self.json, self.csv, self.variances, self.sheet, self.journal]
        return files if self.overlay_dir is None else [*files, self.overlay_dir]


def write(
    document: Mapping[str, Any],
    paths: Paths,
    source: pictures.Pictures | None,
    labels: scoring.Labels,
    sheet_images: int,
    check: Callable[[], None],
) -> None:
    """Writes everything.

    Args:
        document: what the JSON holds.
        paths: where.
        source: has the pictures; None draws none of them.
        labels: picture -> objects, drawn beside the answers.
        sheet_images: largest number of pictures on the contact sheet; 0 for no sheet.
        check: called now and then; what it raises ends the writing.

    Raises:
        OSError: if a file cannot be written.
    """
    answered, failed = document["results"], document["failed_images"]
    sampled = [record for record in answered if "statistics" in record]
    if sampled:
        # Matplotlib takes a second to import.
        from folder_inference import histograms

        histograms.write_histograms(paths.variances, sampled)
    if answered and source is not None:
        if sheet_images:
            contact_sheet.write_contact_sheet(paths.sheet, answered, source, labels, sheet_images)
        if paths.overlay_dir is not None:
            overlays.write_overlays(answered, source, paths.overlay_dir, labels, check)
    check()
    csv_table.write_csv(paths.csv, answered, failed)
    with atomic_files.replace_file(paths.json) as file:
        file.write(_json(document).encode())


def _json(document: Mapping[str, Any]) -> str:
    """JSON with a line for each picture, since the samples of one would fill a page."""
    parts = []
    for name in ("results", "failed_images"):
        entries = ",\n".join(f"  {json.dumps(entry)}" for entry in document[name])
        parts.append(f'"{name}": [\n{entries}\n ]' if entries else f'"{name}": []')
    summary = json.dumps(document["summary"], indent=1).replace("\n", "\n ")
    return "{\n " + ",\n ".join([*parts, f'"summary": {summary}']) + "\n}\n"
