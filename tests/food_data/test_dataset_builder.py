"""From labelled pictures to samples: actions, axes, places, masks, and what is left out."""

import collections
import dataclasses
import functools
import pathlib
import re

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from food_data import annotations, dataset_builder, image_placement, mask_rules, npz_dataset

AXIS = ((100.0, 120.0), (300.0, 240.0))


def one(label, axis=AXIS, **more):
    return annotations.LabelledObject(label, None if axis is None else np.array(axis), **more)


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
    def call(*pictures, action="skewering", resize="letterbox", skip=False, **options):
        pictures = dataset_builder.resolve_actions(pictures, action, store.vocabulary)
        reading = annotations.Reading(skip_unreadable=skip)
        return dataset_builder.build_dataset(pictures, store, reading, resize=resize, **options)

    return call


@pytest.mark.parametrize("resize, expected", [
    ("stretch", [100 / 640, 0.25, 300 / 640, 0.5]),
    # 177 rows of 236 hold the picture, below 29 black ones.
    ("letterbox", [100 / 640, 73.25 / 236, 300 / 640, 117.5 / 236]),
    # The middle 480 columns begin at 80; with a margin of 24 the axis is not quite inside.
    ("crop", [24 / 480, 0.25, 224 / 480, 0.5]),
])  # fmt: skip
def test_parameters_follow_the_picture_that_serving_makes(build, picture, store, resize, expected):
    labelled = picture(0, one("banana"))
    dataset, _ = build(labelled, resize=resize, action="scoop")
    np.testing.assert_allclose(dataset.actions, [expected], atol=1e-6)
    assert (dataset.actions.dtype, dataset.masks) == (np.float32, None)
    np.testing.assert_array_equal(dataset.embeddings[0], store.lookup("scooping", "banana"))
    if resize != "crop":
        served = image_placement.decode_image(labelled.path.read_bytes())
        np.testing.assert_array_equal(dataset.images[0], image_placement.place(served, resize)[0])


def test_everything_left_out_is_counted_by_reason_and_label(build, picture):
    objects = [
        one("banana"),
        one("Bananas"),  # The same object under a variant of its name.
        one("kiwi"),
        one("kiwi", None),
        one("rice", None),
        one("rice", None, box=np.float64(AXIS)),  # Nobody gave rules.
        one("grape", ((5, 5), (5, 5))),
        one("grape", ((-0.1, 5), (50, 5))),
        one("grape", ((5, 5), (50, 480.1))),
        one("sausage", ((20, 240), (620, 240))),
        one("pea", flaw="is a crowd"),
    ]
    _, report = build(picture(0, *objects), resize="crop")
    assert report.samples == {("motion stated in the file", "banana"): 1}
    assert report.left_out == {
        ("duplicate", "Bananas"): 1,
        ("unknown food", "kiwi"): 2,
        ("unknown food", "pea"): 1,
        ("has no axis", "rice"): 2,
        ("axis has no length, or leaves the picture", "grape"): 3,
        ("axis outside the crop", "sausage"): 1,
    }


