"""The samples of a split by name, whichever shard they were dealt to."""

from __future__ import annotations

import numpy as np
import pytest

from folder_inference import pictures, samples
from food_data import atomic_files
from tests.folder_inference import tfrecord_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tfrecord_folder.write(tmp_path_factory.mktemp("records"))


@pytest.fixture
def source(folder):
    return samples.TfrecordSamples(folder, "val")


def test_names_in_the_order_of_the_data_set(folder, source):
    assert source.names == [f"val/0000000{number}" for number in range(2, 7)]
    assert samples.TfrecordSamples(folder, "train").names == ["train/00000000", "train/00000001"]


def test_each_name_has_its_own_sample(source):
    for name in source.names:
        number = int(name[-1])
        sample, state = source.load(name)
        assert (sample.about(), state) == (
            {"sample": number, "source": f"photo_{number // 2}.jpg"},
            {},
        )
        np.testing.assert_array_equal(sample.image, tfrecord_folder.square(number))
        food = "banana" if number % 2 else "grape"
        assert source.question(name).key == (name, "skewering", food)
        (labelled,) = source.labelled(name)
        np.testing.assert_allclose(
            labelled.axis, [[60, 40 + 10 * number], [180, 100 + 10 * number]], atol=1e-4
        )
        assert (labelled.label, labelled.action) == (food, "skewering")
        assert labelled.mask(236, 236) is None


def test_pictures_to_draw_on(source):
    picture = source.decode("val/00000003")
    np.testing.assert_array_equal(np.asarray(picture), tfrecord_folder.square(3))


def test_masks(tmp_path):
    masks = np.zeros((4, 236, 30), np.uint8)
    masks[3, 0, 0] = 128
    source = samples.TfrecordSamples(tfrecord_folder.write(tmp_path, 4, masks=masks), "val")
    assert source.labelled("val/00000002")[0].mask(236, 236) is None
    assert np.argwhere(source.labelled("val/00000003")[0].mask(236, 236)).tolist() == [[0, 0]]


def test_a_data_set_without_names_asks_by_its_embeddings(tmp_path):
    names = {"action_names": None, "food_types": None, "sources": None}
    source = samples.TfrecordSamples(tfrecord_folder.write(tmp_path, 3, **names), "val")
    assert source.question("val/00000002").key == ("val/00000002", None, None)
    assert source.load("val/00000002")[0].source is None


def test_only_names_of_the_split_are_known(source):
    assert source.is_same("val/00000002", {})
    assert not source.is_same("val/00000001", {})
    with pytest.raises(pictures.UnreadableError, match="no sample val/00000001 among"):
        source.load("val/00000001")


def test_a_folder_that_is_not_complete(tmp_path):
    with pytest.raises(FileNotFoundError, match="No index.json"):
        samples.TfrecordSamples(tmp_path, "val")
    names = {"val_samples": np.array([2]), "val_actions": np.zeros((1, 4), np.float32)}
    tfrecord_folder.write(tmp_path, 4)
    _write_labels(tmp_path, names)
    with pytest.raises(ValueError, match="same samples of val, at least one, got 2 and 1"):
        samples.TfrecordSamples(tmp_path, "val")
    names["val_samples"], names["val_actions"] = np.array([8, 9]), np.zeros((2, 4), np.float32)
    _write_labels(tmp_path, names)
    with pytest.raises(pictures.UnreadableError, match="expected sample 8 at byte .*, got [23]"):
        samples.TfrecordSamples(tmp_path, "val").load("val/00000008")


def _write_labels(folder, arrays):
    with atomic_files.replace_file(folder / "labels.npz") as file:
        np.savez(file, **arrays)
