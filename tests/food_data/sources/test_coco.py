import json
import pathlib

import numpy as np
import pytest

from food_data import annotations, mask_rules, vocabulary
from food_data.sources import actions, axes, coco

REAL_FOOD = pathlib.Path(__file__).resolve().parents[4] / "shared" / "data" / "real_food"

SQUARE = [[1, 1, 3, 1, 3, 3, 1, 3]]


def write(folder, *entries, keypoints=("start", "end"), **changes):
    content = {
        "info": {},
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


def read_one(folder, **entry):
    pictures = coco.read_coco([write(folder, entry)])
    (one,) = pictures[0].objects
    return one


def test_pictures_and_their_objects(tmp_path):
    path = write(tmp_path, {}, {"category_id": 9}, {"image_id": "two"})
    first, second = coco.read_coco([path])
    assert first.path == tmp_path / "a.jpg"
    assert first.source == f"{tmp_path.name}/a.jpg"
    assert (first.size, second.size) == ((6, 4), None)
    assert [one.label for one in first.objects] == ["carrot", "pea"]
    assert [one.label for one in second.objects] == ["carrot"]
    nothing = first.objects[0]
    assert (nothing.axis, nothing.shape, nothing.box, nothing.action) == (None, None, None, None)


def test_pictures_in_another_folder(tmp_path):
    path = write(tmp_path)
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.jpg").write_text("")
    first, _ = coco.read_coco([path], photos)
    assert (first.path, first.source) == (photos / "a.jpg", "photos/a.jpg")


def test_box_is_width_and_height(tmp_path):
    assert read_one(tmp_path, bbox=[1, 2, 3.5, 1]).box.tolist() == [[1, 2], [4.5, 3]]


def test_polygons_are_continuous_and_united(tmp_path):
    one = read_one(tmp_path, segmentation=[*SQUARE, [4, 0, 5, 0, 5, 1, 4, 1]])
    expected = [[0, 0, 0, 0, 1, 0], [0, 1, 1, 0, 0, 0], [0, 1, 1, 0, 0, 0], [0] * 6]
    assert one.mask(6, 4).astype(int).tolist() == expected


@pytest.mark.parametrize("counts", [[5, 2, 2, 2, 13], "52209"])
def test_run_lengths(tmp_path, counts):
    # As text the last count is 2 + 11: chr(48 + 11) is ";".
    counts = "5220;" if isinstance(counts, str) else counts
    one = read_one(tmp_path, segmentation={"size": [4, 6], "counts": counts})
    expected = [[0] * 6, [0, 1, 1, 0, 0, 0], [0, 1, 1, 0, 0, 0], [0] * 6]
    assert one.mask(6, 4).astype(int).tolist() == expected


def test_named_keypoints_are_start_and_end_half_a_pixel_on(tmp_path):
    one = read_one(tmp_path, keypoints=[1, 2, 2, 4, 3, 1], segmentation=SQUARE)
    assert one.axis.tolist() == [[1.5, 2.5], [4.5, 3.5]]
    assert one.shape is not None
    path = write(
        tmp_path, {"keypoints": [1, 2, 2, 9, 9, 2, 4, 3, 2]}, keypoints=("tip", "middle", "foot")
    )
    assert coco.read_coco([path])[0].objects[0].axis is None
    chosen = coco.read_coco([path], keypoints=("foot", "tip"))[0].objects[0]
    assert chosen.axis.tolist() == [[4.5, 3.5], [1.5, 2.5]]
    with pytest.raises(ValueError, match="keypoints a and b; the file has tip, middle, foot"):
        coco.read_coco([path], keypoints=("a", "b"))


def test_a_keypoint_that_is_not_labelled_gives_no_axis(tmp_path):
    assert read_one(tmp_path, keypoints=[1, 2, 2, 0, 0, 0]).axis is None


def test_crowds_are_marked(tmp_path):
    one = read_one(tmp_path, iscrowd=1, segmentation={"size": [4, 6], "counts": [24]})
    assert one.flaw == coco.CROWD


def test_an_action_here_or_there(tmp_path):
    assert read_one(tmp_path, action="scoop").action == "scoop"
    assert read_one(tmp_path, attributes={"action": "twirl", "occluded": False}).action == "twirl"
    assert read_one(tmp_path, attributes={"occluded": False}).action is None


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
        ({"segmentation": [1, 1, 2, 2, 3, 3]}, "polygons"),
        ({"segmentation": {"size": [4, 6], "counts": [3]}}, r"\(carrot\): .* 4 x 6 = 24 pixels"),
        ({"keypoints": [1, 2, 2]}, "expected keypoints as .* at least 2, got"),
        ({"action": 3}, "expected the name of an action, got 3"),
    ],
)
def test_wrong_annotations_are_named(tmp_path, entry, message):
    with pytest.raises(ValueError, match=f"instances.json: .*{message}"):
        coco.read_coco([write(tmp_path, {"id": 5, **entry})])


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"annotations": {}}, "expected a list 'annotations' as COCO files have"),
        ({"images": [{"id": 1, "file_name": "a"}] * 2}, "images: expected each id once, got 1"),
        ({"images": [{"file_name": "a.jpg"}]}, "images: expected each id once, got None"),
        ({"images": [{"id": 1}]}, "image 1: expected file_name, width and height"),
        ({"images": [{"id": 1, "file_name": "a", "width": 0, "height": 4}]}, "image 1: expected"),
        ({"categories": [{"id": 7}]}, "category 7: expected a name"),
    ],
)
def test_files_of_another_form_are_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=f"instances.json: {message}"):
        coco.read_coco([write(tmp_path, **changes)])


