"""train.py as a program: flags over bindings, what it leaves, what it refuses."""

from __future__ import annotations

import errno
import os
import pathlib
import signal

import gin
import numpy as np
import pytest
import tensorflow as tf

import checkpoint_directory
import train
from tests import training_fixtures
from training import agent_factory, directory_lock, flags, resume, run_setup, train_steps

# Each of them builds and trains networks: seconds, not milliseconds.
pytestmark = pytest.mark.slow

pytest_plugins = ["tests.training_fixtures"]


@pytest.fixture
def arguments(squares_files, tmp_path, tiny_gin):
    """Flags of a run that works."""
    return training_fixtures.arguments(tmp_path, *squares_files)


def test_what_a_run_leaves(small_checkpoint_dir):
    metadata = checkpoint_directory.read_metadata(small_checkpoint_dir)
    assert metadata["num_train"] == 18
    assert metadata["num_val"] == 6
    assert metadata["resize"] == "stretch"
    assert metadata["loss_type"] == "smooth_l1"
    assert len(metadata["dataset_fingerprint"]) == 64


@pytest.mark.slow
def test_fine_tuning_starts_from_the_given_weights(
    arguments, small_checkpoint_dir, tmp_path, capsys
):
    flags = ["--pretrained_checkpoint", small_checkpoint_dir, "--freeze_efficientnet"]
    assert train.main([*arguments, *flags]) == 0
    printed = capsys.readouterr().out
    assert "training loss" in printed
    assert "predicting always the training labels' mean" in printed
    ours, theirs = (
        checkpoint_directory.load(directory).agent.network.parts()["efficientnet"].variables
        for directory in (tmp_path / "run", small_checkpoint_dir)
    )
    for mine, pretrained in zip(ours, theirs):
        assert (mine.numpy() == pretrained.numpy()).all()


def test_flags_override_bindings_only_when_given(arguments):
    flags.configure(flags.parse([*arguments, "--gin_bindings", "run_seed.seed = 5"]))
    assert agent_factory.run_seed() == 5
    assert gin.query_parameter("create_optimizer.learning_rate") == 3e-3
    gin.clear_config()
    given = ["--seed", "6", "--loss_type", "l1", "--learning_rate", "0.5"]
    bindings = ["--gin_bindings", "run_seed.seed = 5"]
    flags.configure(flags.parse([*arguments, *given, *bindings]))
    assert agent_factory.run_seed() == 6
    assert gin.query_parameter("TransformerNetwork.loss_type") == "l1"
    assert gin.query_parameter("create_optimizer.learning_rate") == 0.5


def test_shipped_configs_are_found_from_any_folder(arguments, tmp_path, monkeypatch):
    config = pathlib.Path("configs/small.gin").resolve()
    monkeypatch.chdir(tmp_path)
    flags.configure(flags.parse([*arguments, "--config_file", str(config)]))
    assert gin.query_parameter("FilmEfficientNet.variant") == "small"


def test_a_split_that_is_absent_is_drawn_once_and_kept(arguments, squares_files):
    squares_files[1].unlink()
    args = flags.parse(arguments)
    drawn = run_setup.read_data(args, seed=3).split
    assert squares_files[1].is_file()
    assert (run_setup.read_data(args, seed=4).split.val_idx == drawn.val_idx).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--num_epochs", "0"], "--num_epochs: expected at least 1, got 0"),
        (["--batch_size", "-1"], "--batch_size: expected at least 1, got -1"),
        (["--config_file", "absent.gin"], "--config_file: no file absent.gin"),
        (["--dataset_file", "absent.npz"], "No data set absent.npz"),
        (["--embeddings_dir", "absent"], "No embeddings directory absent"),
        (["--pretrained_checkpoint", "absent/rt1"], "absent"),
        (["--gin_bindings", "Transformer.num_layer = 3"], "num_layer"),
        (["--gin_bindings", "NoSuchThing.x = 3"], "NoSuchThing"),
    ],
)
def test_refusals(arguments, changes, message, capsys, tmp_path):
    assert train.main([*arguments, *changes]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run" / "metadata.json").exists()


def test_a_directory_with_a_run_is_not_overwritten(arguments, small_checkpoint_dir, capsys):
    metadata = pathlib.Path(small_checkpoint_dir, "metadata.json")
    before = metadata.read_bytes()
    assert train.main([*arguments, "--checkpoint_dir", small_checkpoint_dir]) == 1
    assert "holds another run" in capsys.readouterr().err
    assert metadata.read_bytes() == before


def test_a_second_run_in_the_directory_is_refused(arguments, tmp_path, capsys):
    with directory_lock.held(tmp_path / "run"):
        assert train.main(arguments) == 1
    assert "expected a directory that no other run writes to" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "run").iterdir()] == [directory_lock.FILE_NAME]


def test_a_dry_run_reads_and_builds_and_writes_nothing(arguments, tmp_path, capsys):
    assert train.main([*arguments, "--dry_run"]) == 0
    printed = capsys.readouterr().out
    assert "18 train, 6 val" in printed
    assert "first batch     image uint8 [6, 236, 236, 3]" in printed
    assert not list((tmp_path / "run").iterdir())


@pytest.mark.slow
def test_a_signal_saves_and_asks_for_a_requeue(arguments, tmp_path, monkeypatch, capsys):
    """The run that goes on ends as one that nobody disturbed; without traces, for speed."""
    more = ["--steps_per_epoch", "2", "--resume_checkpoint", "auto"]
    undisturbed = ["--checkpoint_dir", str(tmp_path / "undisturbed")]
    step = train_steps.train_step

    def signalled(*arguments):
        os.kill(os.getpid(), signal.SIGUSR1)
        return step(*arguments)

    tf.config.run_functions_eagerly(True)
    try:
        assert train.main([*arguments, *more, *undisturbed]) == 0
        monkeypatch.setattr(train_steps, "train_step", signalled)
        assert train.main([*arguments, *more]) == 75
        assert "SIGUSR1: saved; --resume_checkpoint auto" in capsys.readouterr().err
        monkeypatch.setattr(train_steps, "train_step", step)
        assert train.main([*arguments, *more]) == 0
        # A third time there is nothing left to do.
        assert train.main([*arguments, *more]) == 0
    finally:
        tf.config.run_functions_eagerly(False)
    ours, theirs = (
        tf.train.load_checkpoint(str(resume.find(tmp_path / name).prefix))
        for name in ("run", "undisturbed")
    )
    for name in ours.get_variable_to_shape_map():
        if name != "_CHECKPOINTABLE_OBJECT_GRAPH":
            assert np.array_equal(ours.get_tensor(name), theirs.get_tensor(name)), name


@pytest.mark.slow
def test_a_run_goes_on_with_its_own_settings_only(small_checkpoint_dir, arguments, capsys):
    changes = ["--checkpoint_dir", small_checkpoint_dir, "--resume_checkpoint", "auto"]
    assert train.main([*arguments, *changes, "--batch_size", "3"]) == 1
    assert "batch_size: was 6, now 3" in capsys.readouterr().err
    assert train.main([*arguments, *changes, "--learning_rate", "0.5"]) == 1
    assert "create_optimizer.learning_rate: was '0.003', now '0.5'" in capsys.readouterr().err


def test_a_full_disk_is_told_with_the_way_out():
    told = train._reason(OSError(errno.ENOSPC, "No space left on device", "loss_log.csv"))
    assert "No space left on device: 'loss_log.csv'" in told
    assert "make room, then go on with --resume_checkpoint auto" in told
    assert train._reason(OSError(errno.EACCES, "Permission denied")).endswith("Permission denied")
