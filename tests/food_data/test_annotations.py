"""Texts in any encoding, pictures wherever they lie, and masks."""

import unicodedata

import numpy as np
import pytest
from PIL import Image

from food_data import annotations


def test_texts_in_any_encoding(tmp_path):
    path = tmp_path / "a.json"
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        path.write_bytes('{"é": "ü"}'.encode(encoding))
        assert annotations.read_json(path, "file") == {"é": "ü"}
    path.write_bytes('{"é": 1}'.encode("cp1252"))
    assert annotations.read_text(path, "file") == ('{"é": 1}', "cp1252")
    for content, message in (
        (b"PK\x03\x04\0\xff", "expected text in UTF-8 or UTF-16"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS pointer"),
        (b"{", "a.json is not JSON"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            annotations.read_json(path, "file")


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


PHOTOS = ("1.jpg", "x/1.jpg", "my_plate.JPG", "déj.jpg", "y/2.jpeg", "z/2.jpg", "u/abc-3.png")


@pytest.mark.parametrize("name, expected", [
    ("x/1.jpg", "x/1.jpg"),
    ("D:\\lab\\x\\1.jpg", "x/1.jpg"),
    ("../../y/1.jpg", "1.jpg"),
    ("images/my%20plate.jpg", "my_plate.JPG"),
    ("/data/local-files/?d=photos/d%C3%A9j.jpg", "déj.jpg"),
    (unicodedata.normalize("NFD", "déj.jpg"), "déj.jpg"),
    ("http://host:8080/data/upload/4/0a1b2c3d-4.jpg?x=1", "4.jpg"),
    ("y/2.jpg", "y/2.jpeg"),
    ("2.jpg", None),
    ("z/1", "1.jpg"),
    ("4", "4.jpg"),
    ("..\\..\\media\\upload\\4\\abc-3.png", "u/abc-3.png"),
    ("media/abc-3.png", None),
    ("x/1.png", None),
    ("absent.jpg", None),
])  # fmt: skip
def test_pictures_are_found_under_all_names_that_tools_give_them(tmp_path, name, expected):
    touch(tmp_path / "photos", *PHOTOS, "4.jpg")
    reading = annotations.Reading(tmp_path / "photos")
    path, source = reading.find(name, tmp_path / "a.json")
    if expected is None:
        assert not path.is_file()
    else:
        assert path == tmp_path / "photos" / expected
        assert source == f"photos/{expected}"
        assert bool(reading.notes) == expected.startswith("u/")


def test_pictures_beside_their_file_and_suggestions(tmp_path):
    touch(tmp_path, "set/images/1.jpg", "set/JPEGImages/2.jpg", "s/images/train/3.jpg")
    touch(tmp_path, "set/annotations/a.json", "s/labels/train/3.txt", "set/a#1.jpg")
    reading, file = annotations.Reading(), tmp_path / "set" / "annotations" / "a.json"
    assert reading.find("1.jpg", file)[1] == "images/1.jpg"
    assert reading.find("2", file)[1] == "JPEGImages/2.jpg"
    assert reading.find("a#1.jpg", tmp_path / "set" / "a.json")[1] == "set/a%231.jpg"
    yolo = tmp_path / "s" / "labels" / "train" / "3.txt"
    assert reading.find("3", yolo)[0] == tmp_path / "s" / "images" / "train" / "3.jpg"
    reading = annotations.Reading(tmp_path / "set")
    assert "Did you mean images/1.jpg" in reading.near(tmp_path / "set" / "11.jpg")


def test_folders_stand_for_their_files(tmp_path):
    touch(tmp_path, "b/2.json", "b/1.JSON", "b/1.jpg", "a.json", "c/d/1.xml")
    paths = [tmp_path / name for name in ("b", "a.json", "b/2.json")]
    found = annotations.annotation_files(paths, ".json")
    assert [file.name for file in found] == ["1.JSON", "2.json", "a.json"]
    (below,) = annotations.annotation_files([tmp_path / "c"], ".xml")
    assert below == tmp_path / "c" / "d" / "1.xml"
    with pytest.raises(FileNotFoundError, match=r"annotations \(.json\) at .*c, found"):
        annotations.annotation_files([tmp_path / "c"], ".json")


def rows(mask):
    return ["".join(".#"[int(pixel)] for pixel in row) for row in mask]


def polygons(*rings, size):
    return annotations.polygon_mask([np.float64(ring) for ring in rings], *size)


def test_polygons_by_hand():
    """The documented triangle; borders on centres: the left one counts, the right one does not."""
    assert rows(polygons([(0, 0), (4, 0), (0, 4)], size=(4, 4))) == ["###.", "##..", "#...", "...."]
    box = [(1.5, 0.9), (3.5, 0.9), (3.5, 3.1), (1.5, 3.1)]
    assert rows(polygons(box, size=(5, 4))) == [".....", ".##..", ".##..", "....."]
    ring, other = [(0, 0), (3, 0), (3, 3), (0, 3)], [(2, 1), (5, 1), (5, 2), (2, 2)]
    united = ["###...", "#####.", "###...", "......"]
    assert rows(polygons(ring[::-1], other, size=(6, 4))) == united
    assert polygons([(-9, -9), (99, -9), (99, 99), (-9, 99)], size=(3, 2)).all()
    assert not polygons([(10, 0), (12, 0), (12, 2)], size=(3, 2)).any()


def test_mask_files(tmp_path):
    path = tmp_path / "m.png"
    Image.fromarray(np.uint8([[[0, 0, 0, 255], [0, 9, 0, 255]]])).save(path)
    assert annotations.file_mask(path, None, 2, 1).tolist() == [[False, True]]