@pytest.mark.parametrize("content", [None, b"not a picture", "half"])
def test_an_unreadable_picture_is_named_or_skipped(build, picture, content):
    broken = picture(0, one("banana"), one("kiwi"), name="bad.png")
    sound, unneeded = picture(1, one("rice")), picture(2, one("kiwi"), name="no.png")
    unneeded.path.unlink()
    data = broken.path.read_bytes()
    broken.path.unlink()
    if content is not None:
        broken.path.write_bytes(data[: len(data) // 2] if content == "half" else content)
    with pytest.raises((OSError, ValueError), match="bad.png"):
        build(broken, sound, unneeded)
    dataset, report = build(broken, sound, unneeded, skip=True)
    assert dataset.food_types.tolist() == ["rice"]
    assert "bad.png" in report.unreadable[0]
    assert report.left_out["picture unreadable", "banana"] == 1
    other = picture(0, one("banana"), size=(1280, 960))
    with pytest.raises(ValueError, match=r"0.png: expected .1280, 960. .* got .640, 480."):
        build(other)


def test_sources_of_identical_pictures_and_groups(build, picture):
    copy = picture(0, one("rice"), name="copy.png")
    grouped = dataclasses.replace(picture(1, one("rice")), group="a#b")
    pictures = (picture(0, one("banana")), copy, grouped)
    first = "day_1/0.png"
    assert build(*pictures)[0].sources.tolist() == [first, first, "a%23b#day_1/1.png"]
    pattern = re.compile(r"(day)_\d+/(\d)")
    sources = build(*pictures, group_pattern=pattern)[0].sources.tolist()
    assert sources == ["day/0#day_1/0.png"] * 2 + ["day/1#day_1/1.png"]
    sources = build(*pictures, group_pattern=re.compile("none"))[0].sources.tolist()
    assert sources == ["day_1/0.png#", "day_1/0.png#", "day_1/1.png#"]


BAR = (np.float64([[10, 5], [20, 5], [20, 6], [10, 6]]),)
EMPTY = (np.float64([[90, 5.1], [95, 5.1], [95, 5.2]]),)
BOX = np.float64([[10, 2], [30, 12]])
LINE = np.float64([[1, 2], [3, 4]])
ABSENT = functools.partial(annotations.file_mask, pathlib.Path("absent.png"), None)


@pytest.fixture
def add(build, picture):
    """Axes in pixels of objects of a picture, left out is None; and the report."""

    def call(*objects, rules=mask_rules.DEFAULT_RULES, skip=True):
        objects = [dataclasses.replace(x, action=x.action or "skewering") for x in objects]
        pictures = [picture(i, x) for i, x in enumerate(objects)]
        pictures.append(picture(99, one("rice")))
        dataset, report = build(*pictures, resize="stretch", rules=rules, skip=skip)
        axes = dict(zip(dataset.sources, dataset.actions.reshape(-1, 2, 2) * (640, 480)))
        return [axes.get(x.source) for x in pictures[:-1]], report, dataset

    return call


def test_axes_are_stated_then_of_the_mask_then_of_the_box(add):
    axes, report, dataset = add(
        one("banana", LINE, rings=BAR, box=BOX),
        one("banana", None, rings=BAR, box=BOX),
        one("spaghetti", None, rings=BAR, action="twirling"),
        one("banana", None, box=BOX),
        one("banana", None, box=np.float64([[10, 0], [20, 10], [15, 15], [5, 5]])),
        one("banana", None, rings=EMPTY, box=BOX),
        one("banana", None, shape=lambda width, height: np.ones((2, 2), bool), box=BOX),
    )
    box = [[10.2, 7], [29.8, 7]]
    masks = [[[10.59, 5.5], [19.41, 5.5]], [[12.795, 5.5], [17.205, 5.5]]]
    expected = [LINE, *masks, box, [[7.6, 2.6], [17.4, 12.4]], box, box]
    np.testing.assert_allclose(axes, expected, atol=1e-4)
    assert collections.Counter(origin for origin, _ in report.samples.elements()) == {
        "motion stated in the file": 2, "motion from a mask": 2, "motion from a box": 4,
    }  # fmt: skip
    assert report.reading.notes == {"mask is empty": 1, "mask cannot be used": 1}
    first = report.reading.firsts["mask cannot be used"]
    assert "6.png: banana: mask: expected 640 x 480 as the photograph has" in first
    assert dataset.masks.any(axis=(1, 2)).tolist() == [True] * 3 + [False] * 5


def test_objects_that_get_no_axis_say_why(add):
    axes, report, _ = add(
        one("grape", None, rings=EMPTY),
        one("banana", None, shape=ABSENT),
        one("rice", None, box=np.float64([[10, 2], [10, 2]])),
        one("oatmeal", LINE, flaw="is a crowd"),
    )
    assert axes == [None] * 4
    assert report.left_out == {
        ("mask is empty", "grape"): 1,
        ("mask cannot be used", "banana"): 1,
        ("axis has no length, or leaves the picture", "rice"): 1,
        ("is a crowd", "oatmeal"): 1,
    }
    with pytest.raises(OSError, match="0.png: banana: .*absent.png"):
        add(one("banana", None, shape=ABSENT), skip=False)
    with pytest.raises(LookupError, match="No rule for the action 'scooping'"):
        add(one("rice", None, box=BOX, action="scooping"), rules={})


def test_masks_are_placed_like_the_picture_and_empty_where_there_is_none(build, picture):
    """Stretched, rows 120..240 of 480 become 59..118, columns 320..640 of 640 become 118..236."""
    masked = one("banana", rings=(np.float64([[320, 120], [640, 120], [640, 240], [320, 240]]),))
    dataset, _ = build(picture(0, masked, one("rice")), resize="stretch")
    masks = npz_dataset.unpack_masks(dataset.masks)
    rows, columns = np.nonzero(masks[0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (59, 117, 118, 235)
    assert not masks[1].any()


@pytest.fixture
def settle(tmp_path):
    """One picture of 40 x 20 pixels in its file, settled with what it states and with its flags."""

    def call(*objects, size=(40, 20), orientation=1, labels_on=None):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.new("RGB", (40, 20)).save(tmp_path / "1.jpg", exif=exif)
        labelled = annotations.LabelledPicture(tmp_path / "1.jpg", "a/1.jpg", size, objects)
        reading = annotations.Reading(labels_on=labels_on)
        (done,) = dataset_builder.settle([labelled], reading)
        return done, reading.notes

    return call


LOW = one("banana", ((5, 30), (10, 35)), box=np.float64([[2, 25], [12, 38]]))
WIDE = one("banana", ((30, 5), (35, 10)), rings=(np.float64([[30, 5], [38, 5], [38, 10]]),))
SMALL = one("banana", ((5, 5), (10, 5)))


def test_sizes_exchanged_by_exif_are_recognised(settle):
    """Orientation 6: of 40 x 20 the point (30, 5) comes to (20 - 5, 30)."""
    done, notes = settle(LOW, orientation=6)  # Sizes of the sensor, labels upright.
    assert (done.size, done.objects) == ((20, 40), (LOW,))
    assert "sizes exchanged by EXIF, labels on the upright picture" in notes
    done, notes = settle(WIDE, orientation=6)
    assert "sizes exchanged by EXIF, labels on the sensor picture" in notes
    assert done.objects[0].axis.tolist() == [[15, 30], [10, 35]]
    assert done.objects[0].rings[0].tolist() == [[15, 30], [15, 38], [10, 38]]
    with pytest.raises(ValueError, match="1.jpg: EXIF turns this photo.*--labels_on upright or"):
        settle(SMALL, orientation=6)
    assert settle(SMALL, orientation=6, labels_on="upright")[0].objects == (SMALL,)
    done, notes = settle(SMALL, orientation=6, labels_on="sensor")
    assert notes["photos that EXIF turns or mirrors"] == 1
    for labels_on in (None, "sensor"):  # The size says it.
        done, _ = settle(LOW, size=(20, 40), orientation=6, labels_on=labels_on)
        assert (done.size, done.objects) == ((20, 40), (LOW,))
    assert settle(SMALL, size=None)[0].size == (40, 20)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_labels_on_the_unturned_picture_stay_on_their_food(settle, orientation):
    """A corner of the sensor's picture that has a box and a mask is the same corner afterwards."""
    pixels = np.zeros((20, 40), bool)
    pixels[2:6, 30:38] = True
    picture = Image.fromarray(pixels)
    picture.getexif()[0x0112] = orientation
    upright = np.asarray(ImageOps.exif_transpose(picture))
    box = np.float64([[30, 2], [38, 6]])
    labelled = one("a", None, shape=lambda width, height: pixels, box=box)
    done, _ = settle(labelled, orientation=orientation, size=None, labels_on="sensor")
    np.testing.assert_array_equal(done.objects[0].mask(*done.size), upright)
    rows, columns = np.nonzero(upright)
    corners = [[columns.min(), rows.min()], [columns.max() + 1, rows.max() + 1]]
    assert done.objects[0].box.tolist() == corners


def test_what_can_hardly_be_on_the_picture_is_refused_or_counted(settle):
    boxes = [[[30, 10], [60, 20]], [[30, 10], [45, 20]], [[10, 10], [40.9, 20]]]
    objects = [one("banana", None, box=np.float64(box)) for box in boxes]
    done, notes = settle(*objects, one("banana", [[0.1, 0.2], [0.9, 0.8]]))
    outside, one_pixel = dataset_builder.OUTSIDE, dataset_builder.IN_ONE_PIXEL
    assert [one.flaw for one in done.objects] == [outside, None, None, one_pixel]
    assert notes == {"boxes and polygons cut off at the border": 1}
    with pytest.raises(ValueError, match="all numbers in 0..1.*--units normalised"):
        settle(one("banana", None, box=np.float64([[0.1, 0.2], [0.9, 0.8]])))


def test_actions_are_of_the_object_then_the_label_then_the_default(store):
    def resolve(*objects, default=None):
        labelled = annotations.LabelledPicture(pathlib.Path("1.jpg"), "a/1.jpg", None, objects)
        (done,) = dataset_builder.resolve_actions([labelled], default, store.vocabulary)
        return [(each.action, each.label) for each in done.objects]

    objects = [one("Scoop Beans", action="Skewer"), one("twirl spaghetti"), one("Pale Cube")]
    assert resolve(*objects, default="skewer") == [
        ("skewering", "Scoop Beans"),
        ("twirling", "spaghetti"),
        ("skewering", "Pale Cube"),
    ]
    with pytest.raises(ValueError, match="1.jpg: Pale Cube: expected an action, got none. Give -"):
        resolve(*objects)
    with pytest.raises(LookupError, match="1.jpg: carrot: Unknown action 'stab'"):
        resolve(one("carrot", action="stab"))
