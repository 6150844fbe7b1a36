import cv2
import numpy as np
import pytest

from food_data import embedding_store, food_looks, splits, synthetic_plates


def plate(seed, size=236, **options):
    return synthetic_plates.render_plate(np.random.default_rng(seed), size, **options)


def test_the_main_axis_of_a_bar():
    """Columns 10 to 109 span the points 10..110; the 1st and 99th percentile lie 1 further in."""
    mask = np.zeros((60, 200), bool)
    mask[20:30, 10:110] = True
    expected = [[11, 25], [109, 25]]
    np.testing.assert_allclose(synthetic_plates.main_axis(mask), expected, atol=0.6)
    half = synthetic_plates.main_axis(mask, part=0.5)
    np.testing.assert_allclose(half, [[35.5, 25], [84.5, 25]], atol=0.6)


@pytest.mark.parametrize("degrees", [-89, -60, -10, 0, 35, 80])
def test_the_main_axis_of_a_turned_ellipse_points_to_the_right(degrees):
    mask = np.zeros((200, 200), np.uint8)
    cv2.ellipse(mask, (100, 90), (60, 20), degrees, 0, 360, 255, -1)
    start, end = synthetic_plates.main_axis(mask > 0)
    assert np.degrees(np.arctan2(*(end - start)[::-1])) == pytest.approx(degrees, abs=1)
    np.testing.assert_allclose((start + end) / 2, [100.5, 90.5], atol=0.3)
    # 98% of an ellipse lie within 0.934 of its long half axis: x sqrt(1 - x^2) + asin x = 0.49 pi.
    assert np.linalg.norm(end - start) == pytest.approx(0.934 * 120, abs=1)


def test_a_plate_is_the_same_for_the_same_seed():
    first, foods = plate(3)
    again, same = plate(3)
    other, _ = plate(4)
    np.testing.assert_array_equal(first, again)
    assert [food.food for food in foods] == [food.food for food in same]
    assert (first != other).mean() > 0.5


@pytest.mark.parametrize("size", [96, 236, 400])
def test_a_picture_of_any_size(size):
    image, foods = plate(0, size)
    assert image.shape == (size, size, 3)
    assert image.dtype == np.uint8
    assert foods


def test_plates_hold_one_to_four_different_known_foods():
    numbers = set()
    for seed in range(60):
        _, foods = plate(seed, 96)
        names = [food.food for food in foods]
        assert len(set(names)) == len(names)
        assert all(food_looks.FOOD_LOOKS[food.food].action == food.action for food in foods)
        numbers.add(len(names))
    assert numbers == {1, 2, 3, 4}


def test_parameters_lie_on_the_picture_and_apart():
    for seed in range(40):
        _, foods = plate(seed, 96)
        parameters = np.stack([food.parameters for food in foods]).reshape(-1, 2, 2)
        assert parameters.dtype == np.float32
        assert parameters.min() > 0
        assert parameters.max() < 1
        assert (parameters[:, 1, 0] >= parameters[:, 0, 0]).all()
        middles = parameters.mean(axis=1)
        apart = np.linalg.norm(middles[:, np.newaxis] - middles, axis=-1)
        assert (apart[~np.eye(len(foods), dtype=bool)] > 0.08).all()


@pytest.mark.parametrize(
    "food, channel", [("cherry_tomato", 0), ("green_bean", 1), ("blueberry", 2)]
)
def test_the_middle_of_the_parameters_is_on_the_food(food, channel):
    """Seen by its colour: the strongest channel there is the food's."""
    for seed in range(8):
        image, (placed,) = plate(seed, foods=[food])
        x, y = placed.parameters.reshape(2, 2).mean(axis=0) * 236
        spot = image[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2].mean(axis=(0, 1))
        assert np.argmax(spot) == channel


def test_parameters_are_the_main_axis_of_what_is_seen():
    """A green bean, found again in the picture by its colour, has the axis that is stated."""
    for seed in range(12):
        image, (placed,) = plate(seed, foods=["green_bean"])
        red, green, blue = np.moveaxis(image.astype(int), -1, 0)
        bean = (green > red + 25) & (green > blue + 25)
        seen = synthetic_plates.main_axis(bean) / 236
        np.testing.assert_allclose(placed.parameters.reshape(2, 2), seen, atol=0.015)


def test_a_data_set_has_a_sample_per_food_and_keeps_plates_together(store):
    dataset = synthetic_plates.build_synthetic_dataset(6, 0, store)
    plates = [plate([0, i]) for i in range(6)]
    assert dataset.food_types.tolist() == [food.food for _, foods in plates for food in foods]
    expected = [f"synthetic/seed_0/plate_{i}" for i in range(6) for _ in plates[i][1]]
    assert dataset.sources.tolist() == expected
    np.testing.assert_array_equal(dataset.images[0], plates[0][0])
    for i in range(len(dataset)):
        pair = dataset.action_names[i], dataset.food_types[i]
        np.testing.assert_array_equal(dataset.embeddings[i], store.lookup(*pair))
    split = splits.make_split(dataset, 0.3, seed=0)
    assert not set(dataset.sources[split.train_idx]) & set(dataset.sources[split.val_idx])


def test_with_one_food_on_a_plate_there_are_as_many_samples_as_plates(store):
    dataset = synthetic_plates.build_synthetic_dataset(5, 1, store, max_foods=1)
    assert len(dataset) == len(set(dataset.sources)) == 5


@pytest.mark.parametrize("max_foods", [0, 5])
def test_a_number_of_foods_out_of_range_is_an_error(store, max_foods):
    with pytest.raises(ValueError, match=f"max_foods: expected 1 to 4, got {max_foods}"):
        synthetic_plates.build_synthetic_dataset(5, 1, store, max_foods=max_foods)


def test_a_larger_data_set_begins_with_the_smaller_one(store):
    small = synthetic_plates.build_synthetic_dataset(2, 7, store, size=96)
    large = synthetic_plates.build_synthetic_dataset(3, 7, store, size=96)
    np.testing.assert_array_equal(large.actions[: len(small)], small.actions)
    assert small.images.shape[1:] == (236, 236, 3)


def test_foods_without_an_embedding_are_not_drawn(tmp_path):
    vector = np.zeros(512, np.float32)
    vector[0] = 1
    np.save(tmp_path / "skewering_banana.npy", vector)
    np.save(tmp_path / "skewering_rice.npy", vector)  # Our rice is scooped.
    lab = embedding_store.EmbeddingStore.load(tmp_path)
    dataset = synthetic_plates.build_synthetic_dataset(3, 0, lab, size=64)
    assert set(dataset.food_types) == {"banana"}


def test_nothing_to_draw_is_an_error(store, tmp_path):
    with pytest.raises(ValueError, match="got 0 plates and 22 foods"):
        synthetic_plates.build_synthetic_dataset(0, 0, store)
    vector = np.zeros(512, np.float32)
    vector[0] = 1
    np.save(tmp_path / "skewering_carrot.npy", vector)
    lab = embedding_store.EmbeddingStore.load(tmp_path)
    with pytest.raises(ValueError, match="got 3 plates and 0 foods"):
        synthetic_plates.build_synthetic_dataset(3, 0, lab)
