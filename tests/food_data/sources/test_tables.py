import numpy as np
import pytest
from PIL import Image

from food_data import build_report
from food_data.sources import tables

HEADER = "image,food,x"


def read(folder, text, encoding="utf-8", **options):
    Image.new("RGB", (64, 48)).save(folder / "1.png")
    (folder / "a.csv").write_bytes(text.encode(encoding))
    seen = []

    def axis(row, size):
        seen.append((row.number("x"), size))
        return np.array([[0.0, 0], [row.number("x"), 1]])

    return tables.read_pictures([folder / "a.csv"], ["x"], axis, **options), seen


def test_rows_of_a_picture_are_its_objects(tmp_path):
    text = f"{HEADER},action,note\n1.png,pea,1,scoop,\n2.png, carrot ,2,,x\n1.png,pea,3,,\n"
    Image.new("RGB", (8, 6)).save(tmp_path / "2.png")
    (first, second), seen = read(tmp_path, text)
    assert [one.axis[1, 0] for one in first.objects] == [1, 3]
    assert [one.action for one in first.objects] == ["scoop", None]
    assert [one.label for one in second.objects] == ["carrot"]
    assert (first.size, second.size) == ((64, 48), (8, 6))
    assert seen == [(1, (64, 48)), (3, (64, 48)), (2, (8, 6))]


def test_what_spreadsheets_write(tmp_path):
    (one,), _ = read(tmp_path, f'{HEADER}\r\n"1.png","pea",1\r\n,,\r\n\r\n', "utf-8-sig")
    assert len(one.objects) == 1


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "",
            "a.csv: expected a header with each of image, food, x once; wrong: image, food, x; go",
        ),
        ("image,food\n", "wrong: x; got image, food"),
        ("image,food,x,x\n", "wrong: x"),
        (f"{HEADER}\n1.png,pea\n", "a.csv: line 2: expected 3 values, got 2"),
        (
            f"{HEADER}\n1.png,pea,1\n1.png,,1\n",
            "a.csv: line 3: expected a value for food, got none",
        ),
        (f"{HEADER}\n1.png,pea,one\n", "a.csv: line 2: x: expected a number, got 'one'"),
        (f"{HEADER}\n1.png,pea,inf\n", "a.csv: line 2: x: expected a number, got 'inf'"),
        (f"{HEADER}\n3.png,pea,1\n", "a.csv: line 2: .*3.png cannot be read"),
    ],
)
def test_wrong_lines_are_named(tmp_path, text, message):
    with pytest.raises((ValueError, OSError), match=message):
        read(tmp_path, text)


def test_other_encodings_are_refused(tmp_path):
    with pytest.raises(ValueError, match="a.csv is not CSV in UTF-8"):
        read(tmp_path, f"{HEADER}\n1.png,p\u00e9,1\n", "latin-1")


def test_pictures_that_cannot_be_read_are_counted_if_asked(tmp_path):
    (one,), _ = read(tmp_path, f"{HEADER}\n3.png,pea,1\n", skip_unreadable=True)
    assert (one.objects[0].flaw, one.objects[0].axis) == (build_report.UNREADABLE, None)


@pytest.mark.parametrize(
    "x, y, units, expected",
    [
        ("0", "48", "pixels", [0, 48]),
        ("64", "0.5", "pixels", [64, 0.5]),
        ("0.25", "0.5", "normalised", [16, 24]),
        ("1", "0", "normalised", [64, 0]),
    ],
)
def test_points(x, y, units, expected):
    row = tables.Row({"x": x, "y": y}, "here")
    assert row.point("x", "y", (64, 48), units).tolist() == expected


@pytest.mark.parametrize(
    "x, y, units, message",
    [
        ("64.1", "0", "pixels", "here: x: expected 0 to 64 in units 'pixels', got 64.1"),
        ("0", "-0.1", "pixels", "here: y: expected 0 to 48 in units 'pixels', got -0.1"),
        ("0.5", "24", "normalised", "y: expected 0 to 1 .* got 24. Are these pixels"),
    ],
)
def test_points_outside_the_picture(x, y, units, message):
    with pytest.raises(ValueError, match=message):
        tables.Row({"x": x, "y": y}, "here").point("x", "y", (64, 48), units)
