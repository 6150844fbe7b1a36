import zipfile

import numpy as np
import pytest

from food_data import embedding_store, npz_dataset, splits
from food_data.synthetic import plates as synthetic_plates


def assert_same(first, second):
    for name in ("images", "actions", "embeddings", "food_types", "sources", "masks"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def lab_store(folder, *names):
    vector = np.zeros(512, np.float32)
    vector[0] = 1
    for name in names:
        np.save(folder / f"{name}.npy", vector)
    return embedding_store.EmbeddingStore.load(folder)


def test_a_data_set_has_a_sample_per_food_and_keeps_plates_together(store):
    dataset = synthetic_plates.build_synthetic_dataset(6, 0, store, workers=1)
    plates = [synthetic_plates.render_plate(np.random.default_rng([0, i]), 236) for i in range(6)]
    assert dataset.food_types.tolist() == [food.food for _, foods in plates for food in foods]
    expected = [f"synthetic/seed_0/plate_{i}" for i in range(6) for _ in plates[i][1]]
    assert dataset.sources.tolist() == expected
    np.testing.assert_array_equal(dataset.images[0], plates[0][0])
    for i in range(len(dataset)):
        pair = dataset.action_names[i], dataset.food_types[i]
        np.testing.assert_array_equal(dataset.embeddings[i], store.lookup(*pair))
    split = splits.make_split(dataset, 0.3, seed=0)
    assert not set(dataset.sources[split.train_idx]) & set(dataset.sources[split.val_idx])


@pytest.mark.parametrize("samples_per_plate", [None, 2])
def test_the_number_of_workers_makes_no_difference(store, samples_per_plate):
    options = {"size": 64, "samples_per_plate": samples_per_plate}
    alone = synthetic_plates.build_synthetic_dataset(9, 3, store, workers=1, **options)
    together = synthetic_plates.build_synthetic_dataset(9, 3, store, workers=2, **options)
    assert_same(alone, together)


def test_a_written_data_set_is_the_one_that_is_built(store, tmp_path):
    options = {"size": 64, "max_foods": 3, "samples_per_plate": 2}
    built = synthetic_plates.build_synthetic_dataset(7, 2, store, **options)
    path = tmp_path / "plates.npz"
    number = synthetic_plates.write_synthetic_dataset(path, 7, 2, store, **options)
    read = npz_dataset.read_npz(path)
    assert number == len(read) == len(built)
    assert_same(built, read)
    assert read.resize == built.resize == "letterbox"
    assert npz_dataset.dataset_fingerprint(path) == npz_dataset.dataset_fingerprint(built)
    assert [one.name for one in tmp_path.iterdir()] == ["plates.npz"]
    with zipfile.ZipFile(path) as file:
        assert {one.compress_type for one in file.infolist()} == {zipfile.ZIP_STORED}


def test_an_interrupted_file_is_not_left_behind(store, tmp_path):
    def stop_at_the_third(numbers):
        for i in numbers:
            if i == 2:
                raise KeyboardInterrupt
            yield i

    with pytest.raises(KeyboardInterrupt):
        synthetic_plates.write_synthetic_dataset(
            tmp_path / "plates.npz", 5, 0, store, size=64, progress=stop_at_the_third
        )
    assert not list(tmp_path.iterdir())


def test_progress_sees_every_plate(store):
    seen = []

    def progress(numbers):
        for i in numbers:
            seen.append(i)
            yield i

    synthetic_plates.build_synthetic_dataset(4, 0, store, size=64, progress=progress)
    assert seen == [0, 1, 2, 3]


def test_with_one_food_on_a_plate_there_are_as_many_samples_as_plates(store):
    dataset = synthetic_plates.build_synthetic_dataset(5, 1, store, size=64, max_foods=1)
    assert len(dataset) == len(set(dataset.sources)) == 5


def test_a_larger_data_set_begins_with_the_smaller_one(store):
    small = synthetic_plates.build_synthetic_dataset(2, 7, store, size=96)
    large = synthetic_plates.build_synthetic_dataset(3, 7, store, size=96)
    np.testing.assert_array_equal(large.actions[: len(small)], small.actions)
    assert small.images.shape[1:] == (236, 236, 3)


def test_foods_without_an_embedding_are_not_drawn(tmp_path):
    lab = lab_store(tmp_path, "skewering_banana", "skewering_rice")  # Our rice is scooped.
    dataset = synthetic_plates.build_synthetic_dataset(3, 0, lab, size=64)
    assert set(dataset.food_types) == {"banana"}


def test_nothing_to_draw_is_an_error(store, tmp_path):
    with pytest.raises(ValueError, match="got 0 plates and 22 foods"):
        synthetic_plates.build_synthetic_dataset(0, 0, store)
    with pytest.raises(ValueError, match="got 3 plates and 0 foods"):
        synthetic_plates.build_synthetic_dataset(3, 0, lab_store(tmp_path, "skewering_carrot"))


def test_a_folder_that_does_not_exist_is_noticed_before_drawing(store, tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        synthetic_plates.write_synthetic_dataset(tmp_path / "no" / "a.npz", 10**6, 0, store)
