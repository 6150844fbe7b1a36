import re

import cv2
import numpy as np
import pytest

from food_data import (
    annotations,
    build_report,
    dataset_builder,
    image_placement,
    npz_dataset,
)

BANANA_AXIS = ((100.0, 120.0), (300.0, 240.0))


def one(label, axis=BANANA_AXIS):
    return annotations.LabelledObject(label, None if axis is None else np.array(axis))


@pytest.fixture
def picture(tmp_path):
    """Makes a labelled picture of 640 x 480 noise; pictures of one number are byte-identical."""

    def make(number, *objects, size=(640, 480), name=None):
        path = tmp_path / (name or f"{number}.png")
        noise = np.random.default_rng(number).integers(0, 256, (480, 640, 3), np.uint8)
        cv2.imwrite(str(path), noise[..., ::-1])
        return annotations.LabelledPicture(path, f"day_1/{path.name}", size, objects)

    return make


@pytest.fixture
def build(store):
    def call(*pictures, **options):
        return dataset_builder.build_dataset(
            pictures, store, **{"action": "skewering", "resize": "letterbox", **options}
        )

    return call


def test_one_sample_per_object_with_what_belongs_to_it(build, picture, store):
    dataset, report = build(
        picture(0, one("banana"), one("Grapes", ((0, 0), (640, 480)))),
        picture(1, one("rice")),
        action="scoop",
    )
    assert dataset.food_types.tolist() == ["banana", "grape", "rice"]
    assert dataset.action_names.tolist() == ["scooping"] * 3
    assert dataset.sources.tolist() == ["day_1/0.png", "day_1/0.png", "day_1/1.png"]
    assert dataset.resize == "letterbox"
    np.testing.assert_array_equal(dataset.embeddings[1], store.lookup("scooping", "grape"))
    assert report.samples == {"banana": 1, "grape": 1, "rice": 1}
    assert not report.left_out


@pytest.mark.parametrize(
    "resize, expected",
    [
        ("stretch", [100 / 640, 0.25, 300 / 640, 0.5]),
        # 177 rows of 236 hold the picture, below 29 black ones.
        ("letterbox", [100 / 640, 73.25 / 236, 300 / 640, 117.5 / 236]),
        # The middle 480 columns begin at 80; with a margin of 24 the axis is not quite inside.
        ("crop", [24 / 480, 0.25, 224 / 480, 0.5]),
    ],
)
def test_parameters_follow_the_picture(build, picture, resize, expected):
    dataset, _ = build(picture(0, one("banana")), resize=resize)
    np.testing.assert_allclose(dataset.actions, [expected], atol=1e-6)
    assert dataset.actions.dtype == np.float32


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
def test_the_image_is_exactly_what_serving_makes_of_the_file(build, picture, resize):
    labelled = picture(0, one("banana"))
    dataset, _ = build(labelled, resize=resize)
    served = image_placement.decode_image(labelled.path.read_bytes())
    np.testing.assert_array_equal(dataset.images[0], image_placement.place(served, resize)[0])


def test_a_crop_shows_the_same_as_serving_if_the_object_is_central(build, picture):
    labelled = picture(0, one("banana", ((200, 200), (400, 300))))
    dataset, _ = build(labelled, resize="crop")
    served = image_placement.decode_image(labelled.path.read_bytes())
    np.testing.assert_array_equal(dataset.images[0], image_placement.place(served, "crop")[0])


def test_the_direction_of_an_axis_is_kept(build, picture):
    backwards = one("banana", BANANA_AXIS[::-1])
    dataset, _ = build(picture(0, one("banana"), backwards), resize="stretch")
    np.testing.assert_array_equal(dataset.actions[0], dataset.actions[1][[2, 3, 0, 1]])


def test_everything_left_out_is_counted_by_reason_and_label(build, picture):
    _, report = build(
        picture(
            0,
            one("banana"),
            one("Bananas"),  # The same object under a variant of its name.
            one("kiwi"),
            one("kiwi", None),
            one("rice", None),
            one("grape", ((5, 5), (5, 5))),
            one("grape", ((-0.1, 5), (50, 5))),
            one("grape", ((5, 5), (50, 480.1))),
            one("sausage", ((20, 240), (620, 240))),
        ),
        resize="crop",
    )
    assert report.samples == {"banana": 1}
    assert report.left_out == {
        (build_report.DUPLICATE, "Bananas"): 1,
        (build_report.UNKNOWN_FOOD, "kiwi"): 2,
        (build_report.NO_AXIS, "rice"): 1,
        (build_report.NO_LENGTH, "grape"): 1,
        (build_report.OUTSIDE_PICTURE, "grape"): 2,
        (build_report.OUTSIDE_CROP, "sausage"): 1,
    }


def test_an_axis_from_edge_to_edge_is_inside(build, picture):
    for resize in ("stretch", "letterbox"):
        dataset, _ = build(picture(0, one("sausage", ((0, 0), (640, 480)))), resize=resize)
        assert dataset.actions.max() <= 1


