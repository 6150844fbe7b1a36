from __future__ import annotations

from evaluation.report import sections
from tests.evaluation.report import documents

KEYS = [
    *("errors", "comparison", "uncertainty", "curves", "calibration", "shifts", "groups"),
    *("examples", "settings"),
]


def make(document) -> dict[str, sections.Section]:
    found = sections.all_sections(document, documents.document())
    return {section.key: section for section in found}


def test_what_each_section_has():
    found = make(documents.plain_document())
    assert list(found) == KEYS
    numbers = {key: [len(part.tables) for part in section.parts] for key, section in found.items()}
    assert numbers == {
        "errors": [1],
        "comparison": [1],
        "uncertainty": [3],
        "curves": [0, 0],
        "calibration": [2],
        "shifts": [1],
        "groups": [1, 1, 1],
        "examples": [0, 0, 0],
        "settings": [1, 1, 1, 1, 1],
    }
    assert [part.title for part in found["groups"].parts] == ["By action", "By food", "By source"]
    assert [len(part.examples) for part in found["examples"].parts] == [3, 3, 3]
    assert all(part.plot for part in found["curves"].parts)


def test_of_an_empty_document_there_are_no_parts():
    found = make({})
    assert list(found) == KEYS
    assert not any(section.parts for section in found.values())


def test_the_default_is_the_thick_curve():
    document = documents.plain_document()
    for row, is_default in zip(document["uncertainty"], (False, False, True)):
        row["is_default"] = is_default
    widths = [width for *_, width in make(document)["curves"].parts[0].plot.legend]
    assert widths == [1.4, 1.4, 2.6, 1.2, 1.2]


def test_other_groups_come_last():
    document = documents.plain_document()
    groups = document["groups"]
    document["groups"] = {"camera": groups["action"], "food": groups["food"], "action": {}}
    assert [part.title for part in make(document)["groups"].parts] == ["By food", "By camera"]