def test_a_list_is_no_coco_file(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[]")
    with pytest.raises(ValueError, match="a.json: expected a list 'images' as COCO files have"):
        coco.read_coco([path])


def encode_runs(mask):
    """Run lengths of a mask [H, W], down the columns."""
    pixels = mask.T.ravel()
    changes = np.flatnonzero(np.diff(pixels)) + 1
    counts = np.diff([0, *changes, pixels.size]).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if pixels[0] else counts}


@pytest.mark.skipif(not REAL_FOOD.is_dir(), reason="the photographs of real food are not here")
@pytest.mark.parametrize(
    "folder, number",
    [
        ("feeding_deployment", 36),
        ("feeding_web_interface", 6),
        ("mslearn_ai_vision", 33),
        ("roboflow_food_ingredients", 21),
    ],
)
def test_real_food_written_as_coco_gives_the_native_axes(tmp_path, folder, number):
    """The native axes are rounded to 0.1 pixels, and so agree within 0.05."""
    native = annotations.read_annotations([REAL_FOOD / folder / "annotations.json"])
    labels = sorted({one.label for picture in native for one in picture.objects})
    content = {
        "images": [
            {"id": i, "file_name": p.path.name, "width": p.size[0], "height": p.size[1]}
            for i, p in enumerate(native)
        ],
        "categories": [{"id": i, "name": label} for i, label in enumerate(labels)],
        "annotations": [
            {
                "image_id": i,
                "category_id": labels.index(one.label),
                "segmentation": encode_runs(one.mask(*picture.size)),
            }
            for i, picture in enumerate(native)
            for one in picture.objects
            if one.shape is not None
        ],
    }
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content))
    read = coco.read_coco([path], REAL_FOOD / folder / "images")
    read = actions.resolve_actions(read, "skewering", vocabulary.BASE)
    read, origins = axes.add_axes(read, mask_rules.DEFAULT_RULES)
    assert origins == {axes.FROM_MASK: number}
    assert [picture.path for picture in read] == [picture.path for picture in native]
    for ours, theirs in zip(read, native):
        expected = [one.axis for one in theirs.objects if one.shape is not None]
        for one, axis in zip(ours.objects, expected):
            np.testing.assert_allclose(one.axis, axis, atol=0.051, err_msg=str(ours.path))