def test_the_label_map_comes_before_the_vocabulary(build, picture):
    labelled = picture(0, one("Pale Cube"), one("banana", ((1, 1), (9, 9))))
    dataset, report = build(labelled, label_map={"pale_cube": "cantaloupe", "banana": "honeydew"})
    assert dataset.food_types.tolist() == ["cantaloupe", "honeydew"]
    assert report.samples == {"cantaloupe": 1, "honeydew": 1}


def test_identical_pictures_have_one_source(build, picture):
    dataset, _ = build(
        picture(0, one("banana")), picture(0, one("rice"), name="copy.png"), picture(1, one("rice"))
    )
    assert dataset.sources.tolist() == ["day_1/0.png", "day_1/0.png", "day_1/1.png"]


@pytest.mark.parametrize("content", [None, b"", b"not a picture", "half"])
def test_an_unreadable_picture_is_named_or_skipped(build, picture, content):
    broken, sound = (
        picture(0, one("banana"), one("kiwi"), name="bad.png"),
        picture(1, one("rice")),
    )
    data = broken.path.read_bytes()
    broken.path.unlink()
    if content is not None:
        broken.path.write_bytes(data[: len(data) // 2] if content == "half" else content)
    with pytest.raises((OSError, ValueError), match="bad.png"):
        build(broken, sound)
    dataset, report = build(broken, sound, skip_unreadable=True)
    assert dataset.food_types.tolist() == ["rice"]
    assert "bad.png" in report.unreadable[0]
    assert report.left_out[build_report.UNREADABLE, "banana"] == 1


def test_a_picture_of_another_size_than_stated(build, picture):
    message = "0.png: expected 1280 x 960 pixels as the annotations say, got 640 x 480"
    with pytest.raises(ValueError, match=message):
        build(picture(0, one("banana"), size=(1280, 960)))


def test_no_sample_is_an_error_that_says_why(build, picture):
    with pytest.raises(
        ValueError, match=re.escape("No sample is left. Left out: {('unknown food', 'k")
    ):
        build(picture(0, one("kiwi")))


def test_an_unknown_action(build, picture):
    with pytest.raises(LookupError, match="Unknown action 'stabbing'"):
        build(picture(0, one("banana")), action="stabbing")


def test_progress_sees_the_pictures_that_are_opened(build, picture):
    seen = []

    def progress(pictures):
        seen.append(len(list(pictures)))
        return pictures

    build(picture(0, one("banana")), picture(1, one("kiwi")), progress=progress)
    assert seen == [1]


def box_mask(rows, columns):
    """A picture's mask of one bitmap file's kind, set in a box."""
    from food_data.sources import shapes

    class Box(shapes.Shape):
        def mask(self, width, height):
            mask = np.zeros((height, width), bool)
            mask[slice(*rows), slice(*columns)] = True
            return mask

    return Box()


def test_masks_are_placed_like_the_picture_and_empty_where_there_is_none(build, picture):
    """Stretched, rows 120..240 of 480 become 59..118, columns 320..640 of 640 become 118..236."""
    masked = annotations.LabelledObject(
        "banana", np.array(BANANA_AXIS), shape=box_mask((120, 240), (320, 640))
    )
    dataset, _ = build(picture(0, masked, one("rice")), resize="stretch")
    masks = npz_dataset.unpack_masks(dataset.masks)
    rows, columns = np.nonzero(masks[0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (59, 117, 118, 235)
    assert not masks[1].any()


def test_without_masks_the_data_set_has_none(build, picture):
    assert build(picture(0, one("banana")))[0].masks is None


def test_a_broken_mask_is_named_or_left_out(build, picture, tmp_path):
    from food_data.sources import shapes

    broken = annotations.LabelledObject(
        "banana", np.array(BANANA_AXIS), shape=shapes.MaskFile(tmp_path / "absent.png", None)
    )
    labelled = picture(0, broken)
    with pytest.raises((OSError, ValueError), match="0.png: .*absent.png"):
        build(labelled)
    dataset, report = build(labelled, skip_unreadable=True)
    assert dataset.masks is None
    assert "absent.png" in report.unreadable[0]


def test_an_objects_own_action_comes_before_the_common_one(build, picture, store):
    own = annotations.LabelledObject("banana", np.array(BANANA_AXIS), action="scoop")
    dataset, _ = build(picture(0, own, one("banana")), action="twirling")
    assert dataset.action_names.tolist() == ["scooping", "twirling"]
    np.testing.assert_array_equal(dataset.embeddings[0], store.lookup("scooping", "banana"))
    assert len(build(picture(0, own), action=None)[0]) == 1
    with pytest.raises(ValueError, match="0.png: rice: expected an action, got none"):
        build(picture(0, own, one("rice")), action=None)


def test_objects_with_a_flaw_are_counted(build, picture):
    crowd = annotations.LabelledObject("banana", np.array(BANANA_AXIS), flaw="is a crowd")
    _, report = build(picture(0, crowd, one("rice")))
    assert report.left_out == {("is a crowd", "banana"): 1}
