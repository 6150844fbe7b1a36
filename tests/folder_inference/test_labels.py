"""Labels in both forms, under the server's names."""

from __future__ import annotations

import json

import numpy as np
import pytest

from folder_inference import labels
from tests.folder_inference import stub_server

KNOWN = stub_server.COMBINATIONS


def annotation(file, *objects):
    entries = [
        {"label": label, "axis_start": [9.5, 9.5], "axis_end": [19.5, 9.5]} for label in objects
    ]
    return {"file": file, "objects": entries}


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "new/b.png"):
        stub_server.solid(tmp_path / "in" / name)
    return tmp_path / "in"


def write_json(path, *images):
    path.write_text(json.dumps({"images": images}))
    return path


def test_annotations(folder, tmp_path):
    inside = write_json(folder / "x.json", annotation("new/b.png", "Bananas", "plutonium"))
    outside = write_json(tmp_path / "y.json", annotation("c.png", "banana"))
    files = [inside, outside]
    found, report = labels.read_labels(files, folder, KNOWN, action="Skewer")
    ((name, (one,)),) = found.items()
    assert (name, one.action, one.label) == ("new/b.png", "skewering", "banana")
    np.testing.assert_array_equal(one.axis, [[10, 10], [20, 10]])
    assert report.to_dict() == {
        "used": 1,
        "elsewhere": 1,
        "unknown": {"skewering plutonium": 1},
    }


@pytest.mark.parametrize(
    ("units", "line"), [("pixels", "10,10,20,10"), ("normalised", "0.25,0.5,0.5,0.5")]
)
def test_csv(units, line, folder, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text(f"image,action,food,x1,y1,x2,y2\nnew/b.png,skewering,grapes,{line}\n")
    found, _ = labels.read_labels([table], folder, KNOWN, units=units)
    (one,) = found["new/b.png"]
    assert (one.action, one.label) == ("skewering", "grape")
    np.testing.assert_array_equal(one.axis, [[10, 10], [20, 10]])


def test_an_unreadable_picture_keeps_its_question(folder, tmp_path):
    (folder / "broken.png").write_bytes(b"no picture")
    table = tmp_path / "t.csv"
    table.write_text("image,action,food,x1,y1,x2,y2\nbroken.png,skewering,grape,1,1,2,2\n")
    found, _ = labels.read_labels([table], folder, KNOWN)
    assert found["broken.png"][0].axis is None


def test_a_pair_that_the_server_lacks_is_counted(folder):
    file = write_json(folder / "x.json", annotation("a.png", "rice", "scooping rice"))
    found, report = labels.read_labels([file], folder, KNOWN, action="skewering")
    assert [one.action for one in found["a.png"]] == ["scooping"]
    assert dict(report.unknown) == {"skewering rice": 1}


def test_label_map(folder, tmp_path):
    path = tmp_path / "map.json"
    path.write_text('{"Yellow fruit": "banana", "rock": "stone"}')
    mapping = labels.read_label_map(path)
    assert mapping == {"yellow_fruit": "banana", "rock": "stone"}
    file = write_json(folder / "x.json", annotation("a.png", "yellow fruit", "rock"))
    found, report = labels.read_labels([file], folder, KNOWN, action="skewering", label_map=mapping)
    assert [one.label for one in found["a.png"]] == ["banana"]
    assert dict(report.unknown) == {"skewering rock": 1}


@pytest.mark.parametrize("content", ["[]", '{"a": 1}', "{"])
def test_what_is_no_label_map(content, tmp_path):
    path = tmp_path / "map.json"
    path.write_text(content)
    with pytest.raises(ValueError, match="map.json"):
        labels.read_label_map(path)


def test_errors_name_the_file(folder, tmp_path):
    with pytest.raises(ValueError, match=r"ends in .csv or .json, got .*labels.txt"):
        labels.read_labels([tmp_path / "labels.txt"], folder, KNOWN)
    file = write_json(folder / "x.json", annotation("a.png", "grape"))
    with pytest.raises(ValueError, match="expected an action, got none"):
        labels.read_labels([file], folder, KNOWN)
