"""The sheet shows a choice of the answers."""

from __future__ import annotations

import pytest
from PIL import Image

from folder_inference import contact_sheet, pictures
from tests.folder_inference import records, stub_server


def images(chosen):
    return [entry["image"] for entry in chosen]


def test_few_answers_are_all_shown():
    assert images(contact_sheet.choose([records.record(n) for n in "abc"], 3)) == ["a", "b", "c"]


def test_of_many_evenly_spaced_ones():
    assert images(contact_sheet.choose([records.record(n) for n in "abcde"], 3)) == ["a", "c", "e"]


def test_of_many_samples_the_least_certain_come_first():
    variances = {"a": 0.1, "b": 0.9, "c": 0.2, "d": 0.8, "e": 0.3, "f": 0.0}
    entries = [records.sampled(name, variance) for name, variance in variances.items()]
    assert images(contact_sheet.choose(entries, 4)) == ["b", "d", "a", "f"]


def test_of_judged_answers_the_most_doubted_come_first():
    scores = {"a": 0.1, "b": 0.9, "c": 0.2, "d": 0.8, "e": 0.3, "f": 0.0}
    entries = [records.judged(name, -score, score) for name, score in scores.items()]
    assert images(contact_sheet.choose(entries, 4)) == ["b", "d", "a", "f"]


def test_captions():
    asked = records.judged(asks=True)
    assert contact_sheet.caption(asked)[1] == "skewering banana: ask a person"
    assert contact_sheet.caption(records.judged())[1] == "skewering banana, var 0.0400"
    assert contact_sheet.caption(records.record()) == ("a.jpg", "skewering banana")
    name = "a/very/long/name/of/a/picture/0123456789.jpg"
    assert contact_sheet.caption(records.sampled(name)) == (
        "...e/of/a/picture/0123456789.jpg",
        "skewering banana, var 0.0400",
    )
    assert contact_sheet.caption(records.record("\u6881.jpg"))[0] == "?.jpg"


@pytest.mark.parametrize(("number", "size"), [(1, (240, 276)), (7, (1440, 552))])
def test_six_in_a_row(number, size, tmp_path):
    entries = [records.record(f"{i}.png") for i in range(number)]
    for entry in entries[1:]:
        stub_server.solid(tmp_path / entry["image"])
    stub_server.solid(tmp_path / "0.png", (10, 20, 30), (100, 50))
    source = pictures.FolderPictures(tmp_path)
    contact_sheet.write_contact_sheet(tmp_path / "sheet.png", entries, source, {}, 60)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == size
        assert sheet.getpixel((120, 80)) == (10, 20, 30)


def test_a_picture_that_has_gone_leaves_its_place_empty(tmp_path):
    sheet = tmp_path / "sheet.png"
    source = pictures.FolderPictures(tmp_path)
    contact_sheet.write_contact_sheet(sheet, [records.record("gone.jpg")], source, {}, 60)
    assert sheet.exists()
