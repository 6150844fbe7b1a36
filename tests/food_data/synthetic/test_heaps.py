import numpy as np
import pytest

from food_data.synthetic import heaps

PAINTS = [heaps.rice, heaps.mac_and_cheese, heaps.oatmeal, heaps.mashed_potato]


def rng(seed=0):
    return np.random.default_rng(seed)


def detail(body):
    """How much the brightness changes from pixel to pixel in the middle of the heap."""
    rows, columns = (slice(side // 2 - 20, side // 2 + 20) for side in body.alpha.shape)
    return np.abs(np.diff(body.albedo[rows, columns].mean(axis=2))).mean()


@pytest.mark.parametrize("kind", ["rice", "elbow", "flake"])
def test_tiles_are_covered_with_pieces(kind):
    tile = heaps.tile(kind)
    assert tile.shape == (384, 384) and tile.dtype == np.uint8
    assert (tile > 100).mean() > 0.45
    assert tile.std() > 25
    assert heaps.tile(kind) is tile


@pytest.mark.parametrize("paint", PAINTS)
def test_heaps_differ_from_seed_to_seed_in_outline(paint):
    first, second = (paint(rng(s), 100.0).alpha > 127 for s in (0, 1))
    assert first.shape != second.shape or (first != second).mean() > 0.02
    assert 0.4 < first.mean() < 0.95


def test_mash_is_smooth_and_macaroni_are_not():
    mash = np.mean([detail(heaps.mashed_potato(rng(s), 120.0)) for s in range(4)])
    macaroni = np.mean([detail(heaps.mac_and_cheese(rng(s), 120.0)) for s in range(4)])
    assert macaroni > 3 * mash


def test_rice_is_white_macaroni_orange_oatmeal_beige():
    rice, macaroni, oatmeal = (
        np.mean([np.median(p(rng(s), 80.0).albedo, axis=(0, 1)) for s in range(6)], axis=0)
        for p in PAINTS[:3]
    )
    assert rice.min() > 190
    assert macaroni[0] > macaroni[1] + 30 and macaroni[1] > macaroni[2] + 40
    assert 12 < np.ptp(oatmeal) < 110 and oatmeal[0] > oatmeal[2]


def test_grains_stick_out_of_the_outline_of_rice():
    """A ragged outline is longer than that of mash of the same area."""

    def raggedness(body):
        inside = body.alpha > 127
        edge = np.abs(np.diff(inside.astype(int), axis=0)).sum()
        edge += np.abs(np.diff(inside.astype(int), axis=1)).sum()
        return edge / np.sqrt(inside.sum())

    rice, mash = (
        np.mean([raggedness(p(rng(s), 120.0)) for s in range(4)])
        for p in (heaps.rice, heaps.mashed_potato)
    )
    assert rice > 1.1 * mash


def test_oatmeal_is_flatter_than_rice():
    assert heaps.oatmeal(rng(), 100.0).height.max() < 0.7 * heaps.rice(rng(), 100.0).height.max()
