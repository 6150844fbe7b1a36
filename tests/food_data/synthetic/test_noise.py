import numpy as np
import pytest

from food_data.synthetic import noise as synthetic_noise


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("grain", [4, 12, 40])
def test_a_patch_has_the_size_and_the_grain_that_is_asked_for(grain):
    patches = [synthetic_noise.patch(rng(s), (200, 300), grain) for s in range(6)]
    assert patches[0].shape == (200, 300) and patches[0].dtype == np.float32
    assert np.std(patches) == pytest.approx(1, abs=0.25)
    # White noise that was blurred by sigma = grain / 2 is alike to exp(-1/4) = 0.78 at that lag.
    lag = grain // 2
    alike = np.mean([np.mean(p[:, lag:] * p[:, :-lag]) for p in patches]) / np.var(patches)
    assert alike == pytest.approx(0.78, abs=0.12)


def test_noise_is_the_same_for_the_same_seed():
    np.testing.assert_array_equal(*(synthetic_noise.patch(rng(3), (9, 9), 4) for _ in range(2)))
    np.testing.assert_array_equal(*(synthetic_noise.grain(rng(3), (9, 9)) for _ in range(2)))
    assert (synthetic_noise.grain(rng(3), (9, 9)) != synthetic_noise.grain(rng(4), (9, 9))).any()


@pytest.mark.parametrize("side", [100, 600])
def test_grain_is_white(side):
    grain = synthetic_noise.grain(rng(), (side, side))
    assert grain.shape == (side, side)
    assert grain.mean() == pytest.approx(0, abs=0.05)
    assert grain.std() == pytest.approx(1, abs=0.05)
    assert np.mean(grain[:, 1:] * grain[:, :-1]) == pytest.approx(0, abs=0.05)


def test_mirroring_gives_each_of_four_images():
    image = np.array([[1, 2], [3, 4]])
    seen = {tuple(synthetic_noise.mirrored(rng(s), image).ravel().tolist()) for s in range(40)}
    assert seen == {(1, 2, 3, 4), (2, 1, 4, 3), (3, 4, 1, 2), (4, 3, 2, 1)}


def test_a_cut_is_a_part_of_the_tile():
    tile = np.arange(100).reshape(10, 10)
    cut = synthetic_noise.cut(rng(), tile, (3, 4))
    assert cut.shape == (3, 4)
    assert set(np.abs(np.diff(cut, axis=1)).ravel()) == {1}
