"""Other people's formats: what each becomes, and that what is wrong is named."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from food_data import annotation_formats

SQUARE = [[1, 1, 3, 1, 3, 3, 1, 3]]
POLYGON = [[1, 1], [3, 1], [3, 3], [1, 3]]
SQUARE_MASK = ["......", ".##...", ".##...", "......"]


def rows(one, size=(6, 4)):
    return ["".join(".#"[int(pixel)] for pixel in row) for row in one.mask(*size)]


def coco(folder, *entries, keypoints=("start", "end"), **changes):
    content = {
        "images": [
            {"id": 1, "file_name": "a.jpg", "width": 6, "height": 4},
            {"id": "two", "file_name": "b.jpg"},
        ],
        "categories": [
            {"id": 7, "name": "carrot", "keypoints": list(keypoints)},
            {"id": 9, "name": "pea"},
        ],
        "annotations": [{"image_id": 1, "category_id": 7, **entry} for entry in entries],
        **changes,
    }
    path = folder / "instances.json"
    path.write_text(json.dumps(content))
    return path


def coco_one(folder, **entry):
    return annotation_formats.read_coco([coco(folder, entry)])[0].objects[0]


def test_coco_pictures_and_objects(tmp_path):
    path = coco(tmp_path, {}, {"category_id": 9}, {"image_id": "two", "bbox": [1, 2, 3.5, 1]})
    first, second = annotation_formats.read_coco([path])
    assert (first.path, first.source) == (tmp_path / "a.jpg", f"{tmp_path.name}/a.jpg")
    assert (first.size, second.size) == ((6, 4), None)
    assert [one.label for one in first.objects] == ["carrot", "pea"]
    assert second.objects[0].box.tolist() == [[1, 2], [4.5, 3]]
    nothing = first.objects[0]
    assert (nothing.axis, nothing.shape, nothing.box, nothing.action) == (None, None, None, None)


@pytest.mark.parametrize(
    "segmentation",
    [SQUARE, {"size": [4, 6], "counts": [5, 2, 2, 2, 13]}, {"size": [4, 6], "counts": "5220;"}],
)
def test_coco_segmentations(tmp_path, segmentation):
    one = coco_one(tmp_path, segmentation=segmentation)
    assert rows(one) == SQUARE_MASK
    if isinstance(segmentation, dict):
        with pytest.raises(ValueError, match="expected 4 x 6 pixels as the photograph has, got 6"):
            one.mask(4, 6)


def test_coco_run_lengths_as_pycocotools_writes_them(tmp_path):
    generator = np.random.default_rng(0)
    for number in range(20):
        shape = tuple(generator.integers(1, 90, 2).tolist())
        mask = generator.random(shape) < [0.5, 0.02, 0.98, 1][number % 4]
        runs = coco_mask.encode(np.asfortranarray(mask, np.uint8))
        text = {"size": list(shape), "counts": runs["counts"].decode()}
        one = coco_one(tmp_path, segmentation=text)
        np.testing.assert_array_equal(one.mask(shape[1], shape[0]), mask)


def test_coco_keypoints_are_start_and_end_half_a_pixel_on(tmp_path):
    one = coco_one(tmp_path, keypoints=[1, 2, 2, 4, 3, 1], segmentation=SQUARE)
    assert one.axis.tolist() == [[1.5, 2.5], [4.5, 3.5]]
    assert one.shape is not None
    assert coco_one(tmp_path, keypoints=[1, 2, 2, 0, 0, 0]).axis is None
    points, names = [1, 2, 2, 9, 9, 2, 4, 3, 2], ("tip", "middle", "foot")
    path = coco(tmp_path, {"keypoints": points}, keypoints=names)
    assert annotation_formats.read_coco([path])[0].objects[0].axis is None
    chosen = annotation_formats.read_coco([path], keypoints=("foot", "tip"))[0].objects[0]
    assert chosen.axis.tolist() == [[4.5, 3.5], [1.5, 2.5]]
    with pytest.raises(ValueError, match="keypoints a and b; the file has tip, middle, foot"):
        annotation_formats.read_coco([path], keypoints=("a", "b"))


def test_coco_actions_and_crowds(tmp_path):
    assert coco_one(tmp_path, action="scoop").action == "scoop"
    assert coco_one(tmp_path, attributes={"action": "twirl", "occluded": 0}).action == "twirl"
    runs = {"size": [4, 6], "counts": [24]}
    assert coco_one(tmp_path, iscrowd=1, segmentation=runs).flaw == "is a crowd"


@pytest.mark.parametrize(
    "entry, message",
    [
        ({"image_id": 3}, "annotation 5: expected image_id among the 2 ids of the file, got 3"),
        ({"category_id": [7]}, "annotation 5: expected category_id among .* got \\[7\\]"),
        ({"bbox": [1, 2, 3]}, r"annotation 5 \(carrot\): expected bbox as .* got \[1, 2, 3\]"),
        ({"bbox": [1, 2, -3, 1]}, r"expected bbox as"),
        ({"bbox": [1, 2, float("nan"), 1]}, r"expected bbox as"),
        ({"segmentation": [[1, 1, 2, 2]]}, "polygons .* of at least 3 points"),
        ({"segmentation": [[1, 1, 2, 2, 3, 3, 4]]}, "polygons"),
        ({"segmentation": {"size": [4, 6], "counts": [3]}}, r"\(carrot\): .* 4 x 6 = 24 pixels"),
        ({"segmentation": {"size": [4, 6], "counts": [30, -6]}}, "whole numbers from 0"),
        ({"segmentation": {"size": [4, 6], "counts": "522"}}, "4 x 6 = 24 pixels, got 9"),
        ({"segmentation": {"size": [4, 6], "counts": "5~"}}, "characters 0 to o, got '~'"),
        ({"segmentation": {"size": [4, 6], "counts": "52n"}}, "counts that end in '52n'"),
        ({"segmentation": {"size": [4], "counts": "52n"}}, r"size as \[height, width\], got"),
        ({"keypoints": [1, 2, 2]}, "expected keypoints as .* at least 2, got"),
        ({"action": 3}, "expected the name of an action, got 3"),
    ],
)
def test_coco_wrong_annotations_are_named(tmp_path, entry, message):
    with pytest.raises(ValueError, match=f"instances.json: .*{message}"):
        annotation_formats.read_coco([coco(tmp_path, {"id": 5, **entry})])


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"annotations": {}}, "expected a list 'annotations' as COCO files have"),
        ({"images": [{"id": 1, "file_name": "a"}] * 2}, "images: expected each id once, got 1"),
        ({"images": [{"file_name": "a.jpg"}]}, "images: expected each id once, got None"),
        ({"images": [{"id": 1, "file_name": "a", "width": 0, "height": 4}]}, "image 1: expected"),
        ({"categories": [{"id": 7}]}, "category 7: expected a name"),
    ],
)
def test_coco_files_of_another_form(tmp_path, changes, message):
    with pytest.raises(ValueError, match=f"instances.json: {message}"):
        annotation_formats.read_coco([coco(tmp_path, **changes)])
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(ValueError, match="list.json: expected a list 'images' as COCO files have"):
        annotation_formats.read_coco([tmp_path / "list.json"])


def shape(kind="polygon", points=POLYGON, label="carrot", **more):
    return {"label": label, "shape_type": kind, "points": points, "group_id": None, **more}


def labelme(folder, *entries, **changes):
    content = {"imagePath": "..\\photos\\1.jpg", "imageWidth": 6, "imageHeight": 4}
    content.update(shapes=list(entries), imageData=None, **changes)
    path = folder / "1.json"
    path.write_text(json.dumps(content))
    return annotation_formats.read_labelme([path])[0]


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(255 * np.uint8(pixels)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def test_labelme_shapes(tmp_path):
    picture = labelme(
        tmp_path,
        shape(),
        shape("line", [[1, 2.5], [5, 3]]),
        shape("linestrip", [[5, 3], [1, 2]]),
        shape("circle", [[3, 2], [4.4, 2]]),
        shape("rectangle", [[5, 1], [2, 3.5]]),
        shape("mask", [[4, 1], [5, 2]], mask=png([[1, 0], [1, 1]])),
        shape("mask", [[-1, 3], [0, 4]], mask=png([[0, 1], [1, 1]])),
        shape("point", [[1, 1]]),
    )
    assert picture.path.resolve() == tmp_path.parent / "photos" / "1.jpg"
    assert picture.size == (6, 4)
    polygon, line, strip, circle, rectangle, patch, corner, point = picture.objects
    assert rows(polygon) == SQUARE_MASK
    assert (line.axis.tolist(), strip.axis.tolist()) == ([[1, 2.5], [5, 3]], [[5, 3], [1, 2]])
    assert rows(circle) == ["......", "..##..", "..##..", "......"]
    assert rectangle.box.tolist() == [[2, 1], [5, 3.5]]
    assert rows(patch) == ["......", "....#.", "....##", "......"]
    assert rows(corner) == ["......", "......", "......", "#....."]
    assert point.flaw == "shape type point"
    assert labelme(tmp_path, imageWidth=None).size is None


def test_labelme_groups_are_one_object(tmp_path):
    first, other, alone, pea = labelme(
        tmp_path,
        shape(group_id=1),
        shape(group_id=2),
        shape(),
        shape("polygon", [[4, 0], [5, 0], [5, 1], [4, 1]], group_id=1),
        shape("line", [[1, 1], [5, 1]], group_id=1),
        shape("point", [[1, 1]], group_id=2),
        shape(label="pea", group_id=1),
    ).objects
    assert rows(first) == ["....#.", *SQUARE_MASK[1:]]
    assert first.axis.tolist() == [[1, 1], [5, 1]]
    assert (rows(other), other.axis, other.flaw) == (SQUARE_MASK, None, None)
    assert (alone.axis, pea.label) == (None, "pea")
    lines = [shape("line", [[1, 1], [2, 2]], group_id=1)] * 2
    with pytest.raises(ValueError, match="1.json: carrot: expected at most one line .* got 2 and"):
        labelme(tmp_path, *lines)


@pytest.mark.parametrize(
    "entry, message",
    [
        ({}, "shape 2: expected a shape with a 'label', got {}"),
        (shape(points=None), r"shape 2 \(carrot, polygon\): expected points \[\[x, y\], ...\]"),
        (shape(points=[[1, 2], [3, 4], [5]]), "expected points"),
        (shape(points=POLYGON[:2]), "expected at least 3 points, got 2"),
        (shape("rectangle", POLYGON), "expected 2 points, got 4"),
        (shape("mask", POLYGON[:2]), r"\(carrot, mask\): expected 'mask' as a PNG in base64"),
        (shape("mask", POLYGON[:2], mask="aGVsbG8="), "expected 'mask' as a PNG in base64"),
    ],
)
def test_labelme_wrong_shapes_are_named(tmp_path, entry, message):
    with pytest.raises(ValueError, match=f"1.json: .*{message}"):
        labelme(tmp_path, shape(), entry)
    with pytest.raises(ValueError, match="1.json: expected 'imagePath' and a list 'shapes'"):
        labelme(tmp_path, imagePath=None)


CARROT = """<object><name>carrot</name><bndbox><xmin>271</xmin><ymin>181</ymin><xmax>340</xmax>
<ymax>200</ymax></bndbox></object>"""
SIZE = "<size><width>640</width><height>480</height></size>"


def voc(folder, objects=CARROT, size=SIZE, name="1.jpg", prolog="", encoding="utf-8"):
    folder.mkdir(parents=True, exist_ok=True)
    text = f"{prolog}<annotation><filename>{name}</filename>{size}{objects}</annotation>"
    (folder / "1.xml").write_bytes(text.encode(encoding))
    return annotation_formats.read_voc([folder])[0]


def test_voc_counts_pixels_from_one_and_finds_pictures(tmp_path):
    picture = voc(tmp_path / "Annotations")
    assert picture.path == tmp_path / "Annotations" / "1.jpg"
    (one,) = picture.objects
    assert (one.label, one.box.tolist()) == ("carrot", [[270, 180], [340, 200]])
    assert picture.size == (640, 480)
    assert voc(tmp_path, size="").size is None
    assert voc(tmp_path, size=SIZE.replace("640", "0").replace("480", "0")).size is None
    (tmp_path / "JPEGImages").mkdir()
    assert voc(tmp_path / "Annotations").source == "JPEGImages/1.jpg"


BOMB = '<!DOCTYPE annotation [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE annotation [<!ENTITY b SYSTEM "secret.txt">]>'


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"objects": "<object/>"}, "object 1: expected a <name>"),
        ({"objects": CARROT.replace("271", "x")}, r"1 \(carrot\): expected a number in <bndbox/xm"),
        ({"objects": CARROT.replace("271", "nan")}, "got 'nan'"),
        ({"objects": CARROT.replace("271", "371")}, "expected xmin <= xmax and ymin <= ymax, got"),
        ({"name": ""}, "expected <annotation> with a <filename>"),
        ({"size": SIZE.replace("640", "wide")}, "size/width.*got 'wide'"),
        ({"objects": "<object>"}, "is not XML: mismatched tag"),
        ({"prolog": BOMB, "name": "&b;"}, "expected XML without a DOCTYPE, got one"),
        ({"prolog": OUTSIDE, "name": "&b;"}, "expected XML without a DOCTYPE, got one"),
        ({"prolog": BOMB, "encoding": "utf-16"}, "expected XML without a DOCTYPE"),
    ],
)
def test_voc_wrong_files_are_named(tmp_path, changes, message):
    (tmp_path / "secret.txt").write_text("1.jpg")
    with pytest.raises(ValueError, match=f"1.xml.*{message}"):
        voc(tmp_path, **changes)


@pytest.fixture
def table(tmp_path):
    Image.new("RGB", (640, 480)).save(tmp_path / "1.png")
    Image.new("RGB", (8, 6)).save(tmp_path / "2.png")

    def write(*lines, header="image,food,x1,y1,x2,y2,action,note", encoding="utf-8"):
        (tmp_path / "a.csv").write_bytes("\r\n".join([header, *lines]).encode(encoding))
        return [tmp_path / "a.csv"]

    return write


def test_csv_lines_of_a_picture_are_its_objects(table):
    first, second = annotation_formats.read_csv(
        table("1.png,pea,16,12,48,480,scoop,", ",,,,,,,", '2.png," carrot ",8,0.5,1,2,,x', "",
              "1.png,pea,3,3,4,4,,", encoding="utf-8-sig"),
        "pixels",
    )  # fmt: skip
    assert [one.action for one in first.objects] == ["scoop", None]
    assert first.objects[0].axis.tolist() == [[16, 12], [48, 480]]
    assert [(one.label, one.axis.tolist()) for one in second.objects] == [
        ("carrot", [[8, 0.5], [1, 2]])
    ]
    assert (first.size, second.size) == ((640, 480), (8, 6))
    (normalised,) = annotation_formats.read_csv(table("1.png,pea,0.25,0.5,1,0,,"), "normalised")
    assert normalised.objects[0].axis.tolist() == [[160, 240], [640, 0]]


@pytest.mark.parametrize(
    "line, message",
    [
        ("1.png,pea", "a.csv: line 2: expected 8 values, got 2"),
        ("1.png,,1,1,1,1,,", "a.csv: line 2: expected a value for food, got none"),
        ("1.png,pea,one,1,1,1,,", "a.csv: line 2: x1: expected a number, got 'one'"),
        ("1.png,pea,inf,1,1,1,,", "a.csv: line 2: x1: expected a number, got 'inf'"),
        ("1.png,pea,1,1,1,480.1,,", "y2: expected 0 to 480 in units 'pixels', got 480.1. Are the"),
        ("1.png,pea,-0.1,1,1,1,,", "x1: expected 0 to 640 in units 'pixels', got -0.1"),
        ("3.png,pea,1,1,1,1,,", "a.csv: line 2: .*3.png cannot be read"),
        ("1.png,p\u00e9,1,1,1,1,,", "a.csv is not CSV in UTF-8"),
    ],
)
def test_csv_wrong_lines_are_named(table, line, message):
    with pytest.raises((ValueError, OSError), match=message):
        annotation_formats.read_csv(table(line, encoding="latin-1"), "pixels")


def test_csv_wrong_headers_and_units_and_pictures_that_are_skipped(table, tmp_path):
    for header in ("image,food,x1,y1,x2", "image,food,x1,x1,y1,x2,y2", ""):
        with pytest.raises(ValueError, match="a.csv: expected a header with each of image, food"):
            annotation_formats.read_csv(table(header=header), "pixels")
    with pytest.raises(ValueError, match="units: expected one of pixels, normalised; got 'mm'"):
        annotation_formats.read_csv(table(), "mm")
    with pytest.raises(ValueError, match="x1: expected 0 to 1 .* got 9. Are these pixels"):
        annotation_formats.read_csv(table("1.png,pea,9,0,0,0,,"), "normalised")
    absent = table("3.png,pea,1,1,1,1,,")
    (skipped,) = annotation_formats.read_csv(absent, "pixels", skip_unreadable=True)
    assert (skipped.objects[0].flaw, skipped.objects[0].axis) == ("picture unreadable", None)


def fork(table, line, units="pixels", length=0.25, convention="image", **options):
    paths = table(line, header="image,food,x,y,angle")
    (picture,) = annotation_formats.read_spanet(paths, units, length, convention, **options)
    return picture.objects[0].axis


@pytest.mark.parametrize(
    "convention, angle, end",
    [
        ("image", 0, (380, 240)),
        ("image", 90, (320, 300)),
        ("mathematical", 90, (320, 180)),
        ("mathematical", 180, (260, 240)),
        ("spanet", 0, (320, 300)),
        ("spanet", 90, (380, 240)),
        ("spanet", 135, (320 + 60 / 2**0.5, 240 - 60 / 2**0.5)),
    ],
)
def test_spanet_angles(table, convention, angle, end):
    line = f"1.png,grape,320,240,{angle}"
    axis = fork(table, line, convention=convention, keep_direction=True)
    np.testing.assert_allclose(axis[1], end)
    np.testing.assert_allclose(axis.mean(axis=0), [320, 240])
    undirected = fork(table, line, convention=convention)
    assert undirected[1, 0] >= undirected[0, 0] - 1e-9


def test_spanet_length_and_borders(table):
    axis = fork(table, "1.png,grape,0.5,0.5,0", units="normalised", length=0.5)
    np.testing.assert_allclose(axis, [[200, 240], [440, 240]])
    near = fork(table, "1.png,grape,10,240,0")
    np.testing.assert_allclose(near, [[0, 240], [20, 240]], atol=1e-9)
    for options, message in (
        ({"convention": "compass"}, "expected one of image, mathematical, spanet; got 'compass'"),
        ({"length": 0}, "length: expected a share above 0 up to 1, got 0"),
        ({"length": float("nan")}, "length: .* got nan"),
        ({"units": "normalised"}, "a.csv: line 2: x: expected 0 to 1"),
    ):
        with pytest.raises(ValueError, match=message):
            fork(table, "1.png,grape,320,240,90", **options)


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


def test_folders_stand_for_their_files(tmp_path):
    touch(tmp_path, "b/2.json", "b/1.JSON", "b/1.jpg", "a.json", "c/1.xml")
    found = annotation_formats.annotation_files([tmp_path / "b", tmp_path / "a.json"], ".json")
    assert [file.name for file in found] == ["1.JSON", "2.json", "a.json"]
    for path in ("absent.json", "c"):
        message = rf"annotations \(.json\) at .*{path}, found no"
        with pytest.raises(FileNotFoundError, match=message):
            annotation_formats.annotation_files([tmp_path / path], ".json")
    with pytest.raises(ValueError, match="each annotation file once, got .*2.json twice"):
        annotation_formats.annotation_files([tmp_path / "b", tmp_path / "b" / "2.json"], ".json")


@pytest.mark.parametrize(
    "name, expected",
    [
        ("x/1.jpg", "x/1.jpg"),
        ("D:\\lab\\x\\1.jpg", "x/1.jpg"),
        ("../../y/1.jpg", "1.jpg"),
        ("y/absent.jpg", "absent.jpg"),
    ],
)
def test_pictures_are_found_in_their_folder(tmp_path, name, expected):
    photos = tmp_path / "photos"
    touch(photos, "1.jpg", "x/1.jpg")
    path = coco(tmp_path, images=[{"id": 1, "file_name": name}])
    (picture,) = annotation_formats.read_coco([path], photos)
    assert picture.path == photos / expected
    assert picture.source == f"photos/{expected}"
