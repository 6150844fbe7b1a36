"""Every answered picture is drawn, none over another."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from folder_inference import overlays, pictures, stopping
from food_data import annotations
from tests.folder_inference import records, stub_server


def go_on():
    """Nobody asks the drawing to end."""


def test_equal_stems_and_foods_have_files_of_their_own(tmp_path):
    folder, drawn = tmp_path / "in", tmp_path / "out"
    entries = [records.record(name, size=(40, 20)) for name in ("a.jpg", "a.png", "new/a.png")]
    entries.append({**entries[0], "input_food_type": "green beans"})
    for entry in entries:
        stub_server.solid(folder / entry["image"])
    assert overlays.write_overlays(entries, pictures.FolderPictures(folder), drawn, {}, go_on) == 4
    assert sorted(p.relative_to(drawn).as_posix() for p in drawn.rglob("*.jpg")) == [
        "a.jpg.skewering_banana.jpg",
        "a.jpg.skewering_green_beans.jpg",
        "a.png.skewering_banana.jpg",
        "new/a.png.skewering_banana.jpg",
    ]
    with Image.open(drawn / "a.jpg.skewering_banana.jpg") as picture:
        assert picture.size == (40, 20)


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ({"input_action": None, "input_food_type": None, "input_text": "eat/it!"}, "eat_it_"),
        ({"input_action": None, "input_food_type": None}, "answer"),
        ({"input_food_type": "x" * 99}, "skewering_" + 50 * "x"),
    ],
)
def test_names_without_surprises(asked, name):
    assert overlays.overlay_name({**records.record(), **asked}) == f"a.jpg.{name}.jpg"


def test_a_picture_that_has_gone_is_left_out(tmp_path):
    stub_server.solid(tmp_path / "a.jpg")
    entries = [records.record("gone.jpg"), records.record("a.jpg")]
    source = pictures.FolderPictures(tmp_path)
    assert overlays.write_overlays(entries, source, tmp_path / "out", {}, go_on) == 1


def test_labels_that_were_asked_for_are_drawn(tmp_path):
    stub_server.solid(tmp_path / "a.png", (0, 0, 0), (200, 100))
    labels = {
        "a.png": [
            annotations.LabelledObject("banana", np.array([[0, 90], [200, 90]]), "skewering"),
            annotations.LabelledObject("grape", np.array([[0, 20], [200, 20]]), "skewering"),
            annotations.LabelledObject("banana", None, "skewering"),
        ]
    }
    source = pictures.FolderPictures(tmp_path)
    picture = overlays.drawn(records.record("a.png"), source, labels)
    assert picture.getpixel((100, 90)) == (255, 255, 255)
    assert picture.getpixel((100, 20)) == (0, 0, 0)
    small = overlays.drawn(records.record("a.png"), source, {}, largest_px=50)
    assert small.size == (50, 25)


def test_drawing_ends_when_asked_to(tmp_path):
    def end():
        raise stopping.Stopped("SIGTERM")

    stub_server.solid(tmp_path / "a.jpg")
    source = pictures.FolderPictures(tmp_path)
    with pytest.raises(stopping.Stopped):
        overlays.write_overlays([records.record()], source, tmp_path / "out", {}, end)
    assert list((tmp_path / "out").iterdir()) == []
