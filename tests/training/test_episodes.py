"""RT-1 learns from episodes: windows by hand, a run that is killed and goes on, two workers."""

from __future__ import annotations

import keras2  # noqa: F401

import csv
import json
import types

import numpy as np
import pytest
import tensorflow as tf

import checkpoint_directory
import policy_specs
import rt1_policy
import train
from food_data import rlds
from tests import small_model, test_rt1_policy
from training import episodes

pytest_plugins = ["tests.training_fixtures"]
SIZES = {"world_vector": 3, "rotation_delta": 3, "gripper_closedness_action": 1}
SIZES |= {"base_displacement_vertical_rotation": 1, "base_displacement_vector": 2}
LENGTHS = (4, 2, 5)


def write_episodes(folder, lengths=LENGTHS, **left_out):
    """Episodes of pictures whose red says the episode, and whose green the step."""
    features = {
        "steps/observation/image": rlds.Feature("image", "uint8", (64, 80, 3), "png"),
        "steps/observation/natural_language_embedding": rlds.Feature("tensor", "float32", (512,)),
        "steps/action/terminate_episode": rlds.Feature("tensor", "int32", (3,)),
        "steps/is_first": rlds.Feature("tensor", "bool"),
    }
    for key, size in SIZES.items():
        features[f"steps/action/{key}"] = rlds.Feature("tensor", "float32", (size,))
    folder = folder / "1.0.0"
    folder.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(folder / "robot-train.tfrecord-00000-of-00001")) as writer:
        for number, length in enumerate(lengths):
            images = np.zeros((length, 64, 80, 3), np.uint8)
            images[..., 0], images[..., 1] = number, np.arange(length)[:, None, None]
            ends = np.eye(3, dtype=np.int32)[[1] * (length - 1) + [0]]
            values = {
                "steps/observation/image": [tf.io.encode_png(one).numpy() for one in images],
                "steps/observation/natural_language_embedding": np.full((length, 512), 0.04),
                "steps/action/terminate_episode": ends,
                "steps/is_first": np.arange(length) == 0,
            }
            for key, size in SIZES.items():
                values[f"steps/action/{key}"] = np.full((length, size), 0.1 * number)
            writer.write(rlds.example(values).SerializeToString())
    (folder / "features.json").write_text(json.dumps(rlds.feature_tree(features)))
    split = {"name": "train", "shardLengths": [str(len(lengths))]}
    (folder / "dataset_info.json").write_text(json.dumps({"name": "robot", "splits": [split]}))
    return folder


@pytest.fixture(scope="module")
def robot(tmp_path_factory):
    """Episodes, and the gin file of a tiny RT-1 with windows of 3 steps."""
    folder = tmp_path_factory.mktemp("robot")
    (folder / "small.gin").write_text("\n".join((*test_rt1_policy.BINDINGS, *small_model.TINY)))
    return write_episodes(folder / "data").parent, folder / "small.gin"


def flags_of(robot, directory, *more):
    data, config = robot
    flags = ["--data_dir", str(data), "--config_file", str(config), "--seed", "1"]
    flags += ["--checkpoint_dir", str(directory), "--batch_size", "4", "--learning_rate", "3e-3"]
    return [*flags, *more]


def windows_of(robot):
    steps = types.SimpleNamespace(observation=policy_specs.observation_spec(64, 80))
    agent = types.SimpleNamespace(
        network=types.SimpleNamespace(time_sequence_length=3),
        sequence_agent=types.SimpleNamespace(
            action_spec=policy_specs.action_spec("rt1"), time_step_spec=steps
        ),
    )
    return episodes.Windows(rlds.Episodes(robot[0]), LENGTHS, agent)


