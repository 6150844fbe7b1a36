import numpy as np
import pytest

from food_data.synthetic import vegetables


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    "paint", [vegetables.broccoli, vegetables.green_bean, vegetables.green_beans]
)
def test_they_are_green(paint):
    body = paint(rng(), 100.0)
    red, green, blue = np.moveaxis(body.albedo[body.alpha > 127].astype(int), -1, 0)
    assert ((green > red) & (green > blue)).mean() > 0.9


def test_broccoli_has_a_pale_stem_at_the_left_and_a_dark_crown_at_the_right():
    body = vegetables.broccoli(rng(), 100.0)
    inside = body.alpha > 127
    width = body.alpha.shape[1]
    stem, crown = (slice(0, width // 5), slice(width // 2, width))
    assert inside[:, stem].any(axis=1).sum() < 0.5 * inside[:, crown].any(axis=1).sum()
    tone = body.albedo.mean(axis=2)
    assert tone[:, stem][inside[:, stem]].mean() > 1.3 * tone[:, crown][inside[:, crown]].mean()


def test_a_bean_is_thin_and_a_handful_is_not():
    one, many = (paint(rng(), 100.0) for paint in (vegetables.green_bean, vegetables.green_beans))
    tall = [(body.alpha > 127).any(axis=1).sum() for body in (one, many)]
    assert tall[0] < 20 < 30 < tall[1]


def test_a_leaf_has_a_pale_rib_and_folds():
    body = vegetables.lettuce(rng(), 120.0)
    middle = body.alpha.shape[0] // 2
    rib = body.albedo[middle - 1 : middle + 1, 20:60].mean()
    leaf = body.albedo[middle - 30 : middle - 20, 30:80].mean()
    assert rib > leaf + 25
    assert body.height[body.alpha > 127].std() > 1
    assert body.height[body.alpha == 0].max() == 0
