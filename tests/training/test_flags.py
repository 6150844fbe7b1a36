"""Flags of train.py: overrides of gin, and what is refused before anything is built."""

from __future__ import annotations

import gin
import pytest

from training import flags

pytest_plugins = ["tests.training_fixtures"]
pytestmark = pytest.mark.usefixtures("tiny_gin")


@pytest.fixture
def base(tmp_path):
    """Flags that are fine; nothing that they name is read."""
    config = tmp_path / "tiny.gin"
    config.write_text("create_optimizer.learning_rate = 3e-3\n")
    return [
        *("--config_file", str(config), "--dataset_file", "a.npz"),
        *("--checkpoint_dir", str(tmp_path / "run")),
    ]


def bound(parameter):
    try:
        return gin.query_parameter(parameter)
    except ValueError:
        return "nothing"


VALUES = ("l1", 7, 0.5, "cosine", 3, 0.1, 2.0, 0.9, 2)


@pytest.mark.parametrize(("flag", "value"), zip(flags.OVERRIDES, VALUES, strict=True))
def test_a_flag_overrides_when_given_and_only_then(base, flag, value):
    parameter, *_ = flags.OVERRIDES[flag]
    flags.configure(flags.parse([*base, "--gin_bindings", f"{parameter} = {value!r}"]))
    assert gin.query_parameter(parameter) == value
    flags.configure(flags.parse(base))
    assert bound(parameter) == (3e-3 if flag == "learning_rate" else "nothing")
    flags.configure(flags.parse([*base, f"--{flag}", str(value)]))
    assert gin.query_parameter(parameter) == value


@pytest.mark.parametrize(
    ("more", "total_steps", "learning_rate"),
    [
        ([], "nothing", 3e-3),
        # Twice the batch that 3e-3 is meant for.
        (["--schedule", "cosine", "--base_batch_size", "8"], 40, 6e-3),
        (["--schedule", "cosine", "--gin_bindings", "create_optimizer.total_steps = 30"], 30, 3e-3),
    ],
)
def test_learning_rate_and_schedule_of_a_run(base, more, total_steps, learning_rate):
    args = flags.parse([*base, *more])
    flags.configure(args)
    flags.configure_for_data(args, 40, has_validation=True)
    assert bound("create_optimizer.total_steps") == total_steps
    assert bound("create_optimizer.learning_rate") == learning_rate
    args.early_stopping_epochs = 2
    with pytest.raises(ValueError, match="--early_stopping_epochs: expected validation samples"):
        flags.configure_for_data(args, 40, has_validation=False)


def test_a_wrong_number_is_a_wrong_flag(base, capsys):
    with pytest.raises(SystemExit, match="2"):
        flags.parse([*base, "--batch_size", "0"])
    assert "--batch_size: expected at least 1, got 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ("--resume_checkpoint other", "a run goes on in its own directory"),
        ("--resume_checkpoint {run} --pretrained_checkpoint rt1main", "no --pre.*rt1main"),
        ("--dataset_file gs://b/x", "--dataset_file: expected a path on this machine, got"),
        ("--checkpoint_dir {run}/best-3", "expected a directory, got the ch.*--pretrained"),
        ("--checkpoint_dir {run}", "holds another run.*--resume_checkpoint auto"),
        ("no --checkpoint_dir", "--checkpoint_dir: expected the directory of the run"),
    ],
)
def test_where_a_run_goes_and_begins(base, changes, message, tmp_path):
    flags.check_flags(flags.parse(base))
    old = tmp_path / "old"
    old.mkdir()
    for name in ("best-3.index", "metadata.json"):
        (old / name).write_text("{}")
    given = base[:4] if changes.startswith("no") else [*base, *changes.format(run=old).split()]
    args = flags.parse(given)
    with pytest.raises(ValueError, match=message):
        flags.check_flags(args)
    for resumed in (old, old / "last_checkpoint-3"):
        args = flags.parse([*base[:4], "--resume_checkpoint", str(resumed)])
        flags.check_flags(args)
        assert args.checkpoint_dir == str(old)
    weights = ["--pretrained_checkpoint", "rt1main", "--resume_checkpoint", "auto"]
    flags.check_flags(flags.parse([*base, *weights, "--checkpoint_dir", str(old)]))
