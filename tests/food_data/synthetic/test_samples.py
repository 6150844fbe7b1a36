import numpy as np
import pytest

from food_data import npz_dataset
from food_data.synthetic import samples as synthetic_samples
from food_data.synthetic import scenes as synthetic_scenes

FOODS = ("banana", "rice", "grape", "spaghetti")


def drawer(**changes):
    options = {"seed": 1, "size": 96, "foods": FOODS, "max_foods": 4, "samples_per_plate": None}
    return synthetic_samples.PlateDrawer(**{**options, **changes})


def test_a_plate_has_a_sample_for_each_food_with_its_mask():
    plate = drawer(size=236).draw(0)
    picture, foods = synthetic_scenes.render_plate(np.random.default_rng([1, 0]), 236, FOODS, 4)
    np.testing.assert_array_equal(plate.image, picture)
    assert plate.source == "synthetic/seed_1/plate_0"
    assert plate.names == [(food.action, food.food) for food in foods]
    np.testing.assert_array_equal(
        npz_dataset.unpack_masks(plate.masks), np.stack([food.mask for food in foods])
    )
    np.testing.assert_array_equal(plate.actions, np.stack([food.parameters for food in foods]))


def test_the_number_of_samples_is_known_without_drawing():
    for limit in (None, 1, 2):
        one = drawer(samples_per_plate=limit)
        for i in range(6):
            assert one.count(i) == len(one.draw(i).names)


def test_limited_samples_are_some_of_all_in_their_order():
    every, some = drawer(), drawer(samples_per_plate=2)
    chosen = set()
    for i in range(12):
        names, few = every.draw(i).names, some.draw(i).names
        assert len(few) == min(2, len(names))
        places = [names.index(name) for name in few]
        assert places == sorted(places)
        chosen.update(places)
    assert chosen == {0, 1, 2, 3}


def test_a_mask_of_another_size_covers_the_same_part():
    plate = drawer(size=96).draw(0)
    _, foods = synthetic_scenes.render_plate(np.random.default_rng([1, 0]), 96, FOODS, 4)
    masks = npz_dataset.unpack_masks(plate.masks)
    for mask, food in zip(masks, foods):
        assert mask.mean() == pytest.approx(food.mask.mean(), rel=0.1)


def test_samples_are_gathered_in_order(store):
    plates = [drawer().draw(i) for i in range(3)]
    number = sum(len(plate.names) for plate in plates)
    samples = synthetic_samples.Samples(store, np.empty((number, 236, 30), np.uint8))
    for plate in plates:
        samples.add(plate)
    arrays = samples.arrays()
    names = [name for plate in plates for name in plate.names]
    assert list(zip(arrays["action_names"], arrays["food_types"])) == names
    np.testing.assert_array_equal(arrays["embeddings"][1], store.lookup(*names[1]))
    np.testing.assert_array_equal(arrays["masks"], np.concatenate([p.masks for p in plates]))
    assert arrays["actions"].shape == (number, 4)
    assert arrays["sources"][-1] == "synthetic/seed_1/plate_2"


def test_foods_are_those_with_an_embedding_for_their_action(store):
    assert len(synthetic_samples.foods_of(store)) == 22


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"max_foods": 0}, "max_foods: expected 1 to 6, got 0"),
        ({"max_foods": 7}, "max_foods: expected 1 to 6, got 7"),
        ({"samples_per_plate": 0}, "samples_per_plate: expected at least 1, got 0"),
    ],
)
def test_numbers_out_of_range_are_an_error(changes, message):
    with pytest.raises(ValueError, match=message):
        drawer(**changes)
