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
def shards(plates, tmp_path):
    """A folder with 4 shards of at most 2 samples of 167 kB."""
    return rlds.write_food(plates, tmp_path / "plates", shard_bytes=400_000)


def test_food_there_and_back(plates, shards):
    assert len(list(shards.glob("plates-train.tfrecord-*-of-00004"))) == 4
    found = rlds.read_dataset(shards.parent)
    assert found.resize == "letterbox"
    for rows in (np.array([6, 0, 3]), 2, slice(0, 0)):
        np.testing.assert_array_equal(found.images[rows], plates.images[rows])
    assert npz_dataset.dataset_fingerprint(found) == npz_dataset.dataset_fingerprint(plates)
    with pytest.raises(FileExistsError):
        rlds.write_food(plates, shards.parent)


def test_epochs_resumes_and_workers_are_those_of_an_npz(plates, shards):
    found = rlds.read_dataset(shards)
    options = {"shuffle_seed": 3, "first_epoch": 1, "first_batch": 1}
    parts = []
    for worker in range(2):
        for dataset in (plates, found):
            batches = pipeline.create_npz_dataset(
                dataset, None, 2, shard=(worker, 2), drop_remainder=True, **options
            )
            parts.append([batch["bbox"].numpy() for batch in batches])
        np.testing.assert_array_equal(parts[-2], parts[-1])
    read = np.concatenate([np.concatenate(part) for part in parts[1::2]])
    assert len(np.unique(read, axis=0)) == len(read) == 4  # Each of the rest once.


def test_labels_of_shards_are_checked_and_their_pictures_if_wanted(plates, tmp_path, capsys):
    same = dataclasses.replace(plates, sources=np.full(7, "day_1/1.jpg"))
    folder = rlds.write_food(same, tmp_path / "same")
    split = splits.Split(np.arange(5), np.arange(5, 7))
    (error,) = dataset_check.check_file(folder, split).errors
    assert "2 samples (5, 6) of the validation side have the source of training samples" in error
    dark = dataclasses.replace(plates, images=np.zeros_like(plates.images))
    folder = rlds.write_food(dark, tmp_path / "dark")
    assert dataset_check.check_file(folder).errors == []
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
    path.write_bytes(content[:-100])
    with pytest.raises(ValueError, match="00001-of-00004: the file ends in the middle"):
        rlds.Episodes(shards)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="expected 2 episodes, got 0"):
        rlds.Episodes(shards)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="1 of 4 shards are missing: plates-train"):
        rlds.Episodes(shards)


def test_episodes_of_a_robot(tmp_path):
    features = {
        "attributes/collection_mode": rlds.Feature("tensor", "int64"),
        "steps/observation/image": rlds.Feature("image", "uint8", (2, 3, 3), "png"),
        "steps/observation/natural_language_instruction": rlds.Feature("text"),
        "steps/action/world_vector": rlds.Feature("tensor", "float32", (3,)),
        "steps/action/terminate_episode": rlds.Feature("tensor", "int32", (3,)),
        "steps/is_first": rlds.Feature("tensor", "bool"),
    }
    vectors = np.arange(6, dtype=np.float32).reshape(2, 3) / 10
    images = np.arange(36, dtype=np.uint8).reshape(2, 2, 3, 3)
    record = rlds.example(
        {
            "attributes/collection_mode": 4,
            "steps/observation/image": [tf.io.encode_png(one).numpy() for one in images],
            "steps/observation/natural_language_instruction": ["pick", "pick"],
            "steps/action/world_vector": vectors,
            "steps/action/terminate_episode": np.array([[0, 1, 0], [1, 0, 0]]),
            "steps/is_first": np.array([True, False]),
        }
    )
    folder = tmp_path / "robot" / "0.1.0"
    folder.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(folder / "robot-train.tfrecord-00000-of-00001")) as writer:
        writer.write(record.SerializeToString())
    (folder / "features.json").write_text(json.dumps(rlds.feature_tree(features)))
    info = {"name": "robot", "splits": [{"name": "train", "shardLengths": ["1"]}]}
    (folder / "dataset_info.json").write_text(json.dumps(info))

    episodes = rlds.Episodes(tmp_path / "robot")
    assert episodes.features == features
    episode = episodes[0]
    np.testing.assert_array_equal(episode["steps/action/world_vector"], vectors)
    np.testing.assert_array_equal(episode["steps/action/terminate_episode"], [[0, 1, 0], [1, 0, 0]])
    assert episode["steps/is_first"].tolist() == [True, False]
    assert episode["attributes/collection_mode"] == 4
    decoded = rlds.decode_images(episode["steps/observation/image"], (2, 3, 3))
    np.testing.assert_array_equal(decoded, images)
    with pytest.raises(ValueError, match="no samples of food"):
        rlds.read_dataset(tmp_path / "robot")
    with pytest.raises(ValueError, match="of a split 'test', got tfrecord of train"):
        rlds.Episodes(tmp_path / "robot", "test")
    packed = json.dumps(rlds.feature_tree(features)).replace('"none"', '"zlib"')
    (folder / "features.json").write_text(packed)
    with pytest.raises(ValueError, match=r"'attributes/collection_mode' is a Scalar \(zlib\)"):
        rlds.Episodes(tmp_path / "robot")
    with pytest.raises(FileNotFoundError, match=r"got no features\.json"):
        rlds.Episodes(tmp_path / "nothing")
