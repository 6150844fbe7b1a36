import numpy as np
import pytest
from PIL import Image

from food_data import annotations, build_report, mask_rules
from food_data.sources import axes, shapes

BAR = shapes.Polygons((np.float64([[10, 5], [20, 5], [20, 6], [10, 6]]),))
EMPTY = shapes.Polygons((np.float64([[90, 5], [95, 5], [95, 6]]),))
BOX = np.float64([[10, 2], [30, 12]])
LINE = np.float64([[1, 2], [3, 4]])


def one(axis=None, action="skewering", **more):
    return annotations.LabelledObject("carrot", axis, action, **more)


@pytest.fixture
def add(tmp_path):
    def call(*objects, size=(40, 20), rules=mask_rules.DEFAULT_RULES, **options):
        picture = annotations.LabelledPicture(tmp_path / "1.png", "a/1.png", size, objects)
        (done,), origins = axes.add_axes([picture], rules, **options)
        return done.objects, origins

    return call


def test_stated_then_mask_then_box(add):
    done, origins = add(one(LINE, shape=BAR, box=BOX), one(shape=BAR, box=BOX), one(box=BOX), one())
    np.testing.assert_array_equal(done[0].axis, LINE)
    np.testing.assert_allclose(done[1].axis, [[10.59, 5.5], [19.41, 5.5]])
    np.testing.assert_allclose(done[2].axis, [[10.2, 7], [29.8, 7]])
    assert (done[3].axis, done[3].flaw) == (None, None)
    assert origins == {axes.STATED: 1, axes.FROM_MASK: 1, axes.FROM_BOX: 1}
    assert done[1].shape is BAR


def test_the_rule_is_that_of_the_objects_action(add):
    rules = {
        "skewering": mask_rules.MaskRule(direction="left"),
        "twirling": mask_rules.MaskRule(0.5),
    }
    (skewer, twirl), _ = add(one(shape=BAR), one(shape=BAR, action="twirling"), rules=rules)
    np.testing.assert_allclose(skewer.axis, [[19.41, 5.5], [10.59, 5.5]])
    np.testing.assert_allclose(twirl.axis, [[12.795, 5.5], [17.205, 5.5]])
    with pytest.raises(LookupError, match="No mask rule for the action 'scooping'"):
        add(one(box=BOX, action="scooping"), rules=rules)


def test_what_cannot_be_used_says_why(add):
    flat = np.float64([[10, 2], [10, 12]])
    outside = np.float64([[50, 2], [60, 12]])
    done, origins = add(
        one(shape=EMPTY, box=BOX), one(box=flat), one(box=outside), one(LINE, flaw="is a crowd")
    )
    reasons = [each.flaw for each in done]
    assert reasons == [axes.EMPTY_MASK, axes.NO_AREA, axes.NO_AREA, "is a crowd"]
    assert [each.axis for each in done] == [None] * 4
    assert not origins


def test_a_box_is_cut_off_at_the_border_first(add):
    (done,), _ = add(one(box=np.float64([[-1, 2], [19, 12]])))
    np.testing.assert_allclose(done.axis, [[0.19, 7], [18.81, 7]])
    rules = {"skewering": mask_rules.MaskRule(part=2.0)}
    (long,), _ = add(one(box=BOX), rules=rules)
    np.testing.assert_allclose(long.axis, [[0.4, 7], [39.6, 7]])
    (longer,), _ = add(one(box=np.float64([[0, 2], [30, 12]])), rules=rules)
    np.testing.assert_allclose(longer.axis, [[0, 7], [40, 7]])


def test_boxes_can_be_left_out(add):
    (mask, box), origins = add(one(shape=BAR, box=BOX), one(box=BOX), use_boxes=False)
    assert mask.axis is not None
    assert (box.axis, box.flaw) == (None, axes.BOX_ONLY)
    assert origins == {axes.FROM_MASK: 1}


def test_unwanted_objects_cost_nothing(add, tmp_path):
    absent = shapes.MaskFile(tmp_path / "absent.png")
    done, origins = add(
        one(shape=absent), one(LINE), one(shape=BAR), wanted=lambda each: each.shape is BAR
    )
    assert [each.axis is None for each in done] == [True, True, False]
    assert origins == {axes.FROM_MASK: 1}


def test_a_size_that_is_not_stated_is_read_from_the_picture(add, tmp_path):
    Image.new("RGB", (40, 20)).save(tmp_path / "1.png")
    (done,), _ = add(one(shape=BAR), size=None)
    np.testing.assert_allclose(done.axis, [[10.59, 5.5], [19.41, 5.5]])


def test_unreadable_masks_and_pictures_are_named_or_counted(add, tmp_path):
    absent = one(shape=shapes.MaskFile(tmp_path / "absent.png"))
    with pytest.raises(OSError, match="1.png: carrot: .*absent.png"):
        add(absent)
    with pytest.raises(OSError, match="1.png: carrot: .*1.png"):
        add(one(shape=BAR), size=None)
    wrong = one(shape=shapes.Runs(np.array([4]), 2, 2))
    with pytest.raises(ValueError, match="1.png: carrot: .* expected 40 x 20 pixels"):
        add(wrong)
    done, _ = add(absent, wrong, one(shape=BAR), skip_unreadable=True)
    assert [each.flaw for each in done] == [build_report.UNREADABLE] * 2 + [None]


def test_progress_sees_the_pictures(add):
    seen = []
    add(one(LINE), progress=lambda pictures: seen.append(len(pictures)) or pictures)
    assert seen == [1]
