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


@pytest.mark.parametrize(
    ("flag", "value", "expected"),
    [
        ("loss_type", "l1", "l1"),
        ("image_size", "128", 128),
        ("image_size", "0", None),
        ("seed", "7", 7),
        ("learning_rate", "0.5", 0.5),
        ("schedule", "cosine", "cosine"),
        ("warmup_steps", "3", 3),
        ("weight_decay", "0.1", 0.1),
        ("gradient_clip_norm", "2", 2.0),
        ("ema_decay", "0.9", 0.9),
        ("accumulation_steps", "2", 2),
    ],
)
def test_a_flag_overrides_when_given_and_only_then(base, flag, value, expected):
    parameter = flags.OVERRIDES[flag]
    flags.configure(flags.parse([*base, "--gin_bindings", f"{parameter} = {expected!r}"]))
    assert gin.query_parameter(parameter) == expected
    flags.configure(flags.parse(base))
    assert bound(parameter) == (3e-3 if flag == "learning_rate" else "nothing")
    flags.configure(flags.parse([*base, f"--{flag}", value]))
    assert gin.query_parameter(parameter) == expected


def test_learning_rate_and_schedule_of_a_run(base):
    """20 epochs of 2 steps; twice the batch that 3e-3 is meant for."""
    args = flags.parse([*base, "--schedule", "cosine", "--base_batch_size", "8"])
    flags.configure(args)
    flags.configure_for_data(args, 1, 40, 1e-4)
    assert gin.query_parameter("create_optimizer.total_steps") == 40
    assert gin.query_parameter("create_optimizer.learning_rate") == 6e-3
    bindings = ["--gin_bindings", "create_optimizer.total_steps = 30"]
    args = flags.parse([*base, "--schedule", "cosine", *bindings])
    flags.configure(args)
    flags.configure_for_data(args, 1, 40, 1e-4)
    assert gin.query_parameter("create_optimizer.total_steps") == 30
    args = flags.parse(base)
    flags.configure(args)
    flags.configure_for_data(args, 1, 40, 1e-4)
    assert bound("create_optimizer.total_steps") == "nothing"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--batch_size", "0"], "--batch_size: expected at least 1, got 0"),
        (["--image_size", "-1"], "--image_size: expected pixels"),
        (["--mixed_precision", "float16"], "--mixed_precision: expected bfloat16, got float16"),
        (["--selection_metric", "centroid"], "Did you mean centroid_m[as]e"),
        (["--cluster", "slurm", "--num_devices", "2"], "--num_devices: expected none with"),
        (["--config_file", "absent.gin"], r"--config_file: no file absent\.gin"),
        (["--resume_checkpoint", "other"], "a run goes on in its own directory"),
        (
            ["--resume_checkpoint", "other", "--pretrained_checkpoint", "rt1main"],
            "expected one of them, got both",
        ),
        (["--dataset_file", "gs://b/x"], "--dataset_file: expected a path on this machine, got"),
    ],
)
def test_contradictions(base, changes, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        flags.check_flags(flags.parse([*base, *changes]))
    flags.check_flags(flags.parse(base))


def test_data_and_directory_must_be_given(base, tmp_path):
    (tmp_path / "best-3.index").write_text("")
    for arguments, message in (
        ([*base[:5], str(tmp_path / "best-3")], "expected a directory, got the ch.*--pretrained"),
        ([*base[:2], *base[4:]], "--dataset_file: expected an .npz"),
        (base[:4], "--checkpoint_dir: expected the directory of the run"),
    ):
        with pytest.raises(ValueError, match=message):
            flags.check_flags(flags.parse(arguments))
    for resumed in (tmp_path, tmp_path / "last_checkpoint-3"):
        args = flags.parse([*base[:4], "--resume_checkpoint", str(resumed)])
        flags.check_flags(args)
        assert args.checkpoint_dir == str(tmp_path)


@pytest.mark.parametrize("name", ["metadata.json", "training_state.json"])
def test_a_directory_that_holds_a_run(base, tmp_path, name):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text("{}")
    with pytest.raises(ValueError, match="holds another run.*--resume_checkpoint auto"):
        flags.check_flags(flags.parse(base))
    weights = ["--pretrained_checkpoint", "rt1main", "--resume_checkpoint", "auto"]
    flags.check_flags(flags.parse([*base, *weights]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--batch_size", "6", "--accumulation_steps", "4"], "got 6 samples in 4"),
        (
            [*(f"--{name}" for name in flags.FROZEN), "--loss_type", "cross_entropy"],
            "expected something that learns",
        ),
        (["--batch_size", "1", "--num_devices", "2"], "each of 2 devices, got 1"),
    ],
)
def test_settings_that_contradict_each_other(base, changes, message):
    with pytest.raises(ValueError, match=message):
        flags.configure(flags.parse([*base, *changes]))


def test_what_the_data_does_not_allow(base):
    args = flags.parse([*base, "--early_stopping_epochs", "2"])
    with pytest.raises(ValueError, match="--early_stopping_epochs: expected validation samples"):
        flags.configure_for_data(args, 0, 10, 1e-4)
    args = flags.parse([*base, "--schedule", "cosine", "--warmup_steps", "10"])
    flags.configure(args)
    with pytest.raises(ValueError, match="fewer than the 10 steps of the run, got 10"):
        flags.configure_for_data(args, 1, 10, 1e-4)
