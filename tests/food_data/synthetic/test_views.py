"""Views: the table, and that each of its knobs reaches the picture."""

import numpy as np
import pytest

from food_data.synthetic import camera as synthetic_camera
from food_data.synthetic import scenes as synthetic_scenes
from food_data.synthetic import views as synthetic_views


def test_numbers_of_foods_beyond_the_table_use_its_last_entry():
    view = synthetic_views.VIEWS["any"]
    assert view.zoom(1) == (0.7, 1.8)
    assert view.zoom(4) == view.zoom(6) == (0.75, 1.0)
    assert view.bare_table_share(2) == 0.15
    assert view.bare_table_share(3) == view.bare_table_share(6) == 0.05


@pytest.mark.parametrize("name", synthetic_views.VIEWS)
def test_frames_happen_with_probability_one(name):
    assert np.isclose(sum(share for _, share in synthetic_views.VIEWS[name].frames), 1)


def test_unknown_view():
    with pytest.raises(ValueError, match="expected one of any, arm, mixed; got 'top'"):
        synthetic_views.draw_view(np.random.default_rng(0), "top")


def test_mixed_draws_an_arms_view_three_times_of_four():
    rng = np.random.default_rng(0)
    views = [synthetic_views.draw_view(rng, "mixed") for _ in range(1000)]
    share = views.count(synthetic_views.VIEWS["arm"]) / 1000
    assert 0.71 < share < 0.79  # standard deviation 0.014
    assert views.count(synthetic_views.VIEWS["any"]) == 1000 - views.count(
        synthetic_views.VIEWS["arm"]
    )


def test_a_view_of_the_table_draws_nothing():
    rng, untouched = np.random.default_rng(0), np.random.default_rng(0)
    assert synthetic_views.draw_view(rng, "arm") is synthetic_views.VIEWS["arm"]
    assert rng.uniform() == untouched.uniform()


def test_an_arm_sees_a_square_picture_and_anybody_may_see_a_letterbox():
    def frames(name):
        view = synthetic_views.VIEWS[name]
        rngs = (np.random.default_rng(seed) for seed in range(40))
        return {synthetic_camera.draw_camera(rng, 100, view).frame for rng in rngs}

    assert frames("arm") == {(0, 0, 100, 100)}
    assert len(frames("any")) > 1


def test_foods_are_larger_for_an_arm():
    def mean_area(view):
        areas = []
        for seed in range(12):
            _, foods = synthetic_scenes.render_plate(np.random.default_rng(seed), 64, view=view)
            areas += [food.mask.mean() for food in foods]
        return np.mean(areas)

    assert mean_area("arm") > 1.3 * mean_area("any")
