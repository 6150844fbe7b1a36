import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from food_data.sources import labelme

POLYGON = [[1, 1], [3, 1], [3, 3], [1, 3]]


def shape(kind="polygon", points=POLYGON, label="carrot", **more):
    return {"label": label, "shape_type": kind, "points": points, "group_id": None, **more}


def write(folder, *entries, **changes):
    content = {
        "version": "5.4.1",
        "imagePath": "..\\photos\\1.jpg",
        "imageWidth": 6,
        "imageHeight": 4,
        "imageData": None,
        "shapes": list(entries),
        **changes,
    }
    path = folder / "1.json"
    path.write_text(json.dumps(content))
    return path


def read(folder, *entries, **changes):
    (picture,) = labelme.read_labelme([write(folder, *entries, **changes)])
    return picture.objects


def png(rows):
    file = io.BytesIO()
    Image.fromarray(255 * np.uint8(rows)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def test_picture_and_size(tmp_path):
    (picture,) = labelme.read_labelme([write(tmp_path)])
    assert picture.path.resolve() == tmp_path.parent / "photos" / "1.jpg"
    assert (picture.size, picture.objects) == ((6, 4), ())
    (unknown,) = labelme.read_labelme([write(tmp_path, imageWidth=None)])
    assert unknown.size is None


def test_every_kind_of_shape(tmp_path):
    polygon, line, strip, circle, rectangle, patch, point = read(
        tmp_path,
        shape(),
        shape("line", [[1, 2.5], [5, 3]]),
        shape("linestrip", [[5, 3], [1, 2]]),
        shape("circle", [[3, 2], [4.4, 2]]),
        shape("rectangle", [[5, 1], [2, 3.5]]),
        shape("mask", [[4, 1], [5, 2]], mask=png([[1, 0], [1, 1]])),
        shape("point", [[1, 1]]),
    )
    square = [[0] * 6, [0, 1, 1, 0, 0, 0], [0, 1, 1, 0, 0, 0], [0] * 6]
    assert polygon.mask(6, 4).astype(int).tolist() == square
    assert line.axis.tolist() == [[1, 2.5], [5, 3]]
    assert strip.axis.tolist() == [[5, 3], [1, 2]]
    disc = [[0, 0, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0], [0, 0, 1, 1, 0, 0], [0] * 6]
    assert circle.mask(6, 4).astype(int).tolist() == disc
    assert rectangle.box.tolist() == [[2, 1], [5, 3.5]]
    assert rectangle.shape is None
    corner = [[0] * 6, [0, 0, 0, 0, 1, 0], [0, 0, 0, 0, 1, 1], [0] * 6]
    assert patch.mask(6, 4).astype(int).tolist() == corner
    assert point.flaw == "shape type point"


def test_a_shape_without_a_type_is_a_polygon(tmp_path):
    (one,) = read(tmp_path, {"label": "pea", "points": POLYGON})
    assert one.mask(6, 4).sum() == 4


def test_a_group_is_one_object(tmp_path):
    first, other, alone = read(
        tmp_path,
        shape(group_id=1),
        shape(group_id=2),
        shape(),
        shape("polygon", [[4, 0], [5, 0], [5, 1], [4, 1]], group_id=1),
        shape("line", [[1, 1], [5, 1]], group_id=1),
        shape("point", [[1, 1]], group_id=2),
    )
    assert first.mask(6, 4).sum() == 5
    assert first.axis.tolist() == [[1, 1], [5, 1]]
    assert (other.mask(6, 4).sum(), other.axis, other.flaw) == (4, None, None)
    assert alone.axis is None


def test_a_group_of_two_labels_is_two_objects(tmp_path):
    labels = [one.label for one in read(tmp_path, shape(group_id=1), shape(group_id=1, label="a"))]
    assert labels == ["carrot", "a"]


def test_two_lines_in_a_group(tmp_path):
    lines = [shape("line", [[1, 1], [2, 2]], group_id=1)] * 2
    with pytest.raises(
        ValueError, match="1.json: carrot: expected at most one line .* got 2 and 0"
    ):
        read(tmp_path, *lines)


@pytest.mark.parametrize(
    "entry, message",
    [
        ({}, "shape 2: expected a shape with a 'label', got {}"),
        (shape(points=None), r"shape 2 \(carrot, polygon\): expected points \[\[x, y\], ...\]"),
        (shape(points=[[1, 2], [3, 4], [5]]), "expected points"),
        (shape(points=POLYGON[:2]), "expected at least 3 points, got 2"),
        (shape("rectangle", POLYGON), "expected 2 points, got 4"),
        (shape("mask", POLYGON[:2]), r"\(carrot, mask\): expected 'mask' as a PNG in base64"),
        (shape("mask", POLYGON[:2], mask="!"), "expected 'mask' as a PNG in base64"),
        (shape("mask", POLYGON[:2], mask="aGVsbG8="), "expected 'mask' as a PNG in base64"),
    ],
)
def test_wrong_shapes_are_named(tmp_path, entry, message):
    with pytest.raises(ValueError, match=f"1.json: .*{message}"):
        read(tmp_path, shape(), entry)


@pytest.mark.parametrize("changes", [{"imagePath": None}, {"shapes": None}])
def test_files_of_another_form_are_refused(tmp_path, changes):
    with pytest.raises(ValueError, match="1.json: expected 'imagePath' and a list 'shapes'"):
        read(tmp_path, **changes)


def test_a_list_is_no_labelme_file(tmp_path):
    (tmp_path / "1.json").write_text("[1]")
    with pytest.raises(ValueError, match="as LabelMe files have, got: .1."):
        labelme.read_labelme([tmp_path])
