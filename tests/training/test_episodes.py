"""RT-1 learns from episodes: windows by hand, a run that goes on, two workers."""

from __future__ import annotations

import keras2  # noqa: F401

import numpy as np
import pytest
import tensorflow as tf

import policy_specs
import rt1_policy
import train
from food_data import rlds
from tests import small_model
from training import episodes

pytest_plugins = ["tests.training_fixtures"]
LENGTHS = (4, 2, 5)
CONFIG = (
    *(*small_model.BINDINGS, *small_model.TINY, *small_model.RT1_ACTIONS),
    "TransformerNetwork.time_sequence_length = 3",
    "observation_spec.image_width = 80",
    "EfficientNetEncoder.image_size = None",
    "Transformer.num_layers = 1",
)
IMAGE, EMBEDDING = (f"steps/observation/{key}" for key in ("image", "natural_language_embedding"))


def episode(number, length):
    """Pictures whose red says the episode, and whose green the step."""
    images = np.zeros((length, 64, 80, 3), np.uint8)
    images[..., 0], images[..., 1] = number, np.arange(length)[:, None, None]
    values = {
        f"steps/action/{key}": np.full((length, *spec.shape), 0.1 * number)
        for key, spec in policy_specs.action_spec("rt1").items()
    }
    ends = np.eye(3, dtype=np.int32)[[1] * (length - 1) + [0]]
    return values | {
        IMAGE: [tf.io.encode_png(one).numpy() for one in images],
        EMBEDDING: np.full((length, 512), 0.04),
        "steps/action/terminate_episode": ends,
        "steps/is_first": np.arange(length) == 0,
    }


@pytest.fixture(scope="module")
def robot(tmp_path_factory):
    """Episodes, and the gin file of a tiny RT-1 with windows of 3 steps."""
    folder = tmp_path_factory.mktemp("robot")
    (folder / "small.gin").write_text("\n".join(CONFIG))
    features = {
        f"steps/action/{key}": rlds.Feature("tensor", spec.dtype.name, tuple(spec.shape))
        for key, spec in policy_specs.action_spec("rt1").items()
    }
    features[IMAGE] = rlds.Feature("image", "uint8", (64, 80, 3), "png")
    features[EMBEDDING] = rlds.Feature("tensor", "float32", (512,))
    features["steps/is_first"] = rlds.Feature("tensor", "bool")
    rlds.write_episodes(folder / "data", features, map(episode, range(3), LENGTHS))
    return folder / "data", folder / "small.gin"


def flags_of(robot, directory, *more):
    data, config = map(str, robot)
    flags = ["--data_dir", data, "--config_file", config, "--checkpoint_dir", str(directory)]
    return [*flags, "--seed", "1", "--batch_size", "4", "--learning_rate", "3e-3", *more]


@pytest.fixture
def windows(robot):
    specs = policy_specs.observation_spec(64, 80), policy_specs.action_spec("rt1")
    return episodes.Windows(rlds.Episodes(robot[0]), LENGTHS, 3, *specs)


def test_windows_by_hand(windows):
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


def test_two_workers_read_each_window_of_an_epoch_once(windows):
    def seen(*shard):
        """The last steps of the windows of four batches: an epoch has five, the first is done."""
        batches = windows.batches(2, 3, 1, *shard)
        images = [next(batches).observation["image"].numpy() for _ in range(4)]
        return [tuple(window[-1, 0, 0, :2].tolist()) for batch in images for window in batch]

    both = seen((0, 2)) + seen((1, 2))
    assert len(set(both)) == len(both) == 8 and set(both) == set(seen())
    with pytest.raises(ValueError, match="expected a multiple of 3, .* at most the 11 windows"):
        seen((0, 3))


@pytest.mark.slow
def test_a_run_learns_and_goes_on_to_the_same_bits(robot, tmp_path, capsys, caplog, eager):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    flags = flags_of(robot, whole, "--num_epochs", "2", "--schedule", "cosine")
    assert train.main(flags) == 0
    steps, losses = np.loadtxt(whole / "loss_log.csv", delimiter=",", skiprows=1).T
    assert steps.tolist() == [1, 2, 3, 4] and losses[2:].mean() < 0.9 * losses[:2].mean()

    total = ["--gin_bindings", "create_optimizer.total_steps = 4", "--resume_checkpoint"]
    # At last from the checkpoint that is named, though a later one is there.
    for start, epochs in (("auto", 1), ("auto", 2), (parts / "ckpt-2", 2)):
        again = flags_of(robot, parts, "--schedule", "cosine", "--num_epochs", str(epochs))
        assert train.main([*again, *total, str(start)]) == 0
        if epochs == 2:
            one, two = (tf.train.load_checkpoint(str(folder)) for folder in (whole, parts))
            for name in one.get_variable_to_shape_map():
                if not name.startswith(("_CHECK", "save_counter")):
                    np.testing.assert_array_equal(one.get_tensor(name), two.get_tensor(name))
            logs = [(folder / "loss_log.csv").read_text() for folder in (whole, parts)]
            assert logs[0] == logs[1]
    assert caplog.text.count("; 2 of 4 training steps done") == 2
    assert train.main(flags) == 1
    assert "holds another run" in capsys.readouterr().err
    rt1_policy.RT1Policy.load(whole / "ckpt-4", str(robot[1]))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--gin_bindings", "observation_spec.image_width = 96"], "expected [64, 96, 3], got [64"),
        (["--data_dir", "absent"], "features.json"),
        (["--resume_checkpoint", "{run}/ckpt-7"], "ckpt-7"),
    ],
)
def test_what_is_refused_is_named(robot, tmp_path, more, message, capsys):
    more = [one.format(run=tmp_path / "run") for one in more]
    assert train.main(flags_of(robot, tmp_path / "run", *more)) == 1
    assert message in capsys.readouterr().err and not (tmp_path / "run").exists()
