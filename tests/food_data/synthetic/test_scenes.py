import numpy as np
import pytest

from food_data import food_looks, mask_rules
from food_data.synthetic import scenes as synthetic_scenes

SIZE = 118


def plate(seed, size=236, **options):
    return synthetic_scenes.render_plate(np.random.default_rng(seed), size, **options)


@pytest.fixture(scope="module")
def plates():
    """Forty small plates."""
    return [plate([5, i], SIZE) for i in range(40)]


def test_a_plate_is_the_same_for_the_same_seed():
    first, foods = plate(3)
    again, same = plate(3)
    other, _ = plate(4)
    np.testing.assert_array_equal(first, again)
    assert [food.food for food in foods] == [food.food for food in same]
    np.testing.assert_array_equal(foods[0].mask, same[0].mask)
    assert (first != other).mean() > 0.5


@pytest.mark.parametrize("size", [64, 236, 401])
def test_a_picture_of_any_size(size):
    image, foods = plate(0, size)
    assert image.shape == (size, size, 3)
    assert image.dtype == np.uint8
    assert all(food.mask.shape == (size, size) and food.mask.dtype == bool for food in foods)


def test_plates_hold_one_to_six_different_known_foods(plates):
    for _, foods in plates:
        names = [food.food for food in foods]
        assert len(set(names)) == len(names)
        assert all(food_looks.FOOD_LOOKS[food.food].action == food.action for food in foods)
    assert {len(foods) for _, foods in plates} == {1, 2, 3, 4, 5, 6}


def test_as_many_foods_as_are_drawn_first(plates):
    for i, (_, foods) in enumerate(plates):
        rng = np.random.default_rng([5, i])
        assert len(foods) == synthetic_scenes.draw_number(rng, list(food_looks.FOOD_LOOKS), 6)
    assert len(plate(0, 64, foods=["banana"])[1]) == 1
    assert {len(plate(s, 64, max_foods=2)[1]) for s in range(8)} == {1, 2}


def test_parameters_follow_from_the_mask_by_the_default_rules(plates):
    for _, foods in plates:
        for food in foods:
            expected = mask_rules.execution_parameters(food.mask, food.action)
            assert food.parameters.dtype == np.float32
            np.testing.assert_allclose(food.parameters, expected, atol=1e-6)


def test_parameters_lie_on_the_picture_and_apart(plates):
    for _, foods in plates:
        parameters = np.stack([food.parameters for food in foods]).reshape(-1, 2, 2)
        assert parameters.min() > 0 and parameters.max() < 1
        assert (parameters[:, 1, 0] >= parameters[:, 0, 0]).all()
        middles = parameters.mean(axis=1)
        apart = np.linalg.norm(middles[:, np.newaxis] - middles, axis=-1)
        assert (apart[~np.eye(len(foods), dtype=bool)] > 0.04).all()


def test_masks_do_not_share_pixels_and_are_inside_the_frame(plates):
    for image, foods in plates:
        masks = np.array([food.mask for food in foods])
        assert masks.sum(axis=0).max() == 1
        assert masks.sum(axis=(1, 2)).min() > 10
        black = (image == 0).all(axis=2)
        rows, columns = black.all(axis=1), black.all(axis=0)
        assert not masks[:, rows].any() and not masks[:, :, columns].any()


def test_the_middle_of_the_parameters_is_on_the_food(plates):
    """Nearly always: a bunch or a bent bean may have a gap there."""
    on = []
    for _, foods in plates:
        for food in foods:
            x, y = food.parameters.reshape(2, 2).mean(axis=0) * SIZE
            on.append(food.mask[int(y), int(x)])
    assert np.mean(on) > 0.97


def test_foods_are_large_enough_to_be_seen(plates):
    sizes = [food.mask.mean() for _, foods in plates for food in foods]
    assert np.median(sizes) > 0.012
    assert max(sizes) < 0.4


@pytest.mark.parametrize(
    "food, channel", [("cherry_tomato", 0), ("green_bean", 1), ("blueberry", 2)]
)
def test_the_food_is_where_its_mask_says(food, channel):
    """Seen by its colour, whatever the light: what the mask covers is more so than what
    is about it, unless it lies on a plate of its own colour.
    """
    clear = 0
    for seed in range(12):
        image, (placed,) = plate(seed, foods=[food])
        part = image.astype(float) - image.mean(axis=2, keepdims=True)
        inside = part[placed.mask][:, channel].mean()
        near = np.zeros_like(placed.mask)
        rows, columns = np.nonzero(placed.mask)
        near[
            max(0, rows.min() - 12) : rows.max() + 12,
            max(0, columns.min() - 12) : columns.max() + 12,
        ] = True
        outside = part[near & ~placed.mask][:, channel].mean()
        clear += inside > outside + 3
    assert clear >= 9


def test_plates_vary_in_brightness_background_and_scale(plates):
    means = np.array([image.mean() for image, _ in plates])
    assert np.ptp(means) > 80
    lengths = [
        np.linalg.norm(food.parameters[2:] - food.parameters[:2])
        for _, foods in plates
        for food in foods
    ]
    assert np.percentile(lengths, 95) > 2.2 * np.percentile(lengths, 5)


@pytest.mark.slow
def test_foods_cover_at_most_15_percent_of_the_smaller_one(monkeypatch):
    """Whole masks, as pasted, against what is left of each."""
    whole = []
    paste = synthetic_scenes.synthetic_placing.paste

    def remember(*arguments):
        whole.append(paste(*arguments))
        return whole[-1].copy()

    monkeypatch.setattr(synthetic_scenes.synthetic_placing, "paste", remember)
    touching = 0
    for seed in range(120):
        whole.clear()
        plate([8, seed], max_foods=6)
        for i, one in enumerate(whole):
            for other in whole[:i]:
                overlap = (one & other).sum() / min(one.sum(), other.sum())
                assert overlap <= 0.15
                touching += overlap > 0
    assert touching > 5
