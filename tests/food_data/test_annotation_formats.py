"""COCO, LabelMe, Pascal VOC and CVAT: what each becomes, and that what is wrong is counted."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from food_data import annotation_formats, annotations

SQUARE = [[1, 1, 3, 1, 3, 3, 1, 3]]
POLYGON = [[1, 1], [3, 1], [3, 3], [1, 3]]
SQUARE_MASK = ["......", ".##...", ".##...", "......"]


def runs(counts):
    return {"size": [4, 6], "counts": counts}


RUNS = runs([5, 2, 2, 2, 13])


@pytest.fixture
def reading():
    return annotations.Reading()


def rows(one, size=(6, 4)):
    return ["".join(".#"[int(pixel)] for pixel in row) for row in one.mask(*size)]


IMAGES = [
    {"id": 1, "file_name": "a.jpg", "width": 6, "height": 4},
    {"id": "two", "file_name": "b.jpg", "video_id": 3, "width": 0, "height": 4},
]


def coco(folder, *entries, images=IMAGES):
    categories = [{"id": 7, "name": "banana", "keypoints": ["tip", "end", "start"]}]
    entries = [{"image_id": 1, "category_id": 7, **entry} for entry in entries]
    content = {"images": images, "categories": categories, "annotations": entries}
    (folder / "instances.json").write_text(json.dumps(content))
    return folder / "instances.json"


@pytest.fixture
def coco_one(tmp_path, reading):
    def call(**entry):
        return annotation_formats.read_coco([coco(tmp_path, entry)], reading)[0].objects[0]

    return call


def test_coco_pictures_objects_and_keypoints(tmp_path, coco_one, reading):
    path = coco(tmp_path, {}, {"image_id": "two", "bbox": [1, 2, 3.5, 1]}, {"image_id": 3})
    first, second = annotation_formats.read_coco([path], reading)
    assert (first.path, first.source) == (tmp_path / "a.jpg", f"{tmp_path.name}/a.jpg")
    assert (first.size, second.size) == ((6, 4), None)
    assert (first.group, second.group) == (None, "instances/3")
    assert second.objects[0].box.tolist() == [[1, 2], [4.5, 3]]
    assert first.objects == (annotations.LabelledObject("banana"),)
    assert reading.notes == {"annotations of images that the file does not list": 1}
    # Keypoints are pixel numbers: half a pixel on.
    one = coco_one(keypoints=[0, 0, 0, 4, 3, 1, 1, 2, 2], segmentation=SQUARE)
    assert one.axis.tolist() == [[1.5, 2.5], [4.5, 3.5]] and one.rings
    assert coco_one(keypoints=[9, 9, 2, 4, 3, 1, 0, 0, 0]).axis is None
    assert coco_one(category_id=5).label == "category 5"


def test_coco_polygons_and_run_lengths_also_as_pycocotools_writes_them(coco_one):
    for segmentation in (SQUARE, [POLYGON], [*SQUARE, [5, 3, 6, 4]], RUNS, runs("5220;")):
        assert rows(coco_one(segmentation=segmentation)) == SQUARE_MASK
    generator = np.random.default_rng(0)
    for number in range(20):
        shape = tuple(generator.integers(1, 90, 2).tolist())
        mask = generator.random(shape) < [0.5, 0.02, 0.98, 1][number % 4]
        text = coco_mask.encode(np.asfortranarray(mask, np.uint8))["counts"].decode()
        one = coco_one(segmentation={"size": list(shape), "counts": text})
        np.testing.assert_array_equal(one.mask(shape[1], shape[0]), mask)


def test_coco_turned_boxes_and_geometry_that_is_not_read(coco_one, reading):
    """CVAT turns clockwise: the right end of a box comes down; Detectron2 turns the other way."""
    box = coco_one(bbox=[40, 35, 20, 10], attributes={"rotation": 90.0, "occluded": False}).box
    np.testing.assert_allclose(box, [[55, 30], [55, 50], [45, 50], [45, 30]])
    detectron = coco_one(bbox=[50, 40, 20, 10, 90]).box
    np.testing.assert_allclose(detectron, [[45, 50], [45, 30], [55, 30], [55, 50]])
    upright = [[40, 35, 60, 35, 60, 45, 40, 45]]  # The box before it is turned, which is no mask.
    same = coco_one(bbox=[40, 35, 20, 10], attributes={"rotation": "90"}, segmentation=upright)
    np.testing.assert_allclose(same.outline(), box)
    assert reading.notes == {}
    coco_one(bbox=[3, 2, 2, 1], rbox=[1], attributes={"angle": 3, "rotation": "x", "note": 1})
    unread = ("rbox", "attributes.angle", "attributes.rotation")
    assert reading.notes == {f"{name} not read": 1 for name in unread}


def test_coco_crowds_and_actions(tmp_path, coco_one, reading):
    assert coco_one(action="scoop").action == "scoop"
    assert coco_one(attributes={"action": "twirl", "occluded": 0}).action == "twirl"
    crowd = {"iscrowd": 1, "segmentation": RUNS}
    assert rows(coco_one(**crowd)) == SQUARE_MASK  # Every mask of this file is one.
    path = coco(tmp_path, crowd, {"segmentation": SQUARE}, {**crowd, "attributes": {"occluded": 1}})
    flaws = [one.flaw for one in annotation_formats.read_coco([path], reading)[0].objects]
    assert flaws == ["is a crowd", None, None]
    assert coco_one(iscrowd=1, bbox=[1, 1, 2, 2]).flaw == "is a crowd"


@pytest.mark.parametrize("entry", [
    {"bbox": [1, 2, -3, 1]}, {"bbox": [1, 2, float("nan"), 1]}, {"keypoints": [1, 2, 2]},
    {"polygon": [[]]}, {"polygon": [[1, 1, 2, 2]]}, {"polygon": [[1, 1, 2, 2, 3, 3, 4]]},
    {"segmentation": runs([30, -6])}, {"segmentation": runs("522")}, {"segmentation": runs("5~")},
    {"segmentation": runs("52n")}, {"segmentation": "x"},
])  # fmt: skip
def test_coco_one_bad_shape_is_counted_and_its_box_takes_its_place(coco_one, reading, entry):
    ((name, value),) = entry.items()
    entry = {"segmentation" if name == "polygon" else name: value}
    one = coco_one(**{"bbox": [1, 1, 2, 1], **entry})
    assert reading.notes == {f"{name} not read": 1}
    assert "instances.json: annotation number 1 (banana): " in reading.firsts[f"{name} not read"]
    assert (one.flaw, one.axis, one.mask(6, 4)) == (None, None, None)
    assert (one.box is None) == (name == "bbox")


def test_coco_boxes_that_are_corners(tmp_path):
    """In 40 x 20: [20, 5, 30, 15] reaches beyond, [18, 8, 22, 12] fits both ways, to the border."""

    def read(*boxes, box_format="", **more):
        images = [{"id": 1, "file_name": "a.jpg", "width": 40, "height": 20}]
        path = coco(tmp_path, *({"bbox": list(box), **more} for box in boxes), images=images)
        reading = annotations.Reading()
        objects = annotation_formats.read_coco([path], reading, box_format)[0].objects
        return objects[0].box.tolist(), "".join(reading.notes)

    beyond, border = (20, 5, 30, 15), (18, 8, 22, 12)
    for boxes, more in (([beyond, (1, 1, 2, 2)], {}), ([(4, 2, 7, 6)], {"area": 12})):
        with pytest.raises(ValueError, match=r"fit as \[x1, y1, x2, y2\]. --box_format xyxy"):
            read(*boxes, **more)
    assert read(border)[1].startswith("bbox may be [x1, y1, x2, y2]")
    assert read(beyond, (30, 10, 8, 8))[1] == read((5, 5, 10, 10))[1] == ""
    assert read(beyond, box_format="xyxy") == ([[20, 5], [30, 15]], "")
    assert read(beyond, box_format="xywh") == ([[20, 5], [50, 20]], "")


@pytest.mark.parametrize("name, content, message", [
    ("coco", {"images": [{"file": "1", "objects": []}]}, "images that have id, file_name, got"),
    ("coco", {"images": [{"id": 1, "file_name": "a"}] * 2, "categories": [], "annotations": []},
     "expected each id of images and categories once"),
    ("coco", {"images": [], "categories": [], "annotations": [None]}, "annotations that have"),
    ("coco", "0 0.5 0.5 0.1 0.1", "is not JSON"),
    ("labelme", {"1.jpg9": {"regions": []}}, "expected lists shapes, got: 1.jpg9"),
    ("voc", "<annotations/>", "expected <annotation>, got: annotations"),
    ("voc", "{}", "is not XML"),
    ("cvat", "<annotations><track/></annotations>", "without <track>"),
    ("annotations", "[]", r"expected lists images, got: \[\]"),
])  # fmt: skip
def test_foreign_files_are_refused(tmp_path, reading, name, content, message):
    path = tmp_path / "a.x"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    more = "" if "each id" in message else ".*Export others as COCO"
    with pytest.raises(ValueError, match=f"a.x.*{message}{more}"):
        getattr(annotation_formats, f"read_{name}")([path], reading)


OWN = {"label": "banana", "axis_start": [10.0, 20], "axis_end": [30, 25.5]}


def ours(folder, *objects, **more):
    content = {"images": [{"file": "1.jpg", "objects": list(objects), **more}], "licence": "ours"}
    (folder / "a.json").write_text(json.dumps(content))
    return folder / "a.json"


def test_our_own_files(tmp_path, reading):
    """Pixel (10, 20) has its centre at the point (10.5, 20.5); start stays start."""
    more = {"action": "scoop", "mask": "masks/1.png", "mask_value": 2, "bbox": [1, 2, 3, 4.5]}
    path = ours(tmp_path, {**OWN, **more}, {"label": "pea"}, group=7)
    (tmp_path / "masks").mkdir()
    Image.fromarray(np.uint8([[0, 1, 2], [2, 2, 0]])).save(tmp_path / "masks" / "1.png")
    (picture,) = annotation_formats.read_annotations([path], reading)
    banana, pea = picture.objects
    assert banana.axis.tolist() == [[10.5, 20.5], [30.5, 26.0]]
    assert (banana.action, picture.group, picture.size) == ("scoop", "7", None)
    assert banana.mask(3, 2).tolist() == [[False, False, True], [True, True, False]]
    assert banana.box.tolist() == [[1, 2], [4, 6.5]]
    assert (pea.axis, pea.action, pea.mask(3, 2), pea.box, pea.flaw) == (None,) * 5


def test_our_own_files_that_are_wrong_are_refused_or_counted(tmp_path, reading):
    for change in ({"label": None}, {"mask": "1.png", "mask_value": "2"}):
        with pytest.raises(ValueError, match="1.jpg: .*expected a text 'label' and"):
            annotation_formats.read_annotations([ours(tmp_path, {**OWN, **change})], reading)
    changes = [{"axis_end": None}, {"axis_start": [float("nan"), 1]}, {"bbox": [1, 2, -3, 4]}]
    path = ours(tmp_path, *({**OWN, **change} for change in changes))
    objects = annotation_formats.read_annotations([path], reading)[0].objects
    assert [one.axis is None for one in objects] == [True, True, False]
    assert reading.notes == {"axis not read": 2, "bbox not read": 1}


def shape(kind="polygon", points=POLYGON, label="banana", **more):
    return {"label": label, "shape_type": kind, "points": points, "group_id": None, **more}


@pytest.fixture
def labelme(tmp_path, reading):
    def call(*entries, **changes):
        content = {"imagePath": "..\\photos\\1.jpg", "imageWidth": 6, "imageHeight": 4}
        content.update(shapes=list(entries), imageData=None)
        path = tmp_path / "1.json"
        path.write_text(json.dumps({**content, **changes}))
        return annotation_formats.read_labelme([path], reading)[0]

    return call


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(255 * np.uint8(pixels)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def test_labelme_shapes(tmp_path, labelme, reading):
    picture = labelme(
        shape(),
        shape("line", [[1, 2.5], [5, 3]]),
        shape("rectangle", [[5, 1], [2, 3.5]]),
        shape("rectangle", [[2, 1], [5, 1], [5, 3.5], [2, 3.5]]),
        shape("mask", [[4, 1], [5, 2]], mask=png([[1, 0], [1, 1]])),
        shape("mask", [[-1, 3], [0, 4]], mask=png([[0, 1], [1, 1]])),
        shape("rotation", POLYGON, direction=0.4, group_id=3),
        shape("circle", [[3, 2], [4.4, 2]]),
    )
    assert picture.path.resolve() == tmp_path.parent / "photos" / "1.jpg"
    assert picture.size == (6, 4)
    polygon, line, rectangle, four, patch, corner, turned, circle = picture.objects
    assert rows(polygon) == SQUARE_MASK
    assert line.axis.tolist() == [[1, 2.5], [5, 3]]
    assert rectangle.box.tolist() == four.box.tolist() == [[2, 1], [5, 3.5]]
    assert turned.box.tolist() == POLYGON
    assert rows(patch) == ["......", "....#.", "....##", "......"]
    assert rows(corner) == ["......", "......", "......", "#....."]
    assert rows(circle) == ["......", "..##..", "..##..", "......"]
    labelme(shape("rectangle", POLYGON[::2], direction=0.4))
    assert reading.notes == {"direction not read": 1}
    picture = labelme(shape(), imageData=base64.b64encode(b"jpeg").decode())
    assert (picture.embedded(), picture.path.name) == (b"jpeg", "1.json")


def test_labelme_groups_are_one_object(labelme, reading):
    beyond, line = shape("polygon", [[4, 0], [5, 0], [5, 1], [4, 1]]), [[1, 1], [5, 1]]
    entries = (shape(), beyond, shape("line", line), shape(label="pea"))
    both, pea, alone = labelme(*({**one, "group_id": 1} for one in entries), shape()).objects
    assert rows(both) == ["....#.", ".##...", ".##...", "......"]
    assert (both.axis.tolist(), pea.label, alone.axis) == (line, "pea", None)
    assert rows(pea) == rows(alone) == SQUARE_MASK and not reading.notes
    assert len(labelme(*[shape("line", line, group_id=1)] * 2).objects) == 2
    assert list(reading.notes.values()) == [1]


def test_labelme_wrong_shapes_are_counted(labelme, reading):
    kinds = (("rectangle", 3), ("circle", 3), ("mask", 2))
    good, *bad = labelme(
        shape(),
        *(shape(points=points) for points in (None, [[1, 2], [3, 4], [5]], POLYGON[:2])),
        *(shape(kind, POLYGON[:number]) for kind, number in kinds),
        shape("mask", POLYGON[:2], mask="aGVsbG8="),
    ).objects
    assert good.rings and all(one == annotations.LabelledObject("banana") for one in bad)
    counts = {"polygon": 3, "rectangle": 1, "circle": 1, "mask": 2}
    assert reading.notes == {f"{kind} not read": number for kind, number in counts.items()}
    assert "1.json: shape 2 (banana)" in reading.firsts["polygon not read"]


BANANA = """<object><name>banana</name><bndbox><xmin>271</xmin><ymin>181</ymin><xmax>340</xmax>
<ymax>200</ymax></bndbox></object>"""
TURNED = """<object><type>robndbox</type><name>banana</name><robndbox><cx>50</cx><cy>40</cy>
<w>20</w><h>10</h><angle>1.5707963</angle></robndbox></object>"""
SIZE = "<size><width>640</width><height>480</height></size>"


@pytest.fixture
def voc(tmp_path, reading):
    def call(objects=BANANA, size=SIZE, name="1.jpg", encoding="utf-8"):
        text = f"<annotation><filename>{name}</filename>{size}{objects}</annotation>"
        (tmp_path / "1.xml").write_bytes(text.encode(encoding))
        return annotation_formats.read_voc([tmp_path], reading)[0]

    return call


def test_voc_counts_pixels_from_one_and_turns_clockwise(tmp_path, voc, reading):
    (one,) = voc().objects
    assert (one.label, one.box.tolist()) == ("banana", [[270, 180], [340, 200]])
    assert voc(encoding="utf-16").size == (640, 480)
    assert voc(size=SIZE.replace("640", "0")).size is None
    assert voc(name="").path == tmp_path / "1"
    np.testing.assert_allclose(voc(TURNED).objects[0].box[0], [55, 30], atol=1e-5)
    assert not reading.notes
    voc(BANANA.replace("<name>", "<polygon><x1>3</x1></polygon><name>"))
    voc(BANANA.replace("</bndbox>", "<angle>0.3</angle></bndbox>"))
    assert reading.notes == {"polygon not read": 1, "angle not read": 1}
    for change in ("nan", "371", "1_0"):
        good, bad = voc(BANANA + BANANA.replace("271", change)).objects
        assert good.box is not None and bad.box is None
    assert reading.notes["box not read"] == 3
    assert "object 2 (banana)" in reading.firsts["box not read"]


def test_cvat_shapes(tmp_path, reading):
    def cvat(shapes):
        image = f'<image id="0" name="a/1.jpg" width="6" height="4">{shapes}</image>'
        (tmp_path / "a.xml").write_text(f"<annotations><meta/>{image}</annotations>")
        return annotation_formats.read_cvat([tmp_path / "a.xml"], reading)[0]

    action = '<attribute name="action">scoop</attribute>'
    picture = cvat(
        f'<box label="banana" xtl="1" ytl="1" xbr="3" ybr="2.5">{action}</box>'
        '<box label="banana" xtl="40" ytl="35" xbr="60" ybr="45" rotation="90"/>'
        '<polygon label="banana" points="1,1;3,1;3,3;1,3"/>'
        '<polyline label="banana" points="1,2.5;5,3"/>'
        '<mask label="banana" rle="0, 1, 1, 2, 2" left="4" top="1" width="2" height="3"/>'
        '<ellipse label="banana" cx="3" cy="2" rx="2.4" ry="1.2" group_id="1"/>'
        '<polyline label="banana" points="1,2;3,2" group_id="1"/>'
        '<polygon label="pea" points="1,1;3,1"/>'
        '<mask label="pea" rle="9" left="4" top="1" width="2" height="2"/>'
        '<box label="pea" xtl="x" ytl="1" xbr="3" ybr="2.5"><attribute name="angle">9</attribute>'
        "</box>"
    )
    assert (picture.size, picture.path.name) == ((6, 4), "1.jpg")
    box, turned, polygon, line, mask, ellipse, *wrong = picture.objects
    assert (box.box.tolist(), box.action) == ([[1, 1], [3, 2.5]], "scoop")
    np.testing.assert_allclose(turned.box[:2], [[55, 30], [55, 50]])
    assert (rows(polygon), line.axis.tolist()) == (SQUARE_MASK, [[1, 2.5], [5, 3]])
    assert rows(mask) == ["......", "....#.", "....##", "......"]
    assert rows(ellipse) == ["......", ".####.", ".####.", "......"]
    assert ellipse.axis.tolist() == [[1, 2], [3, 2]]
    assert all(one.outline() is None and one.shape is None for one in wrong)
    wrong = ("polygon", "mask", "box", "attribute angle")
    assert reading.notes == {f"{name} not read": 1 for name in wrong}