def test_windows_by_hand(robot):
    windows = windows_of(robot)
    assert windows.places.tolist()[:6] == [[0, 0], [0, 1], [0, 2], [0, 3], [1, 0], [1, 1]]
    images, embeddings, *actions, counts = windows.read(np.array([0, 3, 5]))
    assert images.shape == (3, 3, 64, 80, 3) and embeddings.shape == (3, 3, 512)
    assert images[:, :, 0, 0, :2].tolist() == [
        [[0, 0], [0, 0], [0, 0]],
        [[0, 1], [0, 2], [0, 3]],
        [[1, 0], [1, 0], [1, 1]],
    ]
    assert counts.tolist() == [[False, False, True], [True] * 3, [False, True, True]]
    assert actions[0].tolist()[1] == [[0, 1, 0], [0, 1, 0], [1, 0, 0]]


def test_two_workers_read_each_window_of_an_epoch_once(robot):
    windows, seen = windows_of(robot), []
    for worker in range(2):
        batches = windows.batches(2, 3, 1, (worker, 2))
        for _ in range(4):  # An epoch has five batches of two; the first is done.
            images = next(batches).observation["image"].numpy()
            seen += [tuple(window[-1, 0, 0, :2].tolist()) for window in images]
    whole = windows.batches(2, 3, 1)
    alone = [
        tuple(one[-1, 0, 0, :2])
        for _ in range(4)
        for one in next(whole).observation["image"].numpy()
    ]
    assert len(set(seen)) == len(seen) == 8 and set(seen) == set(alone)


@pytest.mark.slow
def test_a_run_learns_and_goes_on_to_the_same_bits(robot, tmp_path, capsys, eager):
    whole = flags_of(robot, tmp_path / "whole", "--num_epochs", "6")
    assert train.main(whole) == 0
    rows = list(csv.reader((tmp_path / "whole" / "loss_log.csv").read_text().splitlines()))
    losses = [float(loss) for _, loss in rows[1:]]
    assert len(losses) == 12 and np.mean(losses[-3:]) < 0.9 * np.mean(losses[:3])

    parts = flags_of(robot, tmp_path / "parts")
    assert train.main([*parts, "--num_epochs", "2", "--resume_checkpoint", "auto"]) == 0
    # From the checkpoint that is named, though a later one is there.
    assert train.main([*parts, "--num_epochs", "3", "--resume_checkpoint", "auto"]) == 0
    parts += ["--num_epochs", "6", "--resume_checkpoint", str(tmp_path / "parts" / "ckpt-4")]
    with checkpoint_directory.only_run(tmp_path / "parts"):
        assert train.main(parts) == 1
    assert "no other run writes to" in capsys.readouterr().err
    assert train.main(parts) == 0
    assert [step for step, _ in rows[1:]] == [str(step) for step in range(1, 13)]
    one, two = (tf.train.load_checkpoint(str(tmp_path / name)) for name in ("whole", "parts"))
    names = [name for name in one.get_variable_to_shape_map() if not name.startswith("_CHECK")]
    for name in names:
        if name != "save_counter/.ATTRIBUTES/VARIABLE_VALUE":
            np.testing.assert_array_equal(one.get_tensor(name), two.get_tensor(name))
    logs = [(tmp_path / name / "loss_log.csv").read_text() for name in ("whole", "parts")]
    assert logs[0] == logs[1]
    assert train.main(whole) == 1
    assert "holds another run" in capsys.readouterr().err

    policy = rt1_policy.RT1Policy.load(tmp_path / "whole" / "ckpt-12", str(robot[1]))
    policy.warm_up()


def test_episodes_of_another_robot_are_named(robot, tmp_path, capsys):
    other = flags_of(robot, tmp_path / "run", "--gin_bindings", "observation_spec.image_width = 96")
    assert train.main(other) == 1
    assert "image: expected [64, 96, 3], got [64, 80, 3]" in capsys.readouterr().err
    assert train.main(flags_of((tmp_path / "none", robot[1]), tmp_path / "run")) == 1
    assert "features.json" in capsys.readouterr().err
    absent = str(tmp_path / "run" / "ckpt-7")
    assert train.main(flags_of(robot, tmp_path / "run", "--resume_checkpoint", absent)) == 1
    assert "ckpt-7" in capsys.readouterr().err and not (tmp_path / "run").exists()
