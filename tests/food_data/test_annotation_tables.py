"""Tables and YOLO's text files, in the dialects that people's programs write."""

import numpy as np
import pytest
from PIL import Image

from food_data import annotation_tables, annotations


@pytest.fixture
def reading():
    return annotations.Reading()


@pytest.fixture
def table(tmp_path):
    Image.new("RGB", (640, 480)).save(tmp_path / "1.png")
    Image.new("RGB", (8, 6)).save(tmp_path / "2.png")

    def write(*lines, header="image,food,x1,y1,x2,y2,action,note", encoding="utf-8"):
        (tmp_path / "a.csv").write_bytes("\r\n".join([header, *lines]).encode(encoding))
        return [tmp_path / "a.csv"]

    return write


def test_csv_lines_of_a_picture_are_its_objects(table, reading):
    paths = table(
        "1.png,pea,16,12,48,480,scoop,", ",,,,,,,", '2.png," banana ",8,0.5,1,2,,x', "",
        "1.png,pea,3,3,4,4,,",
    )  # fmt: skip
    first, second = annotation_tables.read_csv(paths, reading, "pixels")
    assert [one.action for one in first.objects] == ["scoop", None]
    assert first.objects[0].axis.tolist() == [[16, 12], [48, 480]]
    (banana,) = second.objects
    assert (banana.label, banana.axis.tolist()) == ("banana", [[8, 0.5], [1, 2]])
    assert (first.size, second.size) == ((640, 480), (8, 6))
    paths = table("1.png,pea,0.25,0.5,1,0,7", header="image,food,x1,y1,x2,y2,group")
    (normalised,) = annotation_tables.read_csv(paths, reading, "normalised")
    assert normalised.objects[0].axis.tolist() == [[160, 240], [640, 0]]
    assert normalised.group == "7"
    annotation_tables.read_csv(table(header="image,food,x1,y1,x2,y2,Rotation"), reading, "pixels")
    assert reading.notes == {"rotation not read": 1}


@pytest.mark.parametrize("lines, encoding", [
    (["image;food;x1;y1;x2;y2", "1.png;pea;110,5;70;210;170"], "utf-8-sig"),
    (["image\tfood\tx1\ty1\tx2\ty2", "1.png\tpea\t110.5\t70\t210\t170"], "utf-16"),
    (["sep=;", "image;food;x1;y1;x2;y2", "1.png;pea;110,5;70;210;170"], "cp1252"),
    (["Image,Food,X1,y1,x2,y2", '1.png,pea,"110,5",70,210,170'], "utf-8"),
    (["image|food|x1|y1|x2|y2|größe", "1.png|pea|110.50|7e1|210|170|"], "cp1252"),
])  # fmt: skip
def test_csv_dialects(table, reading, lines, encoding):
    paths = table(*lines[1:], header=lines[0], encoding=encoding)
    (picture,) = annotation_tables.read_csv(paths, reading, "pixels")
    assert picture.objects[0].axis.tolist() == [[110.5, 70], [210, 170]]
    assert ("tables with decimal commas" in reading.notes) == ("110,5" in lines[-1])
    assert ("Windows-1252" in "".join(reading.notes)) == ("größe" in lines[0])


@pytest.mark.parametrize("line, message", [
    ("1.png,pea", "a.csv: line 2: expected 8 values separated by ',', .*got .*'pea'"),
    ("1.png,,1,1,1,1,,", "a.csv: line 2: expected .* and image, food, x1"),
    ("1.png,pea,one,1,1,1,,", "a.csv: line 2: expected x1, y1, .*got one, 1, 1, 1"),
    ("1.png,pea,7_0,1,1,1,,", "a.csv: line 2: expected x1, .*got 7_0"),
    ('1.png,pea,"1,105",1,1,1,,', "line 2: .* got '1,105': a comma between thousands"),
    ("1.png,pea,1,1,1,480.1,,", "in 0..640 and 0..480 in units 'pixels', got 1, 1, 1, 480.1"),
    ("1.png,pea,-0.1,1,1,1,,", "in 0..640 .* got -0.1, .*--labels_on sensor"),
    ("3.png,pea,1,1,1,1,,", "a.csv: line 2: .*3.png cannot be read.*"),
])  # fmt: skip
def test_csv_wrong_lines_are_named(table, reading, line, message):
    with pytest.raises((ValueError, OSError), match=message):
        annotation_tables.read_csv(table(line), reading, "pixels")


