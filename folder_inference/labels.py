"""Labels of the folder's pictures: what is asked, and what the answers are compared with.

Files in .csv hold points (`food_data/annotation_formats.py`; the pictures are in the input folder),
files in .json annotations (`food_data/annotations.py`; the pictures lie beside the file).
"""

from __future__ import annotations

import collections
import dataclasses
import pathlib
from collections.abc import Iterable, Mapping, Sequence

from food_data import annotation_formats, annotations, dataset_builder, vocabulary

Labels = dict[str, list[annotations.LabelledObject]]


@dataclasses.dataclass
class LabelReport:
    """What became of the labelled objects.

    Attributes:
        used: as many objects.
        elsewhere: objects of pictures that are not in the folder.
        unknown: "action label" -> objects that the server cannot be asked about.
    """

    used: int = 0
    elsewhere: int = 0
    unknown: collections.Counter = dataclasses.field(default_factory=collections.Counter)

    def to_dict(self) -> dict[str, object]:
        """Ready for JSON."""
        return {**dataclasses.asdict(self), "unknown": dict(sorted(self.unknown.items()))}


def server_names(combinations: Iterable[tuple[str, str]]) -> vocabulary.Vocabulary:
    """The actions and foods of a server, with the variants that the shipped vocabulary has."""
    known = list(combinations)
    return vocabulary.Vocabulary(
        {action: vocabulary.BASE.actions.get(action, ()) for action, _ in known},
        {food: vocabulary.BASE.foods.get(food, ()) for _, food in known},
    )


def read_labels(
    files: Sequence[pathlib.Path],
    folder: pathlib.Path,
    combinations: Iterable[tuple[str, str]],
    *,
    action: str | None = None,
    label_map: Mapping[str, str] | None = None,
    units: str = "pixels",
) -> tuple[Labels, LabelReport]:
    """Reads label files.

    Args:
        files: in .csv or .json.
        folder: with the pictures.
        combinations: (action, food) that the server can be asked about.
        action: of objects that name none.
        label_map: normalised label -> food, see `read_label_map`.
        units: of points in .csv, "pixels" or "normalised".

    Returns:
        Picture, relative to the folder with "/" -> its objects, their actions and labels as the
        server calls them; and what was left out.

    Raises:
        OSError, ValueError: if a file is not of its form; the message names it.
        vocabulary.UnknownNameError: if there is no such action.
    """
    known = set(combinations)
    names = server_names(known)
    found: Labels = {}
    report = LabelReport()
    for picture in dataset_builder.resolve_actions(_pictures(files, folder, units), action, names):
        try:
            name = picture.path.resolve().relative_to(folder.resolve()).as_posix()
        except ValueError:
            report.elsewhere += len(picture.objects)
            continue
        for one in picture.objects:
            food = _food(one.label, label_map or {}, names)
            if (one.action, food) in known:
                found.setdefault(name, []).append(dataclasses.replace(one, label=food))
                report.used += 1
            else:
                report.unknown[f"{one.action} {one.label}"] += 1
    return found, report


def read_label_map(path: pathlib.Path) -> dict[str, str]:
    """Reads {"baby carrot": "carrot"}, a JSON file. Raises OSError or ValueError.

    Foods that the server does not know may be in it: it is written for a collection of pictures.
    """
    content = annotations.read_json(path, "label map")
    if not isinstance(content, dict) or not all(isinstance(food, str) for food in content.values()):
        raise ValueError(f"{path}: expected {{label: food}}, got {str(content)[:80]}.")
    return {vocabulary.normalise(label): food for label, food in content.items()}


def _pictures(
    files: Sequence[pathlib.Path], folder: pathlib.Path, units: str
) -> list[annotations.LabelledPicture]:
    pictures = []
    for file in files:
        if file.suffix.lower() == ".json":
            pictures += annotations.read_annotations([file])
        elif file.suffix.lower() == ".csv":
            # The server says what is wrong with an unreadable picture, and goes on.
            pictures += annotation_formats.read_csv([file], units, folder, skip_unreadable=True)
        else:
            raise ValueError(f"Expected labels in a file that ends in .csv or .json, got {file}.")
    return pictures


def _food(label: str, label_map: Mapping[str, str], names: vocabulary.Vocabulary) -> str | None:
    try:
        return names.canonical_food(label_map.get(vocabulary.normalise(label), label))
    except vocabulary.UnknownNameError:
        return None
