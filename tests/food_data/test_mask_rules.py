"""Motions of masks and boxes, worked by hand, and the rules as a user writes them."""

import numpy as np
import pytest

from food_data import mask_rules
from food_data.mask_rules import MaskRule

ROW = np.zeros((20, 40), bool)
ROW[5, 10:20] = True


def test_a_bar_as_the_documentation_works_it():
    """Ten centres 10.5 .. 19.5; the 1st percentile lies 1% of 9 steps above the first."""
    skewering = mask_rules.execution_parameters(ROW, "skewering")
    np.testing.assert_allclose(skewering, [0.26475, 0.275, 0.48525, 0.275])
    twirling = mask_rules.execution_parameters(ROW, "twirling")
    np.testing.assert_allclose(twirling, [12.795 / 40, 0.275, 17.205 / 40, 0.275])
    np.testing.assert_array_equal(mask_rules.execution_parameters(ROW, "scooping"), skewering)


def test_an_axis_that_would_leave_the_picture_is_cut_off_on_its_own_line():
    longer = mask_rules.mask_axis(ROW, MaskRule(part=2.0))
    np.testing.assert_allclose(longer, [[15 - 8.82, 5.5], [15 + 8.82, 5.5]])
    diagonal = mask_rules.mask_axis(np.eye(10, dtype=bool), MaskRule(part=2.0))
    np.testing.assert_allclose(diagonal, [[0, 0], [10, 10]], atol=1e-9)


@pytest.mark.parametrize("box, rule, expected", [
    ([[10, 20], [110, 60]], {}, [[11, 40], [109, 40]]),
    ([[10, 20], [50, 120]], {}, [[30, 21], [30, 119]]),
    ([[10, 20], [50, 60]], {}, [[10.4, 40], [49.6, 40]]),
    ([[10, 20], [110, 60]], {"part": 0.5}, [[35.5, 40], [84.5, 40]]),
    ([[20, 20], [220, 60]], {}, [[21, 40], [119, 40]]),  # Of what is in the picture.
    # A square about (50, 50) with its corners on the axes, made longer to the bottom right.
    ([[50, 40], [110, 100], [100, 110], [40, 50]], {}, [[45.6, 45.6], [104.4, 104.4]]),
    ([[50, 40], [140, 130], [130, 140], [40, 50]], {}, [[45.9, 45.9], [120, 120]]),
])  # fmt: skip
def test_a_box_goes_along_its_longer_side(box, rule, expected):
    axis = mask_rules.box_axis(np.float64(box), MaskRule(**rule), (120, 120))
    np.testing.assert_allclose(axis, expected)


@pytest.mark.parametrize("step, direction, expected", [
    ((-2, 5), "down", (-2, 5)),
    ((-2, 5), "right", (2, -5)),
    ((1e-15, -5), "right", (0, 5)),
    ((-5, -1e-15), "up", (5, 0)),
    ((0, 0), "right", (0, 0)),
])  # fmt: skip
def test_directed_turns_an_axis_round_or_leaves_it(step, direction, expected):
    axis = np.array([[10, 20], np.add([10, 20], step)])
    turned = mask_rules.directed(axis, direction)
    np.testing.assert_allclose(turned[1] - turned[0], expected, atol=1e-12)
    np.testing.assert_allclose(turned.mean(axis=0), axis.mean(axis=0))


def test_changes_of_the_rules():
    assert mask_rules.read_rules() == dict(mask_rules.DEFAULT_RULES)
    changes = ("twirl.direction=down", "scooping.direction=left", "twirling.part=0.7")
    assert mask_rules.read_rules(changes) == {
        "skewering": MaskRule(),
        "scooping": MaskRule(direction="left"),
        "twirling": MaskRule(part=0.7, direction="down"),
    }
    assert mask_rules.DEFAULT_RULES["scooping"] == MaskRule()


@pytest.mark.parametrize("change, message", [
    ("twirling.length=1", "expected <action>.part=0.5 .*got 'twirling.length=1'"),
    ("part=0.3", "expected <action>.part=0.5 .*got 'part=0.3'"),
    ("twirling.part=2.1", "--mask_rule: expected part above 0 up to 2, .* got 2.1 and"),
    ("twirling.part=x", "part above 0 .* got nan"),
    ("twirling.direction=east", "direction one of right, left, down, up, got 0.5 and 'east'"),
    ("stab.part=1", "Unknown action 'stab'. .*skewering"),
])  # fmt: skip
def test_changes_of_another_form(change, message):
    with pytest.raises((ValueError, LookupError), match=message):
        mask_rules.read_rules([change])
