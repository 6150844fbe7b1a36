import numpy as np
import pytest

from food_data.synthetic import noodles


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("kind", ["spaghetti", "fettucine"])
def test_nests_are_drawn_once_and_differ(kind):
    first, second = noodles._nest(kind, 0), noodles._nest(kind, 1)
    assert noodles._nest(kind, 0) is first
    assert first.dtype == np.uint8 and first.shape[2] == 4
    assert first.shape != second.shape or (first != second).mean() > 0.2
    assert 0.4 < (first[..., 3] > 127).mean() < 0.95


def test_spaghetti_are_thinner_than_fettucine():
    """More edges in a row of pixels."""

    def edges(kind):
        tones = [noodles._nest(kind, index)[..., 1].astype(int) for index in range(4)]
        middles = [tone[len(tone) // 2 - 15 : len(tone) // 2 + 15] for tone in tones]
        return np.mean([(np.abs(np.diff(middle, axis=1)) > 40).mean() for middle in middles])

    assert edges("spaghetti") > 1.1 * edges("fettucine")


def test_some_spaghetti_have_red_sauce():
    def red(seed):
        body = noodles.spaghetti(rng(seed), 80.0)
        r, g, _ = np.moveaxis(body.albedo[body.alpha > 127].astype(int), -1, 0)
        return (r > 2 * g).mean()

    sauced = [red(seed) > 0.1 for seed in range(30)]
    assert 8 < sum(sauced) < 27


def test_fettucine_are_pale():
    body = noodles.fettucine(rng(), 100.0)
    assert np.median(body.albedo[body.alpha > 127], axis=0).min() > 100


@pytest.mark.parametrize("paint", [noodles.spaghetti, noodles.fettucine])
@pytest.mark.parametrize("length", [36.0, 176.0])
def test_nests_have_the_length_that_is_asked_for(paint, length):
    columns = np.flatnonzero((paint(rng(), length).alpha > 127).any(axis=0))
    assert np.ptp(columns) == pytest.approx(length, rel=0.12)
