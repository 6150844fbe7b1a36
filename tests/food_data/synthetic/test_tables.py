import numpy as np
import pytest

from food_data.synthetic import camera as synthetic_camera
from food_data.synthetic import tables as synthetic_tables

CAMERA = synthetic_camera.Camera(
    np.array([[96.0, 0, 48], [0, 96, 48], [0, 0, 1]]), (0, 0, 96, 96), 96
)


def rng(seed):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("index", range(8))
def test_every_pattern_has_contrast_or_is_plain_on_purpose(index):
    pattern = synthetic_tables._pattern(index)
    assert pattern.shape == (512, 512) and pattern.dtype == np.uint8
    assert 8 < pattern.std() < 110


def test_tables_fill_the_picture_and_differ():
    tables = [synthetic_tables.draw_table(rng(s), CAMERA) for s in range(40)]
    assert all(table.shape == (96, 96, 3) and table.dtype == np.uint8 for table in tables)
    means = np.array([table.mean(axis=(0, 1)) for table in tables])
    assert np.ptp(means, axis=0).min() > 120
    assert min(table.min(axis=(0, 1)).max() for table in tables) > 10  # No black corners.
    np.testing.assert_array_equal(tables[3], synthetic_tables.draw_table(rng(3), CAMERA))


def test_things_lie_on_some_tables():
    changed = []
    for seed in range(40):
        canvas = np.full((96, 96, 3), 128, np.uint8)
        synthetic_tables.strew_things(rng(seed), canvas, CAMERA, np.array([0.1, 0.1]))
        changed.append((canvas != 128).any(axis=2).mean())
    assert 0.3 < np.mean(np.array(changed) > 0) < 0.8
    assert max(changed) < 0.75