def test_csv_wrong_headers_and_pictures_that_are_skipped(table):
    reading = annotations.Reading(skip_unreadable=True)
    for header in ("image,food,x1,y1,x2", "image,food,x1,x1,y1,x2,y2", ""):
        with pytest.raises(ValueError, match="a.csv: expected a header with .* by ','"):
            annotation_tables.read_csv(table(header=header), reading, "pixels")
    (skipped,) = annotation_tables.read_csv(table("3.png,pea,1,1,1,1,,"), reading, "pixels")
    assert (skipped.objects[0].flaw, skipped.objects[0].axis) == ("picture unreadable", None)


@pytest.fixture
def yolo(tmp_path, reading):
    """A data set as Roboflow and Ultralytics lay it out; pictures of 100 x 50."""
    (tmp_path / "train" / "images").mkdir(parents=True)
    (tmp_path / "train" / "labels").mkdir()
    Image.new("RGB", (100, 50)).save(tmp_path / "train" / "images" / "1.PNG")

    def call(*lines, names="names: [banana, 'green bean']\nnc: 2", file="data.yaml", **options):
        (tmp_path / file).write_text(names)
        (tmp_path / "train" / "labels" / "1.txt").write_text("\n".join(lines))
        return annotation_tables.read_yolo([tmp_path], reading, **options)

    return call


def test_yolo_boxes_polygons_and_turned_boxes(yolo, reading):
    (picture,) = yolo(
        "1 0.5 0.5 0.2 0.1",
        "0 0.1 0.2 0.3 0.2 0.3 0.6",
        "0 0.1 0.2 0.3 0.2 0.3 0.6 0.1 0.6",
        "0 0.1 0.2 0.3 0.2 0.5 0.6 0.1 0.6",
        "7 0.5 0.5 0.2 0.1",
        "0 0.5 0.5 0.2 0.1 0.93",
        "0 50 25 20 5",
    )
    assert (picture.size, picture.path.name) == ((100, 50), "1.PNG")
    box, polygon, turned, four, unknown, confident, pixels = picture.objects
    assert (box.label, box.box.tolist()) == ("green bean", [[40, 22.5], [60, 27.5]])
    assert polygon.rings[0].tolist() == [[10, 10], [30, 10], [30, 30]]
    np.testing.assert_allclose(turned.box, [[10, 10], [30, 10], [30, 30], [10, 30]])
    assert (len(four.rings), four.box, unknown.label) == (1, None, "class 7")
    assert confident.flaw.startswith("lines that are neither box nor polygon")
    assert pixels.flaw.startswith("numbers above 1")


@pytest.mark.parametrize("names, file", [
    ("names:\n- banana\n- pea\n", "data.yaml"),
    ("path: .\nnames:\n  0: banana\n  1: pea  # green\nnc: 2", "train/data.yaml"),
    ("names: {0: banana, 1: 'pea'}", "data.yaml"),
    ("nc: 2\nnames: [\n  'banana', \"pea\",\n]\n", "data.yaml"),
    ("banana\npea\n", "train/labels/classes.txt"),
    ("banana\r\npea", "obj.names"),
])  # fmt: skip
def test_yolo_class_names(yolo, names, file):
    (picture,) = yolo("0 0.5 0.5 0.2 0.1", "1 0.5 0.5 0.2 0.1", names=names, file=file)
    assert [one.label for one in picture.objects] == ["banana", "pea"]


def test_yolo_keypoints_wrong_files_and_absent_names(yolo, tmp_path, reading):
    (picture,) = yolo("0 0.5 0.5 0.2 0.1 0.4 0.5", names="names: [banana]\nkpt_shape: [1, 2]")
    assert picture.objects[0].box.tolist() == [[40, 22.5], [60, 27.5]]
    assert reading.notes == {"keypoints not read": 1}
    with pytest.raises(ValueError, match="1.txt: expected lines of numbers, .*Export others"):
        yolo("hello world")
    with pytest.raises(ValueError, match="data.yaml: expected a list or a table `names`"):
        yolo("0 0.5 0.5 0.2 0.1", names="nc: 1")
    (tmp_path / "data.yaml").unlink()
    with pytest.raises(ValueError, match="expected the names of the classes .* --class_names"):
        yolo("0 0.5 0.5 0.2 0.1", file="other.names")
    options = {"file": "other.names", "class_names": tmp_path / "other.names"}
    assert yolo("0 0.5 0.5 0.2 0.1", names="pea", **options)[0].objects[0].label == "pea"
