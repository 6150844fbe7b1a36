import numpy as np
import pytest

from food_data.synthetic import fruits as synthetic_fruits


def rng(seed=0):
    return np.random.default_rng(seed)


def share(body, test):
    """Of the food's pixels, the part whose colour passes the test."""
    return test(*np.moveaxis(body.albedo[body.alpha > 127].astype(int), -1, 0)).mean()


@pytest.mark.parametrize("seed", range(3))
def test_a_banana_in_its_peel_is_yellow_with_dark_ends(seed):
    body = synthetic_fruits.banana_in_peel(rng(seed), 120.0)
    assert share(body, lambda r, g, b: (r > b + 60) & (g > b + 40)) > 0.7
    middle = body.albedo[:, 50:70][body.alpha[:, 50:70] > 127].mean()
    end = body.albedo[:, -6:][body.alpha[:, -6:] > 127].mean()
    assert end < middle


def test_a_bunch_is_wider_than_a_banana():
    one = synthetic_fruits.banana_in_peel(rng(), 100.0)
    bunch = synthetic_fruits.banana_bunch(rng(), 100.0)
    assert bunch.alpha.shape[0] > 1.3 * one.alpha.shape[0]


def test_a_peeled_banana_and_a_slice_are_pale():
    for paint in (synthetic_fruits.banana_peeled, synthetic_fruits.banana_slice):
        assert share(paint(rng(), 80.0), lambda r, g, b: (r > 170) & (b > 80)) > 0.7


def test_a_slice_has_dark_seeds_about_its_middle():
    body = synthetic_fruits.banana_slice(rng(), 100.0)
    rows, columns = np.nonzero(body.albedo[..., 0] < 130)
    at = np.hypot(rows - body.alpha.shape[0] / 2, columns - body.alpha.shape[1] / 2)
    assert len(at) > 10 and np.median(at) < 20


@pytest.mark.parametrize(
    "paint", [synthetic_fruits.pineapple_chunk, synthetic_fruits.pineapple_spear]
)
def test_pineapple_is_yellow_with_fibres_along_it(paint):
    body = paint(rng(), 120.0)
    assert share(body, lambda r, g, b: (r > b + 60) & (g > b + 40)) > 0.6
    middle = body.height[body.alpha.shape[0] // 2 - 8 : body.alpha.shape[0] // 2 + 8, 40:80]
    assert np.abs(np.diff(middle, axis=0)).mean() > 1.5 * np.abs(np.diff(middle, axis=1)).mean()


def test_a_strawberry_is_red_narrow_at_one_end_and_most_have_a_calyx():
    bodies = [synthetic_fruits.strawberry(rng(s), 80.0) for s in range(20)]
    assert np.mean([share(b, lambda r, g, b: r > 1.5 * g) for b in bodies]) > 0.6
    widths = (bodies[0].alpha > 127).sum(axis=0)
    assert widths[20:35].mean() > 1.3 * widths[-18:-8].mean()
    leafy = sum(share(b, lambda r, g, b: g > r + 20) > 0.03 for b in bodies)
    assert 12 <= leafy < 20


def test_the_cut_face_is_paler_than_the_skin():
    whole, half = (
        paint(rng(), 80.0)
        for paint in (synthetic_fruits.strawberry, synthetic_fruits.strawberry_half)
    )
    middle = whole.alpha.shape[0] // 2
    assert half.albedo[middle, 44].sum() > whole.albedo[middle, 44].sum() + 100
