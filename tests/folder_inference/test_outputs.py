"""The files of a run."""

from __future__ import annotations

import json
import pathlib

import pytest

from folder_inference import outputs, pictures, stopping
from tests.folder_inference import records, stub_server


def go_on():
    """Nobody asks the writing to end."""


def document(*answered, failed=()):
    return {"results": list(answered), "failed_images": list(failed), "summary": {"n": 1}}


def write(tmp_path, found, overlay_dir=None, sheet_images=60, check=go_on, folder=True):
    paths = outputs.Paths(tmp_path / "out" / "r.json", overlay_dir)
    paths.json.parent.mkdir(exist_ok=True)
    source = pictures.FolderPictures(tmp_path / "in") if folder else None
    outputs.write(found, paths, source, {}, sheet_images, check)
    return sorted(path.name for path in paths.json.parent.iterdir())


def test_names():
    paths = outputs.Paths(pathlib.Path("a/r.x.json"), pathlib.Path("o"))
    assert [path.as_posix() for path in paths.all()] == [
        "a/r.x.json",
        "a/r.x.csv",
        "a/r.x_variances.png",
        "a/r.x_sheet.png",
        "a/r.x.journal.jsonl",
        "o",
    ]


def test_with_samples(tmp_path):
    stub_server.solid(tmp_path / "in" / "a.jpg")
    overlays = tmp_path / "drawn"
    names = write(tmp_path, document(records.sampled()), overlays)
    assert names == ["r.csv", "r.json", "r_sheet.png", "r_variances.png"]
    assert [path.name for path in overlays.iterdir()] == ["a.jpg.skewering_banana.jpg"]


def test_without_samples_and_sheet(tmp_path):
    found = document(records.record(), failed=[{"image": "b.jpg", "error": "no picture"}])
    assert write(tmp_path, found, sheet_images=0) == ["r.csv", "r.json"]
    assert write(tmp_path, found, folder=False) == ["r.csv", "r.json"]
    assert json.loads((tmp_path / "out" / "r.json").read_text()) == found
    assert len((tmp_path / "out" / "r.json").read_text().splitlines()) == 11


def test_without_anything(tmp_path):
    assert write(tmp_path, document()) == ["r.csv", "r.json"]
    assert json.loads((tmp_path / "out" / "r.json").read_text()) == document()


def test_the_json_is_written_last(tmp_path):
    def end():
        raise stopping.Stopped("SIGTERM")

    stub_server.solid(tmp_path / "in" / "a.jpg")
    with pytest.raises(stopping.Stopped):
        write(tmp_path, document(records.record()), check=end)
    assert not (tmp_path / "out" / "r.json").exists()
