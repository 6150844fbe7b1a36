"""Writes the report of an evaluation: five files, none of them half.

    paths = write(document, "runs/plates/evaluation")
    paths["report.html"]

| file            | what it has                                                    |
|-----------------|----------------------------------------------------------------|
| report.html     | all of it, in one file, for reading on a phone and for printing |
| report.json     | the document without pictures; what is not known is null       |
| errors.csv      | a line for each kind of answer and metric                      |
| groups.csv      | a line for each action, food and source, and metric            |
| uncertainty.csv | a line for each source of uncertainty                          |
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping

from evaluation.report import csv_tables, page, plain_json
from food_data import atomic_files


def write(
    document: Mapping[str, object], directory: str | os.PathLike[str]
) -> dict[str, pathlib.Path]:
    """Writes the files of the module's table; nothing is written if one cannot be made.

    Args:
        document: results of an evaluation, of `plain_json.FORMAT_VERSION`.
        directory: made if it does not exist; files of the same name are replaced.

    Returns:
        {name: path}.

    Raises:
        ValueError: if the document is of another version, has no title, or has a value that no
            file can hold.
        OSError: if a file cannot be written.
    """
    contents = plain_json.plain(document)
    texts = {
        "report.html": page.html(contents, document),
        "report.json": plain_json.as_text(contents),
        **csv_tables.files(contents),
    }
    folder = pathlib.Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        with atomic_files.replace_file(folder / name) as file:
            # File names need not be UTF-8; what is not becomes a question mark.
            file.write(text.encode("utf-8", "replace"))
    return {name: folder / name for name in texts}
