"""train.py as a program: flags over bindings, what it leaves, what it refuses."""

from __future__ import annotations

import os
import signal

import pytest

import checkpoint_directory
import train
from tests import small_model, tiny_training, training_fixtures
from training import training_loop

# Each of them builds and trains networks: seconds, not milliseconds.
pytestmark = pytest.mark.slow
pytest_plugins = ["tests.training_fixtures"]


@pytest.fixture
def arguments(squares_files, tmp_path, tiny_gin):
    """Flags of a run that works."""
    return training_fixtures.arguments(tmp_path, *squares_files)


def test_fine_tuning_starts_from_the_given_weights_and_what_it_leaves(
    arguments, small_checkpoint_dir, tmp_path, capsys
):
    flags = ["--pretrained_checkpoint", small_checkpoint_dir, "--freeze_efficientnet"]
    assert train.main([*arguments, *flags]) == 0
    printed, run = capsys.readouterr().out, tmp_path / "run"
    assert "training loss" in printed and "mean of the training labels" in printed
    metadata = checkpoint_directory.read_metadata(run)
    assert (metadata["num_train"], metadata["num_val"]) == (18, 6)
    assert (metadata["resize"], metadata["loss_type"]) == ("stretch", "smooth_l1")
    assert metadata["dataset"] == "squares.npz" and len(metadata["dataset_fingerprint"]) == 64
    assert metadata["trained_pairs"] == [["skewering", "banana"]]
    assert (run / "training_curves.png").is_file() and (run / "MODEL_CARD.md").is_file()
    ours, theirs = (
        checkpoint_directory.load(directory).agent.network.parts()["efficientnet"].variables
        for directory in (run, small_checkpoint_dir)
    )
    assert small_model.same(*map(small_model.values, (ours, theirs)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--config_file", "absent.gin"], "absent.gin"),
        (["--dataset_file", "absent.npz"], "No data set absent.npz"),
        (["--pretrained_checkpoint", "absent/rt1"], "absent"),
        (["--gin_bindings", "NoSuchThing.x = 3"], "NoSuchThing"),
        (["--learning_rate", "1e30"], "is not finite, at step 1: loss nan"),
    ],
)
def test_refusals(arguments, changes, message, capsys, tmp_path, eager):
    assert train.main([*arguments, *changes]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run" / "metadata.json").exists()


def test_a_second_run_in_the_directory_is_refused(arguments, tmp_path, capsys):
    with checkpoint_directory.only_run(tmp_path / "run"):
        assert train.main(arguments) == 1
    assert "expected a directory that no other run writes to" in capsys.readouterr().err
    assert os.listdir(tmp_path / "run") == [checkpoint_directory.LOCK_FILE]


def test_a_dry_run_reads_and_builds_and_writes_nothing(arguments, tmp_path, capsys):
    (tmp_path / "squares_split.npz").unlink()
    before = sorted(tmp_path.rglob("*"))
    assert train.main([*arguments, "--dry_run", "--validation_fraction", "0.25"]) == 0
    assert sorted(tmp_path.rglob("*")) == before
    printed = capsys.readouterr().out
    assert "18 train, 6 val" in printed
    assert "first batch     image uint8 [6, 236, 236, 3]" in printed


def test_a_signal_saves_and_asks_for_a_requeue(arguments, tmp_path, monkeypatch, capsys, eager):
    """The run that goes on, from a crash and from a signal, ends as one that nobody disturbed."""
    more = ["--steps_per_epoch", "2", "--resume_checkpoint", "auto"]
    more += ["--checkpoint_every_steps", "1", "--ema_decay", "0.9", "--schedule", "cosine"]
    step, events = training_loop.train_step, iter(("none", "crash", "signal"))

    def disturbed(*arguments):
        event = next(events)
        if event == "crash":
            raise KeyboardInterrupt
        if event == "signal":
            os.kill(os.getpid(), signal.SIGUSR1)
        return step(*arguments)

    assert train.main([*arguments, *more, "--checkpoint_dir", str(tmp_path / "undisturbed")]) == 0
    monkeypatch.setattr(training_loop, "train_step", disturbed)
    with pytest.raises(KeyboardInterrupt):
        train.main([*arguments, *more])
    assert train.main([*arguments, *more]) == 75
    assert "SIGUSR1: saved; --resume_checkpoint auto" in capsys.readouterr().err
    assert train.main([*arguments, *more]) == 0
    equal, number = tiny_training.same_arrays(tmp_path / "run", tmp_path / "undisturbed")
    assert equal == number > 100


def test_a_run_goes_on_with_its_own_settings_only(small_checkpoint_dir, arguments, capsys):
    changes = ["--checkpoint_dir", small_checkpoint_dir, "--resume_checkpoint", "auto"]
    changes += ["--batch_size", "3", "--learning_rate", "0.5"]
    assert train.main([*arguments, *changes]) == 1
    told = capsys.readouterr().err
    assert "batch_size: was 6, now 3" in told and "learning_rate: was '0.003', now '0.5'" in told
