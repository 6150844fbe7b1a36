import numpy as np
import pytest

from food_data.synthetic import melons

KINDS = {"cantaloupe": melons.CANTALOUPE, "honeydew": melons.HONEYDEW}


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("melon", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("paint", [melons.wedge, melons.cube, melons.ball])
def test_most_of_a_piece_has_the_colour_of_the_flesh(paint, melon):
    body = paint(rng(), 100.0, melon)
    seen = np.median(body.albedo[body.alpha > 127], axis=0)
    np.testing.assert_allclose(seen, melon.flesh, atol=45)


def test_the_melons_differ_in_colour():
    orange, green, red = (
        np.median(melons.cube(rng(), 60.0, melon).albedo.reshape(-1, 3), axis=0)
        for melon in (melons.CANTALOUPE, melons.HONEYDEW, melons.WATERMELON)
    )
    assert orange[0] > orange[1] + 50 and green[1] > green[0] and red[0] > 2 * red[1]


def test_a_wedge_has_its_rind_at_the_outer_arc():
    body = melons.wedge(rng(), 120.0, melons.WATERMELON)
    column = body.alpha.shape[1] // 2
    rows = np.flatnonzero(body.alpha[:, column] > 127)
    skin, flesh = (
        body.albedo[rows[-2], column].astype(int),
        body.albedo[rows[5], column].astype(int),
    )
    assert skin[1] > skin[0] and flesh[0] > 2 * flesh[1]


def test_a_triangle_is_widest_at_its_rind():
    body = melons.triangle(rng(), 100.0, melons.WATERMELON)
    widths = (body.alpha > 127).sum(axis=1)
    assert widths[15] < 0.4 * widths[70]
    base = body.albedo[np.flatnonzero(widths)[-3], body.alpha.shape[1] // 2].astype(int)
    assert base[1] > base[0]


def test_only_the_watermelon_has_dark_seeds():
    def dark(melon):
        body = melons.cube(rng(1), 100.0, melon)
        return (body.albedo[body.alpha > 127].max(axis=1) < 70).sum()

    assert dark(melons.WATERMELON) > 15
    assert dark(melons.CANTALOUPE) == 0


def test_a_cube_shows_a_darker_side():
    body = melons.cube(rng(2), 100.0, melons.HONEYDEW)
    tones = body.albedo[body.alpha > 127].mean(axis=1)
    dark = (tones < 0.88 * np.median(tones)).mean()
    assert 0.05 < dark < 0.5
