import numpy as np
import pytest

from food_data.synthetic import meats


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    "paint", [meats.chicken_breast, meats.drumstick, meats.chicken_nugget, meats.sausage,
              meats.brownie],
)  # fmt: skip
def test_they_are_brown(paint):
    body = paint(rng(), 100.0)
    red, green, blue = np.median(body.albedo[body.alpha > 127], axis=0)
    assert red > green > blue


def test_raw_chicken_is_paler_than_grilled():
    raw, grilled = (
        np.mean([paint(rng(s), 60.0).albedo.mean() for s in range(4)])
        for paint in (meats.chicken_raw, meats.chicken_breast)
    )
    assert raw > grilled + 25


def test_a_fillet_has_dark_stripes():
    body = meats.chicken_breast(rng(), 120.0)
    dark = body.albedo[..., 0] < 130
    assert 0.08 < dark[body.alpha > 127].mean() < 0.5


def test_a_drumstick_ends_in_a_pale_bone():
    body = meats.drumstick(rng(), 100.0)
    inside = body.alpha > 127
    width = body.alpha.shape[1]
    bone, meat = body.albedo[:, -width // 8 :], body.albedo[:, : width // 2]
    pale = bone[inside[:, -width // 8 :]].mean(axis=0)
    assert pale.min() > 150 > meat[inside[:, : width // 2]].mean()


def test_some_sausages_have_cuts_and_they_bend():
    bodies = [meats.sausage(rng(s), 100.0) for s in range(20)]
    heights = [(body.alpha > 127).any(axis=1).sum() for body in bodies]
    assert min(heights) < 22 < max(heights)
    assert len({tuple(body.albedo[len(body.albedo) // 2, 50]) for body in bodies}) > 10


def test_a_brownie_is_an_angular_dark_block():
    body = meats.brownie(rng(), 100.0)
    inside = body.alpha > 127
    box = inside[np.ix_(inside.any(axis=1), inside.any(axis=0))]
    assert box.mean() > 0.85
    assert np.median(body.albedo[inside]) < 100
