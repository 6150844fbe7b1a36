"""From labelled pictures to samples: actions, axes, places, masks, and what is left out."""

import functools
import pathlib

import cv2
import numpy as np
import pytest

from food_data import (
    annotations,
    dataset_builder,
    image_placement,
    mask_rules,
    npz_dataset,
    vocabulary,
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


@pytest.mark.parametrize("resize", image_placement.MODES)
def test_the_image_is_exactly_what_serving_makes_of_the_file(build, picture, resize):
    labelled = picture(0, one("banana", ((200, 200), (400, 300))))
    dataset, _ = build(labelled, resize=resize)
    assert dataset.masks is None
    served = image_placement.decode_image(labelled.path.read_bytes())
    np.testing.assert_array_equal(dataset.images[0], image_placement.place(served, resize)[0])


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
        ("duplicate", "Bananas"): 1,
        ("unknown food", "kiwi"): 2,
        ("has no axis", "rice"): 1,
        ("axis has no length", "grape"): 1,
        ("axis outside the picture", "grape"): 2,
        ("axis outside the crop", "sausage"): 1,
    }


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
    assert report.left_out["picture unreadable", "banana"] == 1


def test_a_picture_of_another_size_than_stated(build, picture):
    message = "0.png: expected 1280 x 960 pixels as the annotations say, got 640 x 480"
    with pytest.raises(ValueError, match=message):
        build(picture(0, one("banana"), size=(1280, 960)))


def box_mask(rows, columns):
    def mask(width, height):
        mask = np.zeros((height, width), bool)
        mask[slice(*rows), slice(*columns)] = True
        return mask

    return mask


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


def test_a_broken_mask_is_named_or_left_out(build, picture, tmp_path):
    absent = functools.partial(annotations.file_mask, tmp_path / "absent.png", None)
    broken = annotations.LabelledObject("banana", np.array(BANANA_AXIS), shape=absent)
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


BAR = functools.partial(
    annotations.polygon_mask, [np.float64([[10, 5], [20, 5], [20, 6], [10, 6]])]
)
EMPTY = functools.partial(annotations.polygon_mask, [np.float64([[90, 5], [95, 5], [95, 6]])])
BOX = np.float64([[10, 2], [30, 12]])
LINE = np.float64([[1, 2], [3, 4]])


def carrot(axis=None, action="skewering", **more):
    return annotations.LabelledObject("carrot", axis, action, **more)


@pytest.fixture
def add(tmp_path):
    def call(*objects, size=(40, 20), rules=mask_rules.DEFAULT_RULES, **options):
        labelled = annotations.LabelledPicture(tmp_path / "1.png", "a/1.png", size, objects)
        (done,), origins = dataset_builder.add_axes([labelled], rules, **options)
        return done.objects, origins

    return call


def test_axes_are_stated_then_of_the_mask_then_of_the_box(add):
    done, origins = add(
        carrot(LINE, shape=BAR, box=BOX), carrot(shape=BAR, box=BOX), carrot(box=BOX), carrot()
    )
    np.testing.assert_array_equal(done[0].axis, LINE)
    np.testing.assert_allclose(done[1].axis, [[10.59, 5.5], [19.41, 5.5]])
    np.testing.assert_allclose(done[2].axis, [[10.2, 7], [29.8, 7]])
    assert (done[3].axis, done[3].flaw) == (None, None)
    assert origins == {"stated in the file": 1, "from a mask": 1, "from a box": 1}
    (twirled,), _ = add(carrot(shape=BAR, action="twirling"))
    np.testing.assert_allclose(twirled.axis, [[12.795, 5.5], [17.205, 5.5]])
    with pytest.raises(LookupError, match="No mask rule for the action 'scooping'"):
        add(carrot(box=BOX, action="scooping"), rules={})


def test_objects_without_an_axis_say_why(add):
    done, origins = add(
        carrot(shape=EMPTY, box=BOX),
        carrot(box=np.float64([[10, 2], [10, 12]])),
        carrot(box=np.float64([[50, 2], [60, 12]])),
        carrot(LINE, flaw="is a crowd"),
    )
    reasons = [each.flaw for each in done]
    assert reasons == ["mask is empty", "box has no area", "box has no area", "is a crowd"]
    assert [each.axis for each in done] == [None] * 4
    assert not origins
    (mask, box), _ = add(carrot(shape=BAR, box=BOX), carrot(box=BOX), use_boxes=False)
    assert mask.axis is not None
    assert (box.axis, box.flaw) == (None, "has only a box")


def test_unwanted_objects_cost_nothing_and_unreadable_ones_are_named_or_counted(add, tmp_path):
    absent = carrot(shape=functools.partial(annotations.file_mask, tmp_path / "absent.png", None))
    done, origins = add(absent, carrot(LINE), wanted=lambda each: False)
    assert [each.axis for each in done] == [None, None]
    assert not origins
    with pytest.raises(OSError, match="1.png: carrot: .*absent.png"):
        add(absent)
    with pytest.raises(OSError, match="1.png: carrot: .*1.png"):
        add(carrot(shape=BAR), size=None)
    cv2.imwrite(str(tmp_path / "wrong.png"), np.ones((2, 2), np.uint8))
    wrong = carrot(shape=functools.partial(annotations.file_mask, tmp_path / "wrong.png", None))
    with pytest.raises(ValueError, match="1.png: carrot: .* expected 40 x 20 pixels"):
        add(wrong)
    done, _ = add(absent, wrong, carrot(shape=BAR), skip_unreadable=True)
    assert [each.flaw for each in done] == ["picture unreadable"] * 2 + [None]
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((20, 40, 3), np.uint8))
    (read,), _ = add(carrot(shape=BAR), size=None)
    np.testing.assert_allclose(read.axis, [[10.59, 5.5], [19.41, 5.5]])


def test_actions_are_of_the_object_then_the_label_then_the_default():
    def resolve(*objects, default=None):
        labelled = annotations.LabelledPicture(pathlib.Path("1.jpg"), "a/1.jpg", None, objects)
        (done,) = dataset_builder.resolve_actions([labelled], default, vocabulary.BASE)
        return [(each.action, each.label) for each in done.objects]

    def named(label, action=None):
        return annotations.LabelledObject(label, None, action)

    objects = [named("Scoop Beans", "Skewer"), named("twirl spaghetti"), named("Pale Cube")]
    assert resolve(*objects, default="skewer") == [
        ("skewering", "Scoop Beans"),
        ("twirling", "spaghetti"),
        ("skewering", "Pale Cube"),
    ]
    with pytest.raises(ValueError, match="1.jpg: Pale Cube: expected an action, got none. Give -"):
        resolve(*objects)
    with pytest.raises(LookupError, match="1.jpg: carrot: Unknown action 'stab'"):
        resolve(named("carrot", "stab"))
    with pytest.raises(LookupError, match="Unknown action 'stab'"):
        resolve(named("carrot"), default="stab")
