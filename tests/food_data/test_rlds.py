"""Episodes in shards: food samples there and back, and RT-1's episodes as others write them.

Both directions were compared with TensorFlow Datasets 4.9.10, in an environment of its own: all
values of episodes that it had written, and of food shards that `builder_from_directory` read.
"""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

import build_dataset
from food_data import dataset_check, npz_dataset, pipeline, rlds, splits


@pytest.fixture(scope="module")
def plates(make_dataset):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (7, *npz_dataset.IMAGE_SHAPE), np.uint8)
    actions = random.uniform(size=(7, 4)).astype(np.float32)
    return make_dataset(7, images=images, actions=actions, resize="letterbox")


@pytest.fixture
def shards(plates, tmp_path, monkeypatch):
    """A folder with 4 shards of at most 2 samples of 167 kB."""
    monkeypatch.setattr(rlds, "_SHARD_BYTES", 400_000)
    return rlds.write_food(plates, tmp_path / "plates")


def test_food_there_and_back_and_the_batches_of_two_workers(plates, shards):
    assert len(list(shards.glob("plates-train.tfrecord-*-of-00004"))) == 4
    found = rlds.read_dataset(shards.parent)
    assert found.resize == "letterbox"
    for rows in (np.array([6, 0, 3]), 2, slice(0, 0)):
        np.testing.assert_array_equal(found.images[rows], plates.images[rows])
    assert npz_dataset.dataset_fingerprint(found) == npz_dataset.dataset_fingerprint(plates)
    options = {"shuffle_seed": 3, "first_epoch": 1, "first_batch": 1, "drop_remainder": True}
    for worker in range(2):
        options["shard"] = (worker, 2)
        batches = [pipeline.create_npz_dataset(one, None, 2, **options) for one in (plates, found)]
        images = [[batch["image"].numpy() for batch in one] for one in batches]
        np.testing.assert_array_equal(*images)


def test_labels_of_shards_are_checked_and_their_pictures_if_wanted(plates, tmp_path, capsys):
    bad = {"sources": np.full(7, "day_1/1.jpg"), "images": np.zeros_like(plates.images)}
    folder = rlds.write_food(dataclasses.replace(plates, **bad), tmp_path / "bad")
    split = splits.Split(np.arange(5), np.arange(5, 7))
    (error,) = dataset_check.check_file(folder, split).errors
    assert "2 samples (5, 6) of the validation side have the source of training samples" in error
    assert build_dataset.main(["check", str(folder)]) == 1
    assert "error: images" in capsys.readouterr().out


def test_a_broken_shard_is_named_with_its_episode(shards):
    path = shards / "plates-train.tfrecord-00001-of-00004"
    content = bytearray(path.read_bytes())
    content[len(content) // 2 + 5000] ^= 1  # In the second of its two records.
    path.write_bytes(content)
    episodes = rlds.Episodes(shards)
    episodes[2]
    with pytest.raises(ValueError, match=r"00001-of-00004: episode 1 of the shard, 3 of the data"):
        episodes[3]
    for data, message in ((content[:-100], "ends in the middle"), (b"", "2 episodes, got 0")):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=f"00001-of-00004: .*{message}"):
            rlds.Episodes(shards)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="00001-of-00004"):
        rlds.Episodes(shards)


def test_episodes_of_a_robot(tmp_path):
    text = "steps/observation/natural_language_instruction"
    features = {
        "attributes/collection_mode": rlds.Feature("tensor", "int64"),
        rlds.IMAGE: rlds.Feature("image", "uint8", (2, 3, 3), "png"),
        text: rlds.Feature("text"),
        "steps/action/world_vector": rlds.Feature("tensor", "float32", (3,)),
        "steps/is_first": rlds.Feature("tensor", "bool"),
    }
    images = np.arange(36, dtype=np.uint8).reshape(2, 2, 3, 3)
    values = {
        "attributes/collection_mode": 4,
        rlds.IMAGE: [tf.io.encode_png(one).numpy() for one in images],
        text: ["pick", "pick"],
        "steps/action/world_vector": np.arange(6, dtype=np.float32).reshape(2, 3) / 10,
        "steps/is_first": np.array([True, False]),
    }
    folder = rlds.write_episodes(tmp_path / "robot", features, [values])
    episodes = rlds.Episodes(tmp_path)
    assert episodes.features == features
    steps = json.loads((folder / "features.json").read_text())["featuresDict"]["features"]["steps"]
    assert steps["pythonClassName"] == "tensorflow_datasets.core.features.dataset_feature.Dataset"
    first = steps["sequence"]["feature"]["featuresDict"]["features"]["is_first"]
    assert first["pythonClassName"] == "tensorflow_datasets.core.features.scalar.Scalar"
    episode = episodes[0]
    np.testing.assert_array_equal(rlds.decode_images(episode.pop(rlds.IMAGE), (2, 3, 3)), images)
    assert episode.pop(text) == [b"pick", b"pick"]
    for name, found in episode.items():
        np.testing.assert_array_equal(found, values[name])
    with pytest.raises(ValueError, match="no samples of food"):
        rlds.read_dataset(tmp_path / "robot")
    for name, old, new, message in (
        ("features.json", '"none"', '"zlib"', r"collection_mode' is a .*Scalar \(zlib\)"),
        ("dataset_info.json", "tfrecord", "riegeli", "got riegeli of train"),
        ("features.json", "{", "", "features.json: expected an object in JSON"),
    ):
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace(old, new))
        with pytest.raises(ValueError, match=message):
            rlds.Episodes(tmp_path)
        (folder / name).write_text(text)
    with pytest.raises(FileNotFoundError, match=r"got no features\.json"):
        rlds.Episodes(tmp_path / "nothing")
