"""Our annotation files, masks of polygons and of files, and the sizes of pictures."""

import json
import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from PIL import Image

from food_data import annotations

CARROT = {"label": "carrot", "axis_start": [10.0, 20], "axis_end": [30, 25.5]}


def write(folder, *images):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "annotations.json"
    path.write_text(json.dumps({"images": list(images), "licence": "ours"}))
    return path


def image(file, *objects, **more):
    return {"file": file, "objects": list(objects), **more}


def test_pixel_numbers_become_continuous_points_half_a_pixel_on(tmp_path):
    """Pixel (10, 20) has its centre at the point (10.5, 20.5); start stays start."""
    (picture,) = annotations.read_annotations([write(tmp_path, image("1.jpg", CARROT))])
    assert picture.objects[0].axis.tolist() == [[10.5, 20.5], [30.5, 26.0]]


def test_folders_of_one_name_are_told_apart(tmp_path):
    paths = [write(tmp_path / day / "plates", image("1.jpg")) for day in ("monday", "friday")]
    sources = [picture.source for picture in annotations.read_annotations(paths)]
    assert sources == ["monday/plates/1.jpg", "friday/plates/1.jpg"]
    (alone,) = annotations.read_annotations(paths[:1])
    assert alone.source == "plates/1.jpg"


def test_a_file_named_twice(tmp_path):
    path = write(tmp_path, image("1.jpg"))
    with pytest.raises(ValueError, match="Expected each annotation file once"):
        annotations.read_annotations([path, tmp_path / "." / path.name])


def test_an_absent_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="No annotation file .*annotations.json"):
        annotations.read_annotations([tmp_path / "annotations.json"])


@pytest.mark.parametrize(
    "content, message",
    [
        ("{", "is not JSON"),
        ("[]", r"expected \{'images': .*got \[\]"),
        ('{"pictures": []}', "expected {'images'"),
        ('{"images": [3]}', "expected {'images'"),
        ('{"images": [{"objects": []}]}', "expected an image with 'file' and a list 'objects'"),
        ('{"images": [{"file": "1.jpg"}]}', "expected an image with 'file' and a list 'objects'"),
        ('{"images": [{"file": "1.jpg", "objects": [{}]}]}', "1.jpg: expected an object with a"),
    ],
)
def test_files_of_another_form_are_refused(tmp_path, content, message):
    path = tmp_path / "annotations.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=f"annotations.json.*{message}"):
        annotations.read_annotations([path])


@pytest.mark.parametrize(
    "change",
    [
        {"axis_end": None},
        {"axis_end": [1, 2, 3]},
        {"axis_start": ["a", "b"]},
        {"axis_start": [float("nan"), 1]},
        {"axis_start": 3},
    ],
)
def test_half_an_axis_is_refused_by_name(tmp_path, change):
    path = write(tmp_path, image("1.jpg", {**CARROT, **change}))
    with pytest.raises(ValueError, match="1.jpg: carrot: expected axis_start and axis_end as"):
        annotations.read_annotations([path])


def test_action_mask_and_box(tmp_path):
    more = {"action": "scoop", "mask": "masks/1.png", "mask_value": 2, "bbox": [1, 2, 3, 4.5]}
    path = write(tmp_path, image("1.jpg", {**CARROT, **more}, {"label": "pea", "mask": None}))
    (tmp_path / "masks").mkdir()
    Image.fromarray(np.uint8([[0, 1, 2], [2, 2, 0]])).save(tmp_path / "masks" / "1.png")
    ((carrot, pea),) = [picture.objects for picture in annotations.read_annotations([path])]
    assert carrot.action == "scoop"
    assert carrot.mask(3, 2).tolist() == [[False, False, True], [True, True, False]]
    assert carrot.box.tolist() == [[1, 2], [4, 6.5]]
    assert (pea.action, pea.mask(3, 2), pea.box, pea.flaw) == (None, None, None, None)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"action": 3}, "expected the name of an action, got 3"),
        ({"mask": 3}, "expected mask as the name of a file .* got 3 and None"),
        ({"mask": "1.png", "mask_value": "2"}, ".* a whole number, got .1.png. and .2."),
        ({"bbox": [1, 2, 3]}, r"expected bbox as \[x, y, width, height\], got \[1, 2, 3\]"),
        ({"bbox": [1, 2, -3, 4]}, "expected bbox as"),
    ],
)
def test_wrong_actions_masks_and_boxes_are_refused_by_name(tmp_path, change, message):
    path = write(tmp_path, image("1.jpg", {**CARROT, **change}))
    with pytest.raises(ValueError, match=f"1.jpg: carrot: {message}"):
        annotations.read_annotations([path])


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


POINTS = st.tuples(st.floats(-3, 13), st.floats(-3, 9))


@hypothesis.given(st.lists(POINTS, min_size=3, max_size=7))
def test_even_odd_rule_at_every_centre(ring):
    """Against counting, for each centre, the edges that a ray to the left crosses."""
    mask = polygons(ring, size=(10, 6))
    for row in range(6):
        for column in range(10):
            x, y = column + 0.5, row + 0.5
            crossings, near = 0, False
            for (x1, y1), (x2, y2) in zip(ring, ring[1:] + ring[:1]):
                if min(y1, y2) <= y < max(y1, y2):
                    at = x1 + (y - y1) * (x2 - x1) / (y2 - y1)
                    near |= math.isclose(at, x, abs_tol=1e-6)
                    crossings += at < x
            assert near or mask[row, column] == crossings % 2


def test_mask_files(tmp_path):
    path = tmp_path / "m.png"
    Image.fromarray(np.uint8([[[0, 0, 0, 255], [0, 9, 0, 255]]])).save(path)
    assert annotations.file_mask(path, None, 2, 1).tolist() == [[False, True]]
    with pytest.raises(ValueError, match="m.png: expected 1 x 2 pixels as the photograph has, got"):
        annotations.file_mask(path, None, 1, 2)
    path.write_bytes(b"no")
    with pytest.raises(ValueError, match="m.png: expected a picture of a mask, got none"):
        annotations.file_mask(path, None, 2, 1)


def test_sizes_are_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20)).save(tmp_path / "1.png")
    Image.new("RGB", (30, 20)).save(tmp_path / "2.jpg", exif=exif)
    sizes = [annotations.picture_size(tmp_path / name) for name in ("1.png", "2.jpg")]
    assert sizes == [(30, 20), (20, 30)]
    (tmp_path / "1.png").write_bytes(b"no")
    with pytest.raises(ValueError, match="1.png: expected a picture in one of JPEG"):
        annotations.picture_size(tmp_path / "1.png")
