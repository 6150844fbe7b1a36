import collections

import numpy as np
import pytest

from food_data import food_looks, vocabulary
from food_data.synthetic import light as synthetic_light

FORMS = [
    pytest.param(form, id=f"{food}-{i}")
    for food, look in food_looks.FOOD_LOOKS.items()
    for i, form in enumerate(look.forms)
]


def paint(form, seed=0, length=100.0):
    return form.paint(np.random.default_rng(seed), length)


def test_every_food_can_be_drawn_and_every_action_occurs():
    assert sorted(food_looks.FOOD_LOOKS) == sorted(vocabulary.FOODS)
    assert {look.action for look in food_looks.FOOD_LOOKS.values()} == set(vocabulary.ACTIONS)


def test_soft_foods_are_scooped_and_noodles_twirled():
    actions = {food: look.action for food, look in food_looks.FOOD_LOOKS.items()}
    assert actions["rice"] == actions["oatmeal"] == "scooping"
    assert actions["spaghetti"] == actions["fettucine"] == "twirling"
    assert actions["sausage"] == actions["grape"] == "skewering"


def test_shares_add_up_to_one():
    for look in food_looks.FOOD_LOOKS.values():
        assert sum(form.share for form in look.forms) == pytest.approx(1)


def test_forms_are_drawn_by_their_shares():
    look = food_looks.FOOD_LOOKS["cherry_tomato"]
    rng = np.random.default_rng(0)
    drawn = collections.Counter(look.draw_form(rng).share for _ in range(1000))
    assert drawn[0.7] == pytest.approx(700, abs=50)
    assert drawn[0.3] == 1000 - drawn[0.7]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_a_whole_body_of_about_its_length(form):
    body = paint(form)
    shape = body.alpha.shape
    assert body.albedo.shape == (*shape, 3) and body.height.shape == shape
    assert body.albedo.dtype == body.alpha.dtype == np.uint8 and body.height.dtype == np.float32
    assert np.isfinite(body.height).all()
    inside = body.alpha > 127
    columns = np.flatnonzero(inside.any(axis=0))
    rows = np.flatnonzero(inside.any(axis=1))
    assert 80 <= np.ptp(columns) <= 110
    assert np.ptp(rows) <= 1.06 * np.ptp(columns)
    middle = np.array([rows.mean(), columns.mean()])
    assert np.abs(middle + 0.5 - np.array(shape) / 2).max() < 12


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_the_same_for_the_same_seed_and_another_for_another(form):
    first, again, other = paint(form, 1), paint(form, 1), paint(form, 2)
    np.testing.assert_array_equal(first.albedo, again.albedo)
    np.testing.assert_array_equal(first.height, again.height)
    assert first.albedo.shape != other.albedo.shape or (first.albedo != other.albedo).any()


@pytest.mark.parametrize("form", FORMS)
def test_the_smallest_foods_can_be_painted_too(form):
    assert (paint(form, 3, 36.0).alpha > 127).sum() > 60


def seen_colour(food):
    """Mean RGB of a lit food, over its forms."""
    light = synthetic_light.Light((0.0, 0.0, 1.0), 0.6, 1.0)
    colours = []
    for form in food_looks.FOOD_LOOKS[food].forms:
        body = paint(form)
        colours.append(synthetic_light.shade(body, light)[body.alpha > 127].mean(axis=0))
    return np.mean(colours, axis=0)


@pytest.mark.parametrize(
    "food, channel",
    [("cherry_tomato", 0), ("strawberry", 0), ("lettuce", 1), ("broccoli", 1), ("green_bean", 1),
     ("blueberry", 2), ("watermelon", 0)],
)  # fmt: skip
def test_foods_have_the_colour_that_one_expects(food, channel):
    assert np.argmax(seen_colour(food)) == channel


def test_rice_is_whiter_than_oatmeal_and_a_brownie_is_dark():
    rice, oatmeal, brownie = (seen_colour(food) for food in ("rice", "oatmeal", "brownie"))
    assert np.ptp(rice) < np.ptp(oatmeal)
    assert brownie.max() < 100 < oatmeal.min() < rice.min()
